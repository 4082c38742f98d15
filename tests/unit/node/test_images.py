"""Images from disk: applied as a registry's peers do, refused where they are hostile."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from casemate.node import image_layers, images, trees
from casemate.node.image_blobs import ImageRefused
from casemate.node.images import find_image, import_image
from casemate.node.root_view import RootView
from casemate.node.store import Store
from casemate.node.tool_sandbox import ToolRun, run_tool
from support.oci_images import ImageOnDisk, a_layer, a_link, an_entry


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    yield made
    trees.remove(tmp_path / "store")


def imported(store, tmp_path, *layers, **fields):
    image = ImageOnDisk(list(layers), **fields)
    return import_image(store, image.layout(tmp_path / "layout"))


def refused(store, tmp_path, *layers) -> str:
    with pytest.raises(ImageRefused) as error:
        imported(store, tmp_path, *layers)
    assert list((store.root / "tmp").iterdir()) == []
    return error.value.message


def test_an_image_becomes_a_root_view_with_its_environment(store, tmp_path):
    layer = a_layer(
        an_entry("usr/bin/python3", b"\x7fELF", mode=0o755),
        a_link("bin", "usr/bin"),
        an_entry("proc", None),
        an_entry("app/evil", b"x"),
    )

    found = imported(store, tmp_path, layer)

    assert {mount.target for mount in found.root.mounts} == {"/usr"}
    assert [(link.target, link.link_path) for link in found.root.symlinks] == [("usr/bin", "/bin")]
    assert found.environment == (("PATH", "/usr/bin"), ("LANG", "C.UTF-8"))


def test_an_etc_that_leads_to_the_host_harms_nothing_there(store, tmp_path):
    host = tmp_path / "host"
    host.mkdir()
    for name in ("shadow", "sudoers", "hosts"):
        (host / name).write_text("x")

    imported(store, tmp_path, a_layer(a_link("etc", str(host)), an_entry("usr/x")))

    assert sorted(path.name for path in host.iterdir()) == ["hosts", "shadow", "sudoers"]
    assert (host / "hosts").read_text() == "x"


def test_passwords_of_an_image_are_left_out_whatever_they_are(store, tmp_path):
    layer = a_layer(
        an_entry("etc/shadow", b"root:x"), an_entry("etc/sudoers", None), an_entry("etc/os", b"1")
    )

    found = imported(store, tmp_path, layer)

    assert not (found.path / "etc/shadow").exists()
    assert not (found.path / "etc/sudoers").exists()
    assert (found.path / "etc/os").read_bytes() == b"1"


@pytest.mark.parametrize("entries", [(), (a_link("etc/resolv.conf", "../run/systemd/x"),)])
def test_a_resolver_can_always_be_mounted_into_an_image(store, tmp_path, entries):
    found = imported(store, tmp_path, a_layer(an_entry("etc/os", b"1"), *entries))

    assert (found.path / "etc/resolv.conf").read_bytes() == b""
    assert not (found.path / "etc/resolv.conf").is_symlink()


@pytest.mark.parametrize("form", ["layout", "archive", "docker_archive"])
def test_every_form_on_disk_gives_the_same_tree(store, tmp_path, form):
    image = ImageOnDisk([a_layer(an_entry("usr/x", b"1"))])

    found = import_image(store, getattr(image, form)(tmp_path / "image"))

    assert (found.path / "usr/x").read_bytes() == b"1"
    assert form == "docker_archive" or found.digest == image.digest


def test_plain_layers_are_read_too(store, tmp_path):
    found = imported(store, tmp_path, a_layer(an_entry("usr/x", b"1")), compress=False)

    assert (found.path / "usr/x").read_bytes() == b"1"


def test_an_imported_image_is_found_by_its_digest_alone(store, tmp_path):
    image = ImageOnDisk([a_layer(an_entry("usr/x"))])
    import_image(store, image.layout(tmp_path / "layout"))

    assert find_image(store, image.digest).digest == image.digest
    assert find_image(store, "sha256:" + "0" * 64) is None
    with pytest.raises(ImageRefused):
        find_image(store, "../../etc")


def test_upper_layers_replace_and_hide_what_lies_below(store, tmp_path):
    lower = a_layer(
        an_entry("usr/kept", b"1"), an_entry("usr/gone", b"1"), an_entry("usr/new", b"1"),
        an_entry("etc/dir/old", b"1"), an_entry("etc/dir/other", b"1"),
    )  # fmt: skip
    upper = a_layer(
        an_entry("usr/.wh.gone"), an_entry("usr/new", b"2"),
        an_entry("etc/dir/fresh", b"2"), an_entry("etc/dir/.wh..wh..opq"),
    )  # fmt: skip

    tree = imported(store, tmp_path, lower, upper).path

    assert (tree / "usr/kept").read_bytes() == b"1"
    assert (tree / "usr/new").read_bytes() == b"2"
    assert not (tree / "usr/gone").exists()
    assert [path.name for path in (tree / "etc/dir").iterdir()] == ["fresh"]


def test_a_directory_over_a_link_to_one_keeps_the_link(store, tmp_path):
    lower = a_layer(an_entry("usr/lib", None), a_link("lib", "usr/lib"))
    upper = a_layer(an_entry("lib", None), an_entry("lib/x.so", b"1"))

    tree = imported(store, tmp_path, lower, upper).path

    assert (tree / "lib").is_symlink()
    assert (tree / "usr/lib/x.so").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../out", "usr/../../out", "/../out"])
def test_a_name_that_climbs_is_refused(store, tmp_path, name):
    assert "leads out" in refused(store, tmp_path, a_layer(an_entry(name, b"x")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["/", "/../../../..", "../../../../../../.."])
def test_a_layer_does_not_write_through_a_link_of_the_one_below(store, tmp_path, target):
    aim = tmp_path / "aim"
    aim.mkdir()
    lower = a_layer(a_link("usr", target))
    upper = a_layer(an_entry(f"usr{aim}/planted", b"x"))

    # Refused or kept inside: either is right, a file outside is not.
    with contextlib.suppress(ImageRefused, trees.UnsafeTree):
        imported(store, tmp_path, lower, upper)

    assert list(aim.iterdir()) == []


def test_a_file_does_not_overwrite_what_a_link_points_at(store, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    layers = a_layer(a_link("usr/x", str(victim))), a_layer(an_entry("usr/x", b"theirs"))

    tree = imported(store, tmp_path, *layers).path

    assert victim.read_text() == "mine"
    assert (tree / "usr/x").read_bytes() == b"theirs"


def test_links_in_a_circle_are_refused(store, tmp_path):
    circle = a_layer(a_link("a", "b"), a_link("b", "a"), an_entry("a/x", b"1"))

    assert "circle" in refused(store, tmp_path, circle)


@pytest.mark.parametrize("target", ["/etc/passwd", "nothing", "../../etc/passwd", "usr/link"])
def test_a_hard_link_to_no_file_of_the_image_is_refused(store, tmp_path, target):
    layer = a_layer(a_link("usr/link", "/etc/passwd"), a_link("usr/hard", target, tarfile.LNKTYPE))

    message = refused(store, tmp_path, layer)

    assert "hard link" in message or "leads out" in message


def test_a_hard_link_within_the_image_is_kept(store, tmp_path):
    layer = a_layer(an_entry("usr/a", b"1"), a_link("usr/b", "usr/a", tarfile.LNKTYPE))

    assert (imported(store, tmp_path, layer).path / "usr/b").read_bytes() == b"1"


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(store, tmp_path, kind):
    layer = a_layer(an_entry("dev/mem", b"", type=kind, devmajor=1, devminor=1))

    assert "device or a pipe" in refused(store, tmp_path, layer)


def test_set_uid_bits_and_password_hashes_do_not_arrive(store, tmp_path):
    layer = a_layer(
        an_entry("usr/bin/su", b"x", mode=0o6755), an_entry("etc/shadow", b"root:x", mode=0o600)
    )

    tree = imported(store, tmp_path, layer).path

    assert (tree / "usr/bin/su").stat().st_mode & 0o7777 == 0o555
    assert not (tree / "etc/shadow").exists()


def test_a_bomb_of_bytes_ends_early(store, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "Budget", lambda: image_layers.Budget(read_bytes=1 << 20))

    assert "unpacks to more" in refused(store, tmp_path, a_layer(an_entry("x", b"\0" * (8 << 20))))


def test_a_bomb_of_entries_ends_early(store, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "Budget", lambda: image_layers.Budget(entries=10))
    many = a_layer(*(an_entry(f"usr/{number}") for number in range(20)))

    assert "unpacks to more" in refused(store, tmp_path, many)


def test_a_blob_with_other_bytes_is_refused(store, tmp_path):
    image = ImageOnDisk([a_layer(an_entry("usr/x", b"1"))])
    layout = image.layout(tmp_path / "layout")
    for blob in (layout / "blobs/sha256").iterdir():
        before = blob.read_bytes()
        blob.write_bytes(before + b" ")

        with pytest.raises(ImageRefused, match="other bytes"):
            import_image(store, layout)
        blob.write_bytes(before)


def test_a_blob_that_is_a_link_is_not_there(store, tmp_path):
    image = ImageOnDisk([a_layer(an_entry("usr/x", b"1"))])
    layout = image.layout(tmp_path / "layout")
    blob = next((layout / "blobs/sha256").iterdir())
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ImageRefused, match="missing"):
        import_image(store, layout)


def test_another_image_than_the_expected_one_is_refused(store, tmp_path):
    image = ImageOnDisk([a_layer(an_entry("usr/x", b"1"))])
    other = "sha256:" + "0" * 64

    with pytest.raises(ImageRefused, match="expected was"):
        import_image(store, image.layout(tmp_path / "layout"), expected_digest=other)


def test_of_several_images_the_one_for_this_machine_is_taken(store, tmp_path):
    one, two = (ImageOnDisk([a_layer(an_entry("usr/x", text))]) for text in (b"1", b"2"))
    arch = {"x64": "amd64"}.get(images.machine_arch(), images.machine_arch())
    for image, name in ((one, arch), (two, "s390x")):
        image.index["manifests"][0]["platform"] = {"os": "linux", "architecture": name}
    one.blobs |= two.blobs
    one.index["manifests"] += two.index["manifests"]

    assert import_image(store, one.layout(tmp_path / "layout")).digest == one.digest


@pytest.mark.parametrize(
    "index", [{}, {"manifests": []}, {"manifests": [{}]}, {"manifests": [{"digest": "x"}]}, []]
)
def test_an_index_of_another_shape_is_refused(store, tmp_path, index):
    layout = ImageOnDisk([a_layer(an_entry("usr/x"))]).layout(tmp_path / "layout")
    (layout / "index.json").write_text(json.dumps(index))

    with pytest.raises(ImageRefused):
        import_image(store, layout)


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b broken"])
def test_what_is_no_archive_is_refused(store, tmp_path, content):
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(ImageRefused):
        import_image(store, tmp_path / "file")


def test_a_damaged_layer_is_refused(store, tmp_path):
    good = a_layer(an_entry("usr/x", b"1" * 10_000))
    assert "damaged" in refused(store, tmp_path, good[:600])


def test_a_program_of_an_image_runs_in_a_sandbox(store, tmp_path):
    root = Path("/usr")
    names = ["bin/true", *_libraries(root / "bin/true")]
    files = [an_entry(f"usr/{name}", (root / name).read_bytes(), mode=0o755) for name in names]
    links = [a_link(name, f"usr/{name}") for name in ("bin", "lib", "lib64")]

    found = imported(store, tmp_path, a_layer(*files, *links))

    done = run_tool(ToolRun(("/usr/bin/true",), RootView(found.root.mounts, found.root.symlinks)))
    assert done.code == 0, done.stderr


def _libraries(program: Path) -> list[str]:
    import subprocess  # noqa: PLC0415

    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    words = io.StringIO(listing).read().split()
    paths = [Path(word) for word in words if word.startswith("/")]
    return [str(path).removeprefix("/usr").removeprefix("/") for path in paths]
