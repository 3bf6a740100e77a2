"""`Converter`: what a package offers under the entry-point group ``intsim.converters``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from intsim.network import Network

GROUP = "intsim.converters"
"""The entry-point group; each entry is an object with the attributes of `Converter`."""


@runtime_checkable
class Converter(Protocol):
    """Makes networks of a framework's files.

    name : as ``intsim convert --from`` says it
    suffixes : of the files that it reads, with the dot, lower-case
    dialects : name -> one line on which runtime's integers it stands for, and its source
    default_dialect : a key of `dialects`
    """

    name: str
    suffixes: tuple[str, ...]
    dialects: Mapping[str, str]
    default_dialect: str

    def convert(self, source: Path, dialect: str | None = None) -> Network:
        """The network of a file, with the integers of a dialect (None: the default one).

        Raises
        ------
        FileError
            The file cannot be read.
        ConversionError
            The file holds something that cannot be mapped exactly, or `dialect` is unknown.
        """
        ...
