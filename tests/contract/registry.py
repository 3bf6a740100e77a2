"""All cases and oracles: ``cases_*.py`` beside this file, and ``tests/oracles/*.py``."""

import importlib
from pathlib import Path

_TESTS = Path(__file__).parent.parent


def _merged(folder: str, pattern: str, table: str) -> dict:
    merged: dict = {}
    for path in sorted((_TESTS / folder).glob(pattern)):
        module = importlib.import_module(f"tests.{folder}.{path.stem}")
        found = getattr(module, table, {})
        twice = sorted(found.keys() & merged.keys())
        if twice:
            raise ValueError(f"{path.name}: {', '.join(twice)} is in an earlier file's {table} too")
        merged |= found
    return merged


CASES = _merged("contract", "cases_*.py", "CASES")
ORACLES = _merged("oracles", "*.py", "ORACLES")
