"""A new HDF5 file, on a disk that may be full.

The HDF5 library does not survive a write that fails while it closes a file: it ends the whole process
later. So it is never told: it writes to an object that keeps the first error for itself, takes the rest
of the bytes without writing them, and gives the error back when the library is done.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from intsim.errors import FileError, IntsimError
from intsim.storage.atomic import reason


@contextmanager
def creating(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """A new HDF5 file without times or other chance bytes, whole when the block has ended well.

    Yields
    ------
    The file, and a function that raises what the disk has said so far; for use in a long block.

    Raises
    ------
    OSError
        The disk says no, at any point of the block.
    FileError
        HDF5 says no.
    """
    with _Disk(path, "w+") as disk:
        try:
            with h5py.File(disk, "w", libver=("v108", "v108"), track_times=False) as file:
                yield file, disk.check
        except (IntsimError, OSError):
            raise
        except RuntimeError as error:
            raise FileError(f"cannot be written: {reason(error)}") from error
        finally:
            disk.check()


class _Disk(io.FileIO):
    """A file that never fails while it is written, and tells afterwards (see above)."""

    error: BaseException | None = None

    def check(self) -> None:
        """Raise the first error that there was."""
        if self.error is not None:
            raise self.error

    def write(self, data: Any) -> int:
        """Write all of `data`, or nothing more once something has failed."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest and self.error is None:
            rest = rest[self._try(super().write, rest) or 0 :]
        return size

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen the file."""
        self._try(super().truncate, size)
        return size or 0

    def _try(self, call: Any, *arguments: Any) -> Any:
        if self.error is None:
            try:
                return call(*arguments)
            except BaseException as error:  # an interrupt too would reach the library as a failed write
                self.error = error
        return None
