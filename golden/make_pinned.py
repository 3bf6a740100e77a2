"""Write the pinned vectors: our own answers for hand-chosen cases, kept so that a change is seen.

    pip install '.[test]'
    python golden/make_pinned.py            make them anew
    python golden/make_pinned.py --check    compare what would be made with what is kept

The cases are in ``cases/``, one file per family; the answers come from the reference engine. Whether they
are right is not said here: the tests check every kept case against oracles that share nothing with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from golden.cases import DIALECT_CASES, OP_CASES  # noqa: E402
from golden.cases.answers import dialect_document, op_document  # noqa: E402
from golden.cases.text import text_of  # noqa: E402

KEPT = FOLDER / "pinned"
Documents = dict[str, dict[str, Any]]


def documents() -> Documents:
    """Every pinned file by its path under ``pinned/``, made anew."""
    made: Documents = {}
    for name, cases in OP_CASES.items():
        made[f"ops/{name}.json"] = op_document(name, cases)
    for name, cases in DIALECT_CASES.items():
        made[f"dialects/{name}.json"] = dialect_document(name, cases)
    return made


def write(made: Documents, folder: Path) -> None:
    """Make the folder hold these files and no other."""
    for path in folder.glob("*/*.json"):
        if str(path.relative_to(folder)) not in made:
            path.unlink()
    for name, document in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(document), encoding="utf-8")


def differences(made: Documents, folder: Path) -> list[str]:
    """One line for every file and case in which the folder differs from what was made."""
    kept = {str(path.relative_to(folder)) for path in folder.glob("*/*.json")}
    lines = [f"{name}: is not made by any case" for name in sorted(kept - made.keys())]
    lines += [f"{name}: is not kept" for name in sorted(made.keys() - kept)]
    for name in sorted(made.keys() & kept):
        text = (folder / name).read_text(encoding="utf-8")
        if text != text_of(made[name]):
            lines += [f"{name}: {what}" for what in _changes(json.loads(text), made[name])]
    return lines


def _changes(kept: dict[str, Any], made: dict[str, Any]) -> list[str]:
    """Which cases of a file differ, and in what."""
    before = {case["special"]: case for case in kept["cases"]}
    after = {case["special"]: case for case in made["cases"]}
    lines = [f"case {special!r} is no longer made" for special in before if special not in after]
    lines += [f"case {special!r} is not kept" for special in after if special not in before]
    for special in before.keys() & after.keys():
        old, new = before[special], after[special]
        parts = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if parts:
            lines.append(f"case {special!r} differs in {', '.join(parts)}")
    return lines or ["differs in its layout or heading only"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the pinned vectors anew, or check what is kept.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 where something differs")
    made = documents()
    if not parser.parse_args().check:
        write(made, KEPT)
        print(f"{sum(len(document['cases']) for document in made.values())} cases in {len(made)} files")
        return 0
    lines = differences(made, KEPT)
    print("\n".join(lines) or f"{len(made)} files agree")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
