"""The C library's float32 functions: what a runtime fills its tables with.

LiteRT calls the machine's own C library when it loads a model, so its tables are that library's. The
functions here call the same library, one value at a time; numpy's own differ in the last place. C
libraries differ from each other in the last place too (glibc's even between processors with and without
fused multiply-add), which moves an entry of a table only where that is at a tie. A converted network
holds the table, so it gives the same integers everywhere.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from intsim.errors import ConversionError

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]


@functools.cache
def _library() -> ctypes.CDLL:
    for name in (ctypes.util.find_library("m"), "ucrtbase", None):
        try:
            library = ctypes.CDLL(name)
            library.expf  # noqa: B018 - whether it is there
        except (OSError, AttributeError, TypeError):
            continue
        return library
    raise ConversionError("the C library's float functions must be found to fill a table, but are not")


def c_function(name: str, dtype: Any = np.float32) -> Function:
    """A function of one float of the C library, for arrays.

    Parameters
    ----------
    name : as C names it, such as "expf"
    dtype : float32 for names that end in f, else float64
    """
    kind = ctypes.c_float if np.dtype(dtype) == np.float32 else ctypes.c_double

    def call(values: Array) -> Array:
        function = getattr(_library(), name)
        function.restype, function.argtypes = kind, (kind,)
        results = [function(float(value)) for value in np.ravel(values)]
        return np.array(results, dtype).reshape(np.shape(values))

    return call
