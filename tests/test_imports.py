"""The rooms stand in one row, and each imports only from rooms to its left."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ROOMS = [
    "errors",
    "record",
    "formats",
    "arithmetic",
    "ops",
    "network",
    "converter",
    "bounds",
    "kernels",
    "engine",
    "storage",
    "verify",
    "vectors",
    "report",
    "testing",
    "bench",
    "cli",
]
PLACE = {room: place for place, room in enumerate(ROOMS)}
FOR_CONVERTERS = {
    "intsim",
    "intsim.arithmetic",
    "intsim.arithmetic.dialects",
    "intsim.arithmetic.encode",
    "intsim.converter",
    "intsim.errors",
    "intsim.formats",
    "intsim.formats.table",
    "intsim.network",
    "intsim.ops",
    "intsim.storage",
}
TOP_LEVEL = {
    "pyproject.toml",
    "intsim",
    "converters",
    "tests",
    "golden",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
}


def imports(path):
    """(module, name) of every import; name is None for ``import module``."""
    package = path.relative_to(ROOT).with_suffix("").parts
    if package[-1] == "__init__":
        package = (*package[:-1], "")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = ".".join((*package[: len(package) - node.level], *filter(None, [module])))
            yield from ((module, alias.name) for alias in node.names)


def sources(folder):
    return sorted(
        path
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts and path.stat().st_size
    )


def shown(path):
    return str(path.relative_to(ROOT))


def rooms_of(module, name):
    """The room of intsim that an import enters, if any."""
    parts = module.split(".")
    if parts[0] != "intsim":
        return None
    return parts[1] if len(parts) > 1 else name


def test_every_room_has_its_place():
    rooms = {
        path.stem
        for path in (ROOT / "intsim").iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert rooms <= PLACE.keys()


@pytest.mark.parametrize("path", sources("intsim"), ids=shown)
def test_imports_go_left(path):
    inside = path.relative_to(ROOT / "intsim").parts
    if inside == ("__init__.py",):  # the public names, from everywhere
        return
    here = PLACE[inside[0].removesuffix(".py")]
    wrong = []
    for module, name in imports(path):
        room = rooms_of(module, name)
        if room is None:
            continue
        own = room == inside[0].removesuffix(".py")
        if room not in PLACE or (PLACE[room] >= here and not own):
            wrong.append(f"{module} ({name})")
    assert not wrong, f"{shown(path)} imports to its right: {', '.join(wrong)}"


@pytest.mark.parametrize("path", sources("intsim/arithmetic"), ids=shown)
def test_dialects_are_behind_the_arithmetic(path):
    if "dialects" not in path.parts:
        assert not [module for module, _ in imports(path) if "dialects" in module]


@pytest.mark.parametrize("path", sources("intsim"), ids=shown)
def test_intsim_does_not_know_its_converters_or_its_tests(path):
    strangers = {"intsim_converters", "converters", "tests", "golden"}
    assert not [module for module, _ in imports(path) if module.split(".")[0] in strangers]


@pytest.mark.parametrize("path", sources("converters"), ids=shown)
def test_converters_see_public_names_only(path):
    wrong = [
        f"{module} ({name})"
        for module, name in imports(path)
        if module.split(".")[0] == "intsim"
        and (module not in FOR_CONVERTERS or (name is not None and name.startswith("_")))
    ]
    assert not wrong, f"{shown(path)} looks behind the public names: {', '.join(wrong)}"


@pytest.mark.parametrize("path", sources("converters"), ids=shown)
def test_public_names_are_declared(path):
    """What a converter takes from a room is in the room's ``__all__`` (or is a room)."""
    for module, name in imports(path):
        if module.split(".")[0] == "intsim" and name is not None:
            room = __import__(module, fromlist=["__all__"])
            assert name in getattr(room, "__all__", vars(room)) or f"{module}.{name}" in FOR_CONVERTERS


@pytest.mark.parametrize("path", sources("tests/oracles"), ids=shown)
def test_oracles_share_nothing(path):
    allowed = {"__future__", "collections", "ctypes", "fractions", "functools", "itertools", "math", "struct"}
    allowed |= {"tests", "typing", "bisect", "operator", "decimal"}
    wrong = [module for module, _ in imports(path) if module.split(".")[0] not in allowed]
    wrong += [m for m, _ in imports(path) if m.startswith("tests") and not m.startswith("tests.oracles")]
    assert not wrong, f"{shown(path)} imports {', '.join(wrong)}"


@pytest.mark.parametrize("path", sources("intsim"), ids=shown)
def test_hypothesis_stays_in_the_strategies(path):
    inside = path.relative_to(ROOT / "intsim").parts
    found = [module for module, _ in imports(path) if module.split(".")[0] == "hypothesis"]
    assert not found or inside[0] == "testing"


def test_the_contract_needs_no_hypothesis():
    code = "import sys, intsim, intsim.testing; assert 'hypothesis' not in sys.modules"
    subprocess.run(["python", "-c", code], check=True, cwd=ROOT)


def test_the_top_level_stays_small():
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, cwd=ROOT, capture_output=True, text=True)
    entries = {name.split("/")[0] for name in tracked.stdout.split("\0") if name}
    assert {entry for entry in entries if not entry.startswith(".")} <= TOP_LEVEL


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import intsim.engine.run", [("intsim.engine.run", None)]),
        ("from intsim import ops", [("intsim", "ops")]),
        ("from . import base", [("intsim.ops", "base")]),
        ("from .base import Op", [("intsim.ops.base", "Op")]),
        ("from ..engine import run", [("intsim.engine", "run")]),
        ("def f():\n    import intsim.cli", [("intsim.cli", None)]),
    ],
)
def test_the_reading_of_imports(source, expected, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: source)
    assert list(imports(ROOT / "intsim" / "ops" / "add.py")) == expected
    monkeypatch.undo()
