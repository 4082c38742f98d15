"""The runtimes that exist: language, files, handler contract, end of life. Data only.

End of life is the upstream project's date (PEP 693, 719, 745; the Node.js release schedule); the
day after it no security fix appears. `kyma_deprecated` is the date of the peer's own schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

RuntimeName = Literal["nodejs22", "nodejs24", "nodejs26", "python312", "python313", "python314"]


class Language(StrEnum):
    """What the handler is written in; also the family of the server that runs it."""

    PYTHON = "python"
    NODEJS = "nodejs"


class HandlerContract(StrEnum):
    """How a handler is called."""

    # main(event, context), as Kyma's runtimes up to python312 and nodejs24 call it
    EVENT = "event"
    # Python main() with the request at hand, Node (req, res)
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Runtime:
    """One row of the catalogue."""

    name: RuntimeName
    language: Language
    version: str
    contract: HandlerContract
    end_of_life: date
    kyma_deprecated: date | None = None
    in_kyma: bool = True

    @property
    def interpreter(self) -> str:
        """Return the executable's name, as the Pod's command begins."""
        return "python3" if self.language is Language.PYTHON else "node"

    @property
    def handler_files(self) -> tuple[str, ...]:
        """Return the file names that hold a handler, the preferred first."""
        return ("handler.py",) if self.language is Language.PYTHON else ("handler.js",)

    @property
    def dependency_file(self) -> str:
        """Return the name of the file that declares dependencies."""
        return "requirements.txt" if self.language is Language.PYTHON else "package.json"


RUNTIMES: Mapping[str, Runtime] = MappingProxyType({
    runtime.name: runtime
    for runtime in (
        Runtime(
            "python312", Language.PYTHON, "3.12", HandlerContract.EVENT,
            end_of_life=date(2028, 10, 31), kyma_deprecated=date(2027, 1, 1),
        ),
        Runtime(
            "python313", Language.PYTHON, "3.13", HandlerContract.EVENT,
            end_of_life=date(2029, 10, 31), in_kyma=False,
        ),
        Runtime(
            "python314", Language.PYTHON, "3.14", HandlerContract.REQUEST,
            end_of_life=date(2030, 10, 31),
        ),
        Runtime(
            "nodejs22", Language.NODEJS, "22", HandlerContract.EVENT,
            end_of_life=date(2027, 4, 30), kyma_deprecated=date(2026, 7, 1),
        ),
        Runtime(
            "nodejs24", Language.NODEJS, "24", HandlerContract.EVENT,
            end_of_life=date(2028, 4, 30),
        ),
        Runtime(
            "nodejs26", Language.NODEJS, "26", HandlerContract.REQUEST,
            end_of_life=date(2029, 4, 30),
        ),
    )
})  # fmt: skip

# Runtimes that manifests in the wild still name, and the nearest one that is maintained.
RETIRED: Mapping[str, str] = MappingProxyType({
    "nodejs12": "nodejs22", "nodejs14": "nodejs22", "nodejs16": "nodejs22",
    "nodejs18": "nodejs22", "nodejs20": "nodejs22", "python38": "python312",
    "python39": "python312",
})  # fmt: skip
