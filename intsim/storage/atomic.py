"""Writing a file whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from intsim.errors import FileError, Finding, IntsimError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new file beside `path`, which takes its place when the block ends well.

    When the block is left by any exception, nothing is left of the new file and `path` is as it was.

    Raises
    ------
    FileError
        `path` is something other than a regular file, or the disk says no, at any point of the block.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileError(Finding(str(path), "must be a regular file, or not be there yet"))
    beside = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.part")
    try:
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield beside
        os.replace(beside, target)
    except IntsimError:
        raise
    except OSError as error:
        raise FileError(Finding(str(path), f"cannot be written: {reason(error)}")) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def reason(error: BaseException) -> str:
    """An error of the operating system or of HDF5 in one line.

    HDF5 reports a failed system call inside a long message ("..., errno = 28, error message = '...'").
    """
    text = " ".join(str(error).split())
    number = error.errno if isinstance(error, OSError) else None
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if f"errno = {code}," in text:
            number = code
    if number:
        return os.strerror(number).lower()
    return text or type(error).__name__
