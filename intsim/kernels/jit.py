"""Compiled functions: numba, imported only when a kernel is first needed, and a cache that is never stale.

Rules
-----
J1. Kernels release the lock of Python and use no fast-math: every float operation is IEEE, none fused.
J2. The cache folder's name holds a digest of every kernel's source, of the numba, llvmlite and numpy
    versions and of the processor: numba's own cache does not see an edited helper in another file.
J3. Compiled code is only loaded from a folder that belongs to the user (or to root) and that nobody else
    can write. Where the home folder has none and cannot be written, the cache is a private folder among
    the temporary files.
J4. A folder that cannot be written is used where kernels are in it already.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_told: list[Callable[[str], None]] = []


def compiled(function: F) -> F:
    """Compile a function with numba at its first call, for each signature (rules J1 to J4)."""
    import numba

    from intsim.kernels.kept import Kept

    kernel: Any = numba.njit(nogil=True, fastmath=False, error_model="numpy")(function)
    if hasattr(kernel, "_cache"):  # a plain function under NUMBA_DISABLE_JIT
        kernel._cache = Kept(function, cache_folder())
    _listen()
    return kernel  # type: ignore[no-any-return]


def tell_compilations(listener: Callable[[str], None]) -> None:
    """Have `listener` called with the name of each kernel of intsim that is compiled, before it is.

    Kernels that are loaded from the cache are not told of.
    """
    _told.append(listener)


@functools.cache
def _listen() -> None:
    """Hear from numba of every compilation."""
    from numba.core import event

    events: Any = event

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            function = event.data["dispatcher"].py_func
            if function.__module__.startswith("intsim."):
                for listener in _told:
                    listener(function.__name__)

        def on_end(self, event: Any) -> None:
            pass

    events.register("numba:compile", Listener())


@functools.cache
def cache_folder() -> Path:
    """The folder of the compiled kernels: below ``NUMBA_CACHE_DIR``, ``XDG_CACHE_HOME`` or ``~/.cache``
    if there is one by rules J3 and J4, else a private temporary one."""
    for folder in _places():
        if _holds_kernels(folder) or (_can_write(folder) and _is_private(folder)):
            return folder
    user = os.getuid() if hasattr(os, "getuid") else "user"
    shared = Path(tempfile.gettempdir()) / f"intsim-{user}"
    name = f"kernels-{digest()}"
    if _can_write(shared) and _is_private(shared) and _can_write(shared / name):
        return shared / name
    return Path(tempfile.mkdtemp(prefix="intsim-"))


def _places() -> Iterator[Path]:
    for parent in (
        os.environ.get("NUMBA_CACHE_DIR"),
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"),
    ):
        if parent:
            yield Path(parent) / "intsim" / f"kernels-{digest()}"


@functools.cache
def digest() -> str:
    """What decides whether compiled code may be used again (rule J2)."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy

    hashed = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        hashed.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    features = llvm.get_host_cpu_features()
    for part in (
        numba.__version__,
        llvmlite.__version__,
        numpy.__version__,
        llvm.get_host_cpu_name(),
        features.flatten(),
    ):
        hashed.update(part.encode() + b"\0")
    return hashed.hexdigest()[:20]


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_private(folder: Path) -> bool:
    """Whether a folder is the user's own, or root's, and only theirs to write (rule J3)."""
    if not hasattr(os, "getuid"):
        return True
    found = os.lstat(folder)
    mine = found.st_uid in (os.getuid(), 0)
    return stat.S_ISDIR(found.st_mode) and mine and not found.st_mode & 0o022


def _holds_kernels(folder: Path) -> bool:
    """Rule J4."""
    try:
        return _is_private(folder) and any(folder.glob("*.nbc"))
    except OSError:
        return False
