"""Collecting what is wrong with a file, so that one error can tell all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from intsim.errors import FileError, Finding

_MOST = 50


class Collector:
    """Findings so far; `check` raises them together."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def add(self, where: str, what: str) -> None:
        """Note one finding."""
        self.findings.append(Finding(where, what))

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note the findings of a FileError raised in the block, and go on after it."""
        try:
            yield
        except FileError as error:
            self.findings += error.findings

    def check(self) -> None:
        """Raise FileError if anything was found."""
        if self.findings:
            raise FileError(self.findings)


def in_file(path: str, error: FileError) -> FileError:
    """The same error with the file's name before each HDF5 path; a very long list is cut, and says so."""
    told = [
        Finding(f"{path}:{finding.where}" if finding.where else path, finding.what)
        for finding in error.findings[:_MOST]
    ]
    if len(error.findings) > _MOST:
        told.append(Finding(path, f"and {len(error.findings) - _MOST} more"))
    return FileError(told)
