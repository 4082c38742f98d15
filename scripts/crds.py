"""Write deploy/crds from the types: `python scripts/crds.py`; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from casemate.api.crd import KINDS, custom_resource_definition
from casemate.render.yaml_text import yaml_text

DIRECTORY = Path(__file__).resolve().parent.parent / "deploy" / "crds"


def rendered() -> dict[str, str]:
    """Return file name -> text of every CRD."""
    files = {}
    for kind in KINDS:
        crd = custom_resource_definition(kind)
        files[f"{crd['metadata']['name']}.yaml"] = yaml_text([crd])
    return files


def main() -> int:
    """Write or compare; a difference is exit 1."""
    files = rendered()
    if "--check" in sys.argv[1:]:
        found = {path.name: path.read_text() for path in sorted(DIRECTORY.glob("*.yaml"))}
        if found != files:
            print("deploy/crds differs from the types; run scripts/crds.py", file=sys.stderr)
            return 1
        return 0
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (DIRECTORY / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
