"""Which registries a package tool may reach: those that its own settings name, and no others.

Pure. The hosts come from the addresses in the environment and in the files that the tool is given,
and from the defaults of the tools; an index stands for the host of its files too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_URL = re.compile(r"https?://[^\s\"'<>,\]]+")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Destination:
    """A host and port that may be connected to."""

    host: str
    port: int


def registry_destinations(
    environment: Mapping[str, str],
    files: Iterable[bytes],
    extra: Iterable[str] = (),
    defaults: Iterable[tuple[str, str]] = (),
) -> frozenset[Destination]:
    """Return every registry that the settings name, `defaults`, and `extra` (`host[:port]`).

    A default is an address and the host where it keeps files, empty for its own.
    """
    texts = [value for name, value in environment.items() if not name.lower().endswith("_proxy")]
    texts += [file.decode(errors="replace") for file in files]
    files_of = {urlsplit(url).hostname: host for url, host in defaults if host}
    addresses = [url for url, _ in defaults]
    addresses += [url for text in texts for url in _URL.findall(text)]
    addresses += [f"https://{one}" for one in extra]
    found = set()
    for address in addresses:
        place = _destination(address)
        if place is not None:
            found.add(place)
            if place.host in files_of:
                found.add(Destination(files_of[place.host], 443))
    return frozenset(found)


def _destination(address: str) -> Destination | None:
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return Destination(parts.hostname.lower(), port) if parts.hostname else None
