"""What a conversion says when it cannot go on, each time with the module's qualified name."""

from __future__ import annotations

from typing import NoReturn

from intsim.errors import ConversionError, Finding


def refuse(where: str, reason: str) -> NoReturn:
    """Raise ConversionError for the module or call `where`."""
    raise ConversionError(Finding(where, reason))


def require(condition: bool, where: str, reason: str) -> None:
    """`refuse` unless the condition holds."""
    if not condition:
        refuse(where, reason)
