"""Blocks as GGUF files hold them: `read_gguf` and `write_gguf`.

Rules
-----
R1. A block's bytes are what `_LAYOUTS` lists, in that order, without gaps; float16 scales are little-endian.
R2. Q4_K's eight 6-bit scales sc and minima m take 12 bytes: bytes 0 to 3 hold sc 0 to 3 with the top two
    bits of sc 4 to 7 above them, bytes 4 to 7 the same of m, bytes 8 to 11 the low four bits of sc 4 to 7
    with those of m 4 to 7 above them.
R3. Blocks follow each other along the last axis, whose length is a whole number of them.

References
----------
ggml, ggml-common.h: block_q4_0, block_q8_0, block_q4_K, block_tq1_0, block_tq2_0, block_mxfp4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.errors import InputError, SpecError
from intsim.formats.block import BlockFormat
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.codes import check_codes
from intsim.formats.fields import Fields
from intsim.formats.packing import pack, unpack
from intsim.formats.packings import PACKINGS
from intsim.formats.table import FORMATS
from intsim.record import Array

_LAYOUTS: dict[str, tuple[tuple[str, int], ...]] = {  # what, and how many bytes
    "q4_0": (("0.scale", 2), ("elements", 16)),
    "q8_0": (("0.scale", 2), ("elements", 32)),
    "q4_k": (("1.scale", 2), ("1.offset_scale", 2), ("0.six bits", 12), ("elements", 128)),
    "tq1_0": (("elements", 52), ("0.scale", 2)),
    "tq2_0": (("elements", 64), ("0.scale", 2)),
    "mxfp4": (("0.scale", 1), ("elements", 16)),
}

_HALF = Fields(16, order=(0,), bytes=2)
_BYTE = PACKINGS["bytes"].packing


def _format(name: str) -> BlockFormat:
    if name not in _LAYOUTS:
        raise SpecError(f"format must be one of {', '.join(_LAYOUTS)}, not {name!r}")
    format = FORMATS[name].format
    assert isinstance(format, BlockFormat)
    return format.replace(packing=PACKINGS["nibbles-16"].packing) if name == "mxfp4" else format


def read_gguf(name: str, data: Any) -> Blocks:
    """The blocks of a GGUF tensor.

    Parameters
    ----------
    name : q4_0, q8_0, q4_k, tq1_0, tq2_0 or mxfp4
    data : uint8 array, blocks along the last axis

    Raises
    ------
    InputError
        The last axis is no whole number of blocks.
    """
    format = _format(name)
    size = sum(bytes for _, bytes in _LAYOUTS[name])
    given = check_codes(data, 8).astype(np.uint8)
    if given.ndim == 0 or given.shape[-1] % size:
        raise InputError(f"bytes of {name} must be a multiple of {size}, not {given.shape[-1:]}")
    blocks = given.reshape(*given.shape[:-1], -1, size)
    elements = np.zeros(0)
    shared: list[dict[str, Array]] = [{} for _ in format.levels]
    start = 0
    for what, bytes in _LAYOUTS[name]:
        piece = blocks[..., start : start + bytes]
        start += bytes
        place, _, field = what.partition(".")
        if what == "elements":
            elements = _rows(unpack(piece, format.packing or _BYTE, format.block))
        elif field == "six bits":
            scales, minima = _read_six_bits(piece)
            shared[0] |= {"scale": _rows(scales), "offset": _rows(minima)}
        else:
            shared[int(place)][field] = _rows(unpack(piece, _HALF if bytes == 2 else _BYTE, 1))
    return Blocks(format, elements, tuple(Shared(**codes) for codes in shared))


def write_gguf(name: str, blocks: Blocks) -> Array:
    """The bytes of blocks, the other way round; uint8, blocks along the last axis.

    Raises
    ------
    InputError
        The elements are no whole number of blocks, or something is no code.
    """
    format = _format(name)
    elements = np.asarray(blocks.elements)
    if blocks.format.replace(packing=format.packing) != format:
        raise InputError(f"blocks must be of {name}, not {blocks.format}")
    if elements.ndim == 0 or elements.shape[-1] % format.block:
        size = f"a multiple of {format.block}"
        raise InputError(f"elements of {name} must be {size}, not {elements.shape[-1:]}")
    pieces = []
    for what, bytes in _LAYOUTS[name]:
        place, _, field = what.partition(".")
        if what == "elements":
            pieces.append(pack(_blocks(elements, format.block), format.packing or _BYTE))
        elif field == "six bits":
            level = blocks.levels[0]
            pieces.append(_write_six_bits(_blocks(level.scale, 8), _blocks(level.offset, 8)))
        else:
            codes = getattr(blocks.levels[int(place)], field)
            pieces.append(pack(_blocks(codes, 1), _HALF if bytes == 2 else _BYTE))
    return _rows(np.concatenate(pieces, axis=-1))


def _rows(blocks: Array) -> Array:
    return blocks.reshape(*blocks.shape[:-2], -1)


def _blocks(row: Any, size: int) -> Array:
    array = np.asarray(row)
    return array.reshape(*array.shape[:-1], -1, size)


def _read_six_bits(bytes: Array) -> tuple[Array, Array]:
    """Rule R2."""
    low, middle, mixed = bytes[..., :4], bytes[..., 4:8], bytes[..., 8:]
    scales = np.concatenate([low & 63, (mixed & 15) | (low >> 6) << 4], axis=-1)
    minima = np.concatenate([middle & 63, mixed >> 4 | (middle >> 6) << 4], axis=-1)
    return scales, minima


def _write_six_bits(scales: Array, minima: Array) -> Array:
    """Rule R2."""
    sc, m = check_codes(scales, 6).astype(np.uint8), check_codes(minima, 6).astype(np.uint8)
    low = sc[..., :4] | (sc[..., 4:] >> 4) << 6
    middle = m[..., :4] | (m[..., 4:] >> 4) << 6
    return np.concatenate([low, middle, (sc[..., 4:] & 15) | (m[..., 4:] & 15) << 4], axis=-1)
