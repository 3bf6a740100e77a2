"""Compiled kernels kept in files, one file for each kernel and each signature.

numba's own cache keeps an index beside its files. Two processes that add to it at once can both take the same
next file name, and the index then gives one signature the code of another.

Rules
-----
C1. A file's name is a digest of what decides its content: the function, its source file, the signature, the
    processor. There is no index: who writes a file at the same time as another writes the same kernel.
C2. A file appears whole, by renaming. It begins with a digest of the rest, and holds its key in full. What
    does not agree is not used.
C3. Whatever goes wrong with a file, the kernel is compiled. A folder that cannot be written keeps nothing.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_DIGEST = hashlib.sha256().digest_size


class Kept:
    """What numba's dispatcher asks for as its cache.

    function : what is compiled
    folder : where the files are; nobody else may write there, since code is loaded from them
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._code = function.__code__.co_code
        self._source = source_digest(function.__code__.co_filename)
        self._folder = folder

    @property
    def cache_path(self) -> str:
        return str(self._folder)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """A compiled kernel from its file, or None."""
        from numba.core import compiler

        result: Any = compiler.CompileResult
        make_ready(context)
        key = self._key(signature, context.codegen())
        held = read(self._path(key), key)
        return None if held is None else result._rebuild(context, *held)

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a compiled kernel, unless it holds addresses of this process."""
        if result.library.has_dynamic_globals or result.lifted:
            return
        key = self._key(signature, result.codegen)
        with suppress(OSError):
            write(self._path(key), key, result._reduce())

    def flush(self) -> None:
        """Nothing is held back."""

    def _key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return (self._name, self._source, self._code, signature, codegen.magic_tuple())

    def _path(self, key: tuple[Any, ...]) -> Path:
        return self._folder / f"{self._name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.nbc"


def read(path: Path, key: Any) -> Any:
    """What is kept under a key; None if the file is not there, damaged, or another key's (rule C2)."""
    try:
        held = path.read_bytes()
    except OSError:
        return None
    digest, content = held[:_DIGEST], held[_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        return None
    found, value = pickle.loads(content)
    return value if found == key else None


def write(path: Path, key: Any, value: Any) -> None:
    """Keep a value under a key.

    Raises
    ------
    OSError
        The file cannot be written; nothing of it is left.
    """
    from numba.core import serialize

    pickler: Any = serialize
    content = pickler.dumps((key, value))
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


@functools.cache
def source_digest(path: str) -> str:
    """A digest of a source file; of its name, if there is no such file."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return path


def make_ready(context: Any) -> None:
    """Make numba ready to load what was compiled: its own functions that kernels call must have addresses.

    numba's cache has it made ready to compile, which imports all that numba knows, and takes longer than to
    load a network's kernels. Whoever compiles makes it ready for that by itself.
    """
    from numba.core import runtime

    numba_runtime: Any = runtime
    numba_runtime.rtsys.initialize(context)
