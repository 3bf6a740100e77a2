"""What readers of frameworks' files share: how they are asked, and for which dialect."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping

from intsim.errors import ConversionError
from intsim.network import Network

Source = str | os.PathLike[str] | bytes
"""A path, or a file's bytes."""


class FileConverter(ABC):
    """Makes networks of files; see `intsim.converter.Converter`."""

    name: str
    suffixes: tuple[str, ...]
    dialects: Mapping[str, str]
    default_dialect: str

    def convert(self, source: Source, dialect: str | None = None) -> Network:
        """The network of a file, or of a file's bytes, with a runtime's integers.

        Parameters
        ----------
        source : path, or the file's bytes
        dialect : a key of `dialects`; `default_dialect` where absent

        Raises
        ------
        FileError
            The file cannot be read.
        ConversionError
            It holds something that cannot be mapped exactly; every such thing is listed.
        """
        return self.network_of(source, self.chosen(dialect))

    def chosen(self, dialect: str | None) -> str:
        """The dialect, the default one for None. Raises ConversionError if there is none of that name."""
        if dialect is None:
            return self.default_dialect
        if dialect not in self.dialects:
            raise ConversionError(f"dialect must be one of {', '.join(self.dialects)}, not {dialect!r}")
        return dialect

    @abstractmethod
    def network_of(self, source: Source, dialect: str) -> Network:
        """The network of a file, in a dialect that there is."""
