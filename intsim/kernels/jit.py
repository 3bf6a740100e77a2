"""Compiled functions: numba, imported only when a kernel is first needed, and a cache that is never stale.

Rules
-----
J1. Kernels release the lock of Python and use no fast-math: every float operation is IEEE, none fused.
J2. The cache folder's name holds a digest of every kernel's source, of the numba, llvmlite and numpy
    versions and of the processor: numba's own cache does not see an edited helper in another file.
J3. Where the home folder cannot be written, the cache is a private folder among the temporary files.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function with numba at its first call, for each signature (rules J1 to J3)."""
    import numba

    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        kernel: Any = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = before
    return kernel  # type: ignore[no-any-return]


@functools.cache
def cache_folder() -> Path:
    """The folder of the compiled kernels: below ``NUMBA_CACHE_DIR``, ``XDG_CACHE_HOME`` or ``~/.cache``
    if it can be written, else a private temporary one."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    name = f"kernels-{digest()}"
    for parent in ([Path(chosen) / "intsim"] if chosen else []) + [Path(home) / "intsim"]:
        if _can_write(parent / name):
            return parent / name
    user = os.getuid() if hasattr(os, "getuid") else "user"
    shared = Path(tempfile.gettempdir()) / f"intsim-{user}"
    if _can_write(shared) and _is_private(shared) and _can_write(shared / name):
        return shared / name
    return Path(tempfile.mkdtemp(prefix="intsim-"))


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
    """Whether a folder among the temporary files is the user's own: compiled code is loaded from it."""
    if not hasattr(os, "getuid"):
        return True
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
