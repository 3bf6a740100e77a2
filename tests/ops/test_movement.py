"""Ops that move data: what they refuse, in which words; their bounds per channel."""

import numpy as np
import pytest

from intsim.arithmetic import Interval
from intsim.errors import InputError, SpecError
from intsim.formats import IntFormat, RealFormat, TensorSpec
from intsim.ops import (
    Concat,
    Constant,
    DepthToSpace,
    EmbeddingLookup,
    Gather,
    Pack,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
    Unpack,
)

INT8, UINT8, INT32 = IntFormat(8), IntFormat(8, signed=False), IntFormat(32)


def spec(*shape: int, format: IntFormat = INT8) -> TensorSpec:
    return TensorSpec(shape, format)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Constant([1, 200, -3]),
            "constant.values: values must fit int8 (-128 to 127), not 200 at (1,). [R2]",
        ),
        (
            lambda: Constant(np.zeros((2, 0), np.int8)),
            "constant.values: must have no size 0, not shape (2, 0). [R1]",
        ),
        (
            lambda: Concat(-1),
            "concat.axis: must count from the first axis of a sample, 0, not -1. [R2]",
        ),
        (
            lambda: Split(0, (2, 0)),
            "split.sizes: must be at least 1 each, and at least one of them, not (2, 0). [R2]",
        ),
        (
            lambda: Split(0, ()),
            "split.sizes: must be at least 1 each, and at least one of them, not (). [R2]",
        ),
        (lambda: Pad(((0, -1),)), "pad.padding: must not be negative, not ((0, -1),). [R1]"),
        (
            lambda: Pad(((0, 1),), mode="edge"),
            "pad.mode: must be one of constant, reflect, symmetric, not 'edge'",
        ),
        (
            lambda: Slice((0,), (1, 1)),
            "slice.begin: must have as many entries as size and stride, not 1, 2 and 1. [R1]",
        ),
        (lambda: Slice((0,), (0,)), "slice.size: must be at least 1, not (0,). [R2]"),
        (lambda: Slice((0,), (1,), (0,)), "slice.stride: must not be 0, not (0,). [R2]"),
        (
            lambda: Gather(0, np.zeros((0,), np.int64)),
            "gather.indices: must have no size 0, not shape (0,). [R1]",
        ),
        (lambda: Gather(0, [2, -1]), "gather.indices: must not be negative, not -1. [R3]"),
        (lambda: Reshape((2, 0)), "reshape.shape: must have sizes of at least 1, not (2, 0). [R2]"),
        (
            lambda: Transpose((0, 2)),
            "transpose.permutation: must name each axis from 0 once, not (0, 2). [R2]",
        ),
        (lambda: SpaceToDepth(0), "space_to_depth.block: must be at least 1, not 0. [R1]"),
        (lambda: DepthToSpace(0), "depth_to_space.block: must be at least 1, not 0. [R1]"),
        (
            lambda: EmbeddingLookup(np.int8(3)),
            "embedding_lookup.table: must have rows and no size 0, not shape (). [R1]",
        ),
        (
            lambda: EmbeddingLookup([[9]], IntFormat(4)),
            "embedding_lookup.table: values must fit int4 (-8 to 7), not 9 at (0, 0). [R2]",
        ),
        (lambda: Tile((1, 0)), "tile.multiples: must be at least 1, not (1, 0). [R1]"),
    ],
)
def test_fields_are_refused(build, message):
    with pytest.raises(SpecError) as caught:
        build()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (
            Concat(0),
            [spec(2), spec(2, format=UINT8)],
            "concat: inputs must have one format, not int8, uint8. [R1]",
        ),
        (Concat(1), [spec(2)], "concat: axis must be below 1, the axes of a sample, not 1. [R2]"),
        (
            Concat(0),
            [spec(2, 3), spec(2, 4)],
            "concat: inputs must differ only along axis 0, not shapes [(2, 3), (2, 4)]. [R1]",
        ),
        (
            Concat(0),
            [spec(2, 3), spec(2)],
            "concat: inputs must differ only along axis 0, not shapes [(2, 3), (2,)]. [R1]",
        ),
        (Split(0, (2, 2)), [spec(5)], "split: sizes must sum to 5, axis 0 of (5,), not (2, 2). [R2]"),
        (Pad(((0, 1),)), [spec(2, 2)], "pad: padding must have one pair per axis of (2, 2), not 1. [R1]"),
        (Pad(((0, 1),), 128), [spec(2)], "pad: value must be in int8, not 128. [R2]"),
        (
            Pad(((2, 0),), mode="reflect"),
            [spec(2)],
            "pad: padding of a REFLECT border must be at most (1,), not ((2, 0),). [R3]",
        ),
        (
            Pad(((2, 3),), mode="symmetric"),
            [spec(2)],
            "pad: padding of a SYMMETRIC border must be at most (2,), not ((2, 3),). [R3]",
        ),
        (
            Slice((0,), (1,)),
            [spec(2, 2)],
            "slice: begin must have one entry per axis of (2, 2), not (0,). [R1]",
        ),
        (
            Slice((2,), (3,), (-2,)),
            [spec(5)],
            "slice: places read along axis 0 must be 0 to 4, not 2 to -2. [R2]",
        ),
        (
            Slice((3,), (3,)),
            [spec(5)],
            "slice: places read along axis 0 must be 0 to 4, not 3 to 5. [R2]",
        ),
        (Gather(0), [spec(2)], "gather: indices must be stored or the second input, not neither. [R2]"),
        (
            Gather(0, [0]),
            [spec(2), spec(1)],
            "gather: indices must be stored or the second input, not both. [R2]",
        ),
        (Gather(0, [0, 2]), [spec(2)], "gather: indices must be 0 to 1, not 2. [R3]"),
        (
            Reshape((2, 3)),
            [spec(2, 2)],
            "reshape: shape must have the 4 elements of (2, 2), not 6 of (2, 3). [R2]",
        ),
        (
            Transpose((1, 0)),
            [spec(2, 2, 2)],
            "transpose: permutation must name the 3 axes of (2, 2, 2), not (1, 0). [R2]",
        ),
        (Pack(0), [spec(2), spec(3)], "pack: inputs must have one shape, not [(2,), (3,)]. [R1]"),
        (Pack(2), [spec(2)], "pack: axis must be at most 1, after the last of (2,), not 2. [R2]"),
        (Unpack(1), [spec(2)], "unpack: axis must be below 1, the axes of a sample, not 1. [R1]"),
        (
            SpaceToDepth(2),
            [spec(2, 3, 1)],
            "space_to_depth: input must have shape (H, W, C), H and W multiples of 2, not (2, 3, 1). [R1]",
        ),
        (
            DepthToSpace(2),
            [spec(2, 3, 3)],
            "depth_to_space: input must have shape (H, W, C), C a multiple of 4, not (2, 3, 3). [R1]",
        ),
        (Tile((2,)), [spec(2, 2)], "tile: multiples must have one entry per axis of (2, 2), not (2,). [R1]"),
        (
            Reshape((2,)),
            [TensorSpec((2,), RealFormat())],
            "reshape: input must be integers, not float32; quantize it first",
        ),
    ],
)
def test_inputs_are_refused(op, inputs, message):
    with pytest.raises(SpecError) as caught:
        op.infer(*inputs)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", [np.int64, object])
@pytest.mark.parametrize("wrong", [-1, 3])
def test_indices_outside_are_refused_when_met(kind, wrong):
    indices = np.array([[0, 2], [wrong, 1]]).astype(kind)
    x = np.arange(6).reshape(2, 3).astype(kind)
    message = rf"^gather: indices must be 0 to 2, not {wrong} at \(1, 0\)\. \[R3\]$"
    with pytest.raises(InputError, match=message):
        Gather(0).reference(x, indices)
    with pytest.raises(InputError, match=message.replace("gather", "embedding_lookup")):
        EmbeddingLookup([1, 2, 3]).reference(indices)


CHANNELS = Interval(np.array([0, -5, 7], dtype=object), np.array([3, 5, 9], dtype=object))


@pytest.mark.parametrize(
    ("op", "shapes", "expected"),
    [
        (Reshape((2, 2, 3)), [(4, 3)], (CHANNELS.lo, CHANNELS.hi)),
        (Reshape((3, 4)), [(4, 3)], (-5, 9)),
        (Concat(1), [(4, 3), (4, 3)], ([0, -5, 7] * 2, [3, 5, 9] * 2)),
        (Slice((0, 2), (4, 2), (1, -2)), [(4, 3)], ([7, 0], [9, 3])),
        (Pad(((1, 0), (0, 0)), 6), [(4, 3)], ([0, -5, 6], [6, 6, 9])),
        (Pad(((0, 0), (1, 0)), 6), [(4, 3)], ([6, 0, -5, 7], [6, 3, 5, 9])),
        (Gather(1, [2, 2, 1]), [(4, 3)], ([7, 7, -5], [9, 9, 5])),
        (Gather(1, [1, 1]), [(4, 3)], (-5, 5)),
        (Transpose((1, 0)), [(4, 3)], (-5, 9)),
        (Constant([[1, 9], [4, -2]]), [], ([1, -2], [4, 9])),
    ],
)
def test_bounds_follow_the_channels(op, shapes, expected):
    (output,) = op.bounds([spec(*shape) for shape in shapes], [CHANNELS] * len(shapes)).outputs
    lo, hi = (np.asarray(end).tolist() for end in (output.lo, output.hi))
    assert (lo, hi) == tuple(np.asarray(end).tolist() for end in expected)


def test_split_bounds_each_part():
    parts = Split(1, (1, 2)).bounds([spec(4, 3)], [CHANNELS]).outputs
    assert [str(part) for part in parts] == ["[0, 3]", "[-5, 9]"]


def test_bounds_of_rows_by_index():
    lookup = EmbeddingLookup([[1, 2], [-3, 4], [50, 60]])
    found = lookup.bounds([spec(1, format=INT32)], [Interval(0, 1)])
    assert (found.outputs[0].lo.tolist(), found.outputs[0].hi.tolist()) == ([-3, 2], [1, 4])
    everything = lookup.bounds([spec(1, format=INT32)], [Interval.of_format(INT32)])
    assert everything.outputs[0].max == 60
    assert everything.partial == Interval.of_format(INT32)
    gathered = Gather(0).bounds([spec(4, 3), spec(2, format=INT32)], [CHANNELS, Interval(0, 3)])
    assert gathered.outputs[0] == CHANNELS
    assert Gather(1).bounds([spec(4, 3), spec(2)], [CHANNELS, Interval(0, 2)]).outputs[0] == Interval(-5, 9)


def test_pad_of_64_bits_unsigned_is_not_lost():
    wide = IntFormat(64, signed=False)
    op = Pad(((1, 0),), 2**64 - 1)
    bounds = op.bounds([spec(2, format=wide)], [Interval(0, 5)])
    assert bounds.partial == Interval(0, 2**64 - 1)
    (y,) = op.reference(np.array([[1, 2]], dtype=object))
    assert y.tolist() == [[2**64 - 1, 1, 2]]


@pytest.mark.parametrize(
    "op",
    [Reshape((3, 4)), Pad(((1, 0), (1, 0)), mode="reflect"), Tile((2, 1)), Unpack(0), Gather(0, [1, 0])],
)
def test_no_samples_are_no_samples(op):
    expected = [(0, *out.shape) for out in op.infer(spec(4, 3))]
    assert [y.shape for y in op.reference(np.zeros((0, 4, 3), np.int64))] == expected
