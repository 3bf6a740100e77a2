"""Resize and Upsample by the nearest element: rows and columns taken by index.

Rules (R), cited by the lowering
--------------------------------
R1. Mode nearest; batch and channels keep their size. Sizes or scales are constants. With scales an output has
    floor(size * scale) elements, the product in float32.
R2. Where an output element i comes from, in float32: asymmetric i / scale; half_pixel (i + 0.5) / scale -
    0.5; pytorch_half_pixel the same, and 0 for one element; align_corners i * (size - 1) / (output - 1).
    The scale is the given one, or output / size in float32.
R3. nearest_mode makes it an index: floor, ceil, round_prefer_floor, round_prefer_ceil; then it is kept in
    the image.

References
----------
ONNX, docs/Operators.md, Resize; ONNX Runtime 1.31.1: onnxruntime/core/providers/cpu/tensor/upsample.cc.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import Array
from intsim_converters.onnx.moving import moved
from intsim_converters.onnx.values import Codes, Layout
from intsim_converters.onnx.windows import image_size

from intsim.ops import ResizeNearest

_WHERE = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
_NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


@lowers("Resize", "Upsample")
def lower_resize(op: Lowering) -> None:
    old = op.opset < 11 or op.name == "Upsample"
    mode = op.attribute("mode", "nearest")
    where = "asymmetric" if old else op.attribute("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else op.attribute("nearest_mode", "round_prefer_floor")
    op.require(mode == "nearest", f"mode must be nearest, not {mode!r}. [R1]")
    op.require(
        where in _WHERE, f"coordinate_transformation_mode must be one of {_WHERE}, not {where!r}. [R2]"
    )
    op.require(nearest in _NEAREST, f"nearest_mode must be one of {_NEAREST}, not {nearest!r}. [R3]")
    unusual = op.attribute("antialias", 0) or op.attribute("keep_aspect_ratio_policy", "stretch") != "stretch"
    op.require(not unusual, "antialias and keep_aspect_ratio_policy must be left out. [R1]")

    def resize(op: Lowering, x: Codes, name: str | None) -> Codes:
        image_size(op, x.shape)
        outputs, scales = _sizes(op, x.shape, old)
        op.require(
            outputs[:2] == x.shape[:2], f"batch and channels must keep their size, not {outputs}. [R1]"
        )
        spatial = range(2, len(x.shape))
        indices = [_indices(x.shape[axis], outputs[axis], scales[axis], where, nearest) for axis in spatial]
        if len(indices) == 1:
            indices.insert(0, np.zeros(1, np.int64))
        taken = ResizeNearest(indices[0], indices[1])
        held = op.view(x, Layout.IMAGE)
        return op.emit(taken, held, shape=outputs, dtype=x.dtype, layout=Layout.IMAGE, name=name)

    moved(op, resize)


def _sizes(op: Lowering, shape: tuple[int, ...], old: bool) -> tuple[tuple[int, ...], Array]:
    """Rule R1: the output's sizes, and a float32 scale for every axis."""
    place = 1 if old else 2
    axes = op.attribute("axes", tuple(range(len(shape))))
    if op.has(3) and not old:
        given: Array = np.array(op.ints(3))
    elif op.has(place) and op.constant(place).size:
        given = op.constant(place).astype(np.float32).reshape(-1)
    else:
        given = np.asarray(op.attribute("scales", ()), np.float32)
    op.require(given.size == len(axes), f"sizes or scales must be {len(axes)}, not {given.size}. [R1]")
    outputs, scales = list(shape), np.ones(len(shape), np.float32)
    for axis, entry in zip(axes, given, strict=True):
        if given.dtype.kind == "f":
            op.require(np.isfinite(entry) and entry > 0, f"scales must be positive, not {entry}. [R1]")
            scales[axis], outputs[axis] = entry, int(np.floor(np.float32(shape[axis]) * entry))
        else:
            outputs[axis] = int(entry)
            scales[axis] = np.float32(entry) / np.float32(shape[axis])
    op.require(min(outputs) >= 1 and max(outputs) < 2**20, f"sizes must be 1 to 2**20, not {outputs}. [R1]")
    return tuple(outputs), scales


def _indices(size: int, output: int, scale: np.float32, where: str, nearest: str) -> Array:
    """Rules R2 and R3, along one axis."""
    half = np.float32(0.5)
    place = np.arange(output, dtype=np.float32)
    if where == "align_corners":
        source = (
            place * np.float32(size - 1) / np.float32(output - 1) if output > 1 else place * np.float32(0)
        )
    elif where == "asymmetric":
        source = place / scale
    elif where == "pytorch_half_pixel" and output == 1:
        source = place * np.float32(0)
    else:
        source = (place + half) / scale - half
    if nearest == "floor":
        index = np.floor(source)
    elif nearest == "ceil":
        index = np.ceil(source)
    elif nearest == "round_prefer_floor":
        index = np.ceil(source - half)
    else:
        index = np.floor(source + half)
    return np.clip(index.astype(np.int64), 0, size - 1)
