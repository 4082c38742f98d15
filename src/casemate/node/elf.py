"""Reads from an ELF file what the loader would: its loader, its libraries, where to look.

Nothing is executed: `ldd` runs the file's own loader, which is not for files that we do not trust
yet. Only 64-bit little-endian files are read (x86-64, arm64): the machines we run on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_MOST_HEADERS = 256


class UnreadableElf(InvalidInput):
    """A program or library is not a file that this machine's loader takes."""

    code = "UnreadableElf"


@dataclass(frozen=True, slots=True)
class ElfNeeds:
    """What the loader needs to start one file."""

    loader: str
    libraries: tuple[str, ...]
    search: tuple[str, ...]
    """RUNPATH, or RPATH, as written: `$ORIGIN` is the file's own directory."""


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def is_elf(path: Path) -> bool:
    """Tell whether a file begins as an ELF file does."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def read_needs(path: Path) -> ElfNeeds:
    """Read the dynamic section; raises UnreadableElf for anything unexpected."""
    content = path.read_bytes() if path.stat().st_size < 8 << 20 else _mapped(path)
    try:
        return _parse(memoryview(content))
    except (struct.error, ValueError, IndexError) as error:
        raise UnreadableElf(f"{path.name} is not a 64-bit ELF file") from error


def _mapped(path: Path) -> memoryview:
    import mmap  # noqa: PLC0415  # only large programs need it

    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _parse(content: memoryview) -> ElfNeeds:
    if bytes(content[:6]) != b"\x7fELF\x02\x01":
        raise ValueError("class or byte order")
    (table,) = struct.unpack_from("<Q", content, 32)
    entry_size, count = struct.unpack_from("<HH", content, 54)
    if count > _MOST_HEADERS:
        raise ValueError("program headers")
    segments = []
    for index in range(count):
        kind, _, offset, address, _, size = struct.unpack_from(
            "<IIQQQQ", content, table + index * entry_size
        )
        segments.append(_Segment(kind, offset, address, size))
    loader = "".join(
        bytes(content[part.offset : part.offset + part.size]).rstrip(b"\0").decode()
        for part in segments
        if part.kind == _PT_INTERP
    )
    tags = [tag for part in segments if part.kind == _PT_DYNAMIC for tag in _tags(content, part)]
    strings = _offset_of(segments, next((value for tag, value in tags if tag == _DT_STRTAB), 0))
    wanted: dict[int, list[str]] = {_DT_NEEDED: [], _DT_RPATH: [], _DT_RUNPATH: []}
    for tag, value in tags:
        if tag in wanted:
            wanted[tag].append(_string(content, strings + value))
    search = wanted[_DT_RUNPATH] or wanted[_DT_RPATH]
    return ElfNeeds(
        loader,
        tuple(wanted[_DT_NEEDED]),
        tuple(part for line in search for part in line.split(":") if part),
    )


def _tags(content: memoryview, part: _Segment) -> list[tuple[int, int]]:
    found = []
    for offset in range(part.offset, part.offset + part.size, 16):
        tag, value = struct.unpack_from("<QQ", content, offset)
        if tag == 0:
            break
        found.append((tag, value))
    return found


def _offset_of(segments: list[_Segment], address: int) -> int:
    for part in segments:
        if part.kind == _PT_LOAD and part.address <= address < part.address + part.size:
            return part.offset + address - part.address
    return address


def _string(content: memoryview, offset: int) -> str:
    end = offset
    while content[end]:
        end += 1
    return bytes(content[offset:end]).decode()
