"""Vectors by other tools stand apart, say where they come from, and are read by a test."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
EXTERNAL = TESTS.parent / "golden" / "external"
TOOLS = sorted(path.name for path in EXTERNAL.iterdir())


def provenance(tool: str) -> str:
    """The row of a folder's README that names the tool."""
    text = (EXTERNAL / tool / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| Tool |")]
    assert len(rows) == 1, f"{tool}/README.md must name its tool in one row '| Tool |'"
    return rows[0]


def test_there_are_some_and_folders_only():
    assert {"onnxruntime", "tosa"} <= set(TOOLS)
    assert all((EXTERNAL / tool).is_dir() for tool in TOOLS)


def test_each_readme_names_tool_and_version():
    for tool in TOOLS:
        assert re.search(rf"\b{tool}\S* \d+\.\d+", provenance(tool), re.IGNORECASE), provenance(tool)


def test_each_folder_holds_vectors_and_how_they_were_made():
    for tool in TOOLS:
        files = {path.name for path in (EXTERNAL / tool).iterdir()}
        assert files - {"README.md", "make.py"}, tool
        readme = (EXTERNAL / tool / "README.md").read_text(encoding="utf-8")
        assert "make.py" not in files or "make.py" in readme, tool


def test_each_folder_is_read_by_a_test():
    others = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    readers = [text for text in others if '"external"' in text or "golden/external" in text]
    for tool in TOOLS:
        assert any(f'"{tool}"' in text or f"external/{tool}" in text for text in readers), tool
