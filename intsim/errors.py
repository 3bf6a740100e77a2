"""Every error intsim raises, and the one-line form they share.

A message reads ``<where>: <what> must be <rule>, not <value>. <hint>. [<label>]`` in the reader's own
words: the network's names, the HDF5 path, the framework's node. Several mistakes make one exception
that lists them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Finding:
    """One mistake: where it is, and what is wrong there."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what

    def at(self, prefix: str) -> Finding:
        """The same finding, named from further out: ``prefix`` is put before ``where``."""
        return Finding(f"{prefix}.{self.where}" if self.where else prefix, self.what)


class IntsimError(Exception):
    """The parent of every error a user can cause.

    Parameters
    ----------
    findings : one message, one Finding, or several of them
    """

    def __init__(self, findings: str | Finding | Iterable[Finding]) -> None:
        if isinstance(findings, str):
            findings = Finding("", findings)
        if isinstance(findings, Finding):
            findings = (findings,)
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    def at(self, prefix: str) -> Self:
        """The same error with every finding named from further out."""
        return type(self)(finding.at(prefix) for finding in self.findings)


class SpecError(IntsimError, ValueError):
    """A specification object (format, accumulator, op, network, datapath) breaks a rule."""


class InputError(IntsimError, ValueError):
    """A tensor given to a network does not fit its declared input."""


class FileError(IntsimError, ValueError):
    """A file cannot be read as what it should be, or cannot be written."""


class ConversionError(IntsimError, ValueError):
    """A framework's network holds something that cannot be mapped exactly."""


class OverflowTrap(IntsimError, ArithmeticError):  # noqa: N818 - the field's word for the event
    """A register whose overflow is TRAP received a value that does not fit."""


class MismatchError(IntsimError):
    """Two engines disagree: the crosscheck stopped at the first difference."""
