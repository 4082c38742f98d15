import asyncio

import pytest

from casemate.apiserver import reads as module
from casemate.apiserver.list_options import list_options
from casemate.apiserver.reads import Page, Reads
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.database import Store
from support.stores import CONFIG_MAPS, a_key, an_object, with_store

RESOURCE = Resource("", "v1", "configmaps", "configmap", "ConfigMap", namespaced=True, schema={})


def asked(**query: str):
    return list_options(
        RESOURCE, {key.rstrip("_"): value for key, value in query.items()}, watch=False
    )


def page(reads: Reads, **query: str) -> Page:
    return reads.list(CONFIG_MAPS, None, asked(**query))


def names(found: Page) -> list[str]:
    return [one.key.name for one in found.items]


def is_kept(reads: Reads, token: str) -> bool:
    try:
        return len(page(reads, limit="4", continue_=token).items) == 4
    except ApiError as error:
        return error.status != 410


def with_ten(use) -> None:
    async def life(store: Store) -> None:
        keys = [a_key(f"n{number}") for number in range(10)]
        labels = ({"half": str(number % 2)} for number in range(10))
        await asyncio.gather(
            *(
                store.create(key, an_object(key, labels=label))
                for key, label in zip(keys, labels, strict=True)
            )
        )
        await use(store, Reads(store))

    with_store(None, life)


def test_pages_are_of_one_moment_whatever_is_written_between():
    async def use(store: Store, reads: Reads) -> None:
        first = page(reads, limit="4")
        await store.delete(a_key("n5"), expected=store.get(a_key("n5")).resource_version)
        late = a_key("n55")
        await store.create(late, an_object(late))
        second = page(reads, limit="4", continue_=first.continue_token)
        third = page(reads, limit="4", continue_=second.continue_token)

        assert names(first) + names(second) + names(third) == [f"n{n}" for n in range(10)]
        assert [one.remaining for one in (first, second, third)] == [6, 2, None]
        assert len({one.resource_version for one in (first, second, third)}) == 1
        assert third.continue_token == ""
        assert "n55" in names(page(reads))

    with_ten(use)


def test_a_token_can_be_used_again_and_belongs_to_its_list():
    async def use(_store: Store, reads: Reads) -> None:
        token = page(reads, limit="4").continue_token

        again = [names(page(reads, limit="3", continue_=token)) for _ in range(2)]

        assert again == [["n4", "n5", "n6"]] * 2
        for other in ({"labelSelector": "half=0"}, {"fieldSelector": "metadata.name=n1"}):
            with pytest.raises(ApiError) as refused:
                page(reads, limit="3", continue_=token, **other)
            assert refused.value.status == 400

    with_ten(use)


def test_a_selected_list_does_not_say_how_much_remains():
    async def use(_store: Store, reads: Reads) -> None:
        found = page(reads, limit="2", labelSelector="half=1")

        assert (names(found), found.remaining) == (["n1", "n3"], None)
        assert found.continue_token

    with_ten(use)


@pytest.mark.parametrize("token", ["x", "W10", "!!", "WzEsMl0", "WyJhIiwtMV0", "a" * 5000])
def test_a_forged_token_is_refused(token):
    async def use(_store: Store, reads: Reads) -> None:
        with pytest.raises(ApiError) as refused:
            page(reads, limit="2", continue_=token)
        assert refused.value.status == 400

    with_ten(use)


def test_a_page_that_comes_too_late_is_gone():
    async def use(store: Store, _reads: Reads) -> None:
        now = [0.0]
        reads = Reads(store, lambda: now[0])
        token = page(reads, limit="4").continue_token
        now[0] = 301.0
        with pytest.raises(ApiError) as refused:
            page(reads, limit="4", continue_=token)
        assert (refused.value.status, refused.value.reason) == (410, "Expired")

    with_ten(use)


@pytest.mark.parametrize(("bound", "value"), [("MOST_KEPT", 3), ("MOST_KEPT_BYTES", 5000)])
def test_who_starts_many_lists_and_finishes_none_loses_the_oldest(monkeypatch, bound, value):
    monkeypatch.setattr(module, bound, value)

    async def use(_store: Store, reads: Reads) -> None:
        tokens = [page(reads, limit="4").continue_token for _ in range(50)]
        kept = [token for token in tokens if is_kept(reads, token)]
        assert 1 <= len(kept) <= 3
        assert kept == tokens[-len(kept) :]
        assert len(reads._kept) <= 3
        assert names(page(reads, limit="4", continue_=tokens[-1]))[0] == "n4"

    with_ten(use)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"resourceVersion": "0"}, 200),
        ({"resourceVersion": "3"}, 200),
        ({"resourceVersion": "3", "resourceVersionMatch": "NotOlderThan"}, 200),
        ({"resourceVersion": "11", "resourceVersionMatch": "Exact"}, 200),
        ({"resourceVersion": "3", "resourceVersionMatch": "Exact"}, 410),
        ({"resourceVersion": "99"}, 504),
        ({"resourceVersion": "99", "resourceVersionMatch": "Exact"}, 504),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "1", "resourceVersionMatch": "Newest"}, 422),
        ({"sendInitialEvents": "true"}, 422),
        ({"resourceVersion": "x"}, 400),
    ],
)
def test_a_list_is_as_of_the_version_that_was_asked_for_or_refused(query, status):
    async def use(_store: Store, reads: Reads) -> None:
        if status == 200:
            assert page(reads, **query).resource_version == 11
            return
        with pytest.raises(ApiError) as refused:
            page(reads, **query)
        assert refused.value.status == status

    with_ten(use)
