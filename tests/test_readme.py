"""The README tells the truth: every command in it is run, and prints what stands below it.

Blocks of `console`: lines that begin with "$ " are commands; what follows is their standard output, where
a line "..." stands for any lines. Blocks of `python` are doctests. Blocks of `sh` are run but for the
installations and the test suite. All run in order, in one folder that holds nothing but `golden`.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from intsim_converters.tflite.lowering import LOWERINGS

from intsim.ops import OPS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LEFT_OUT = ("pip install", "python -m pytest")
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "COLUMNS": "100",
    "NO_COLOR": "1",
}


def blocks() -> Iterator[tuple[int, str, str]]:
    """Line, language and text of every fenced block."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        yield README.count("\n", 0, found.start()) + 2, found[1], found[2]


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines shown below it; a backslash continues."""
    command, shown = "", []
    for line in text.splitlines():
        if command.endswith("\\"):
            command = command[:-1] + line.removeprefix("> ")
        elif line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        else:
            shown.append(line)
    yield command, shown


def run(command: str, folder: Path) -> list[str]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
    return [line.rstrip() for line in done.stdout.splitlines()]


def alike(shown: list[str], printed: list[str]) -> bool:
    """Whether what is shown is what was printed, "..." standing for any lines."""
    pattern = "".join("(.*\n)*" if line.strip() == "..." else re.escape(line) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    (folder / "golden").symlink_to(ROOT / "golden")
    return folder


def test_the_readme_is_true(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    languages, names = set(), {}
    for line, language, text in blocks():
        languages.add(language)
        where = f"README.md, line {line}"
        if language == "console":
            for command, shown in commands(text):
                printed = run(command, folder)
                assert alike(shown, printed), f"{where}: $ {command}\n" + "\n".join(printed)
        elif language == "python":
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            found = doctest.DocTestParser().get_doctest(text, names, where, "README.md", line)
            assert runner.run(found, clear_globs=False).failed == 0, where
            names = found.globs
        elif language == "sh":
            for command in re.split(r"&&|\n", text.replace("\\\n", " ")):
                if command.strip() and not command.strip().startswith(LEFT_OUT):
                    run(command.strip(), folder)
    assert {"console", "python", "sh"} <= languages


def test_a_false_line_is_noticed() -> None:
    assert alike(["a", "...", "d"], ["a", "b", "c", "d"])
    assert alike(["a", "..."], ["a"])
    assert not alike(["a"], ["a", "b"])
    assert not alike(["a 1"], ["a 2"])
    assert not alike(["...", "d"], ["a", "b"])


def test_every_op_is_listed() -> None:
    table = README.partition("\n## Ops\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"`(\w+)`", table.partition("\nA package")[0])) == sorted(OPS)


def test_every_operator_is_listed() -> None:
    listed = README.partition("that are converted:")[2].partition(";")[0]
    refused = {"SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"}  # known only to be refused with advice
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(LOWERINGS.keys() - refused)
