"""Names of tensors as names in an HDF5 file.

Rules
-----
P1. ``%``, ``/`` and ``.`` are written as ``%25``, ``%2F`` and ``%2E``: HDF5 gives ``/`` and ``.`` a meaning.
P2. When read, every ``%`` is followed by two hex digits; together they are UTF-8, as in a URL.
"""

from __future__ import annotations

import re

_WRITTEN = {"%": "%25", "/": "%2F", ".": "%2E"}
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def encode_name(name: str) -> str:
    """A tensor's name as one component of an HDF5 path (rule P1).

    Examples
    --------
    >>> encode_name("block1/conv.weight")
    'block1%2Fconv%2Eweight'
    """
    return "".join(_WRITTEN.get(letter, letter) for letter in name)


def decode_name(component: str) -> str:
    """The tensor's name that an HDF5 path's component stands for (rule P2).

    Raises
    ------
    ValueError
        A ``%`` does not begin an escape, or the bytes are no UTF-8.

    Examples
    --------
    >>> decode_name("block1%2Fconv%2eweight")
    'block1/conv.weight'
    """
    raw = component.encode("utf-8")
    if len(_ESCAPE.findall(raw)) != raw.count(b"%"):
        raise ValueError(f"must have two hex digits after every %, not {component!r}")
    try:
        return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"must be UTF-8, not {component!r}") from None
