"""What verbs print: plain tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


def add_json(parser: ArgumentParser) -> None:
    """Add --json to a verb."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    print()


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]], commas: bool = True) -> None:
    """Columns padded with spaces; numbers to the right, with or without commas. Safe to cut and grep."""
    body = [list(row) for row in rows]
    if not body:
        return
    text = _text if commas else str
    texts = [list(header), *([text(cell) for cell in row] for row in body)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    right = [
        all(isinstance(row[column], int) or row[column] == "" for row in body)
        for column in range(len(header))
    ]
    for row in texts:
        cells = zip(row, widths, right, strict=True)
        print("  ".join(f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in cells).rstrip())


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """A name and its value a line."""
    listed = [(name, _text(value)) for name, value in pairs]
    width = max(len(name) for name, _ in listed)
    for name, value in listed:
        print(f"{name:<{width}}  {value}")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, called with (done, total); None when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _text(cell: Any) -> str:
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
