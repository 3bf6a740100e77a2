"""The ops that move data: every value is different, so every place can be followed."""

from __future__ import annotations

from golden.cases.base import codes, count, int8, int16, int32, pin, uint8
from intsim.formats import IntFormat
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

JOINING = (
    pin("along the last axis, different sizes", Concat(axis=1), int8([[1], [2]]), int8([[3, 4], [5, 6]])),
    pin("along the first axis of three inputs", Concat(axis=0), int8([1]), int8([-128, 127]), int8([2])),
    pin(
        "the same codes as inputs twice, in 4 bits",
        Concat(axis=0),
        codes("int4", [-8, 7]),
        codes("int4", [-8]),
    ),
    pin("a new first axis", Pack(axis=0), int8([1, 2]), int8([3, 4])),
    pin("a new last axis: the inputs interleave", Pack(axis=1), int8([1, 2]), int8([3, 4])),
    pin("numbers become a list", Pack(axis=0), int32(-(2**31)), int32(2**31 - 1)),
)

CUTTING = (
    pin("parts of different sizes", Split(axis=0, sizes=(1, 3, 2)), int8([1, 2, 3, 4, 5, 6])),
    pin("along the middle axis", Split(axis=1, sizes=(1, 1)), int8(count(2, 2, 2, first=-4))),
    pin("one part that is the whole", Split(axis=0, sizes=(2,)), uint8([255, 0])),
    pin("the first axis goes", Unpack(axis=0), int8([[1, 2], [3, 4], [5, 6]])),
    pin("the last axis goes", Unpack(axis=1), int8([[1, 2], [3, 4], [5, 6]])),
    pin("a list becomes numbers", Unpack(axis=0), int16([-32768, 32767])),
    pin(
        "every second place from the second on", Slice(begin=(1,), size=(2,), stride=(2,)), int8([1, 2, 3, 4])
    ),
    pin(
        "backwards, from the last place to the first",
        Slice(begin=(3,), size=(4,), stride=(-1,)),
        int8([1, 2, 3, 4]),
    ),
    pin(
        "backwards down and forwards across, in steps",
        Slice(begin=(2, 0), size=(2, 2), stride=(-2, 2)),
        int8(count(3, 3, first=-4)),
    ),
)

BORDERS = (
    pin(
        "a constant border of the lower end, asymmetric",
        Pad(padding=((0, 2), (1, 0)), value=-128),
        int8([[1, 2], [3, 4]]),
    ),
    pin("a mirror that does not repeat the edge", Pad(padding=((2, 2),), mode="reflect"), int8([1, 2, 3])),
    pin("a mirror that repeats the edge", Pad(padding=((3, 1),), mode="symmetric"), int8([1, 2, 3])),
    pin(
        "a mirror in both axes: the corner mirrors what is already mirrored",
        Pad(padding=((1, 0), (0, 1)), mode="reflect"),
        int8([[1, 2], [3, 4]]),
    ),
)

PICKING = (
    pin("stored places, one of them twice, backwards", Gather(axis=0, indices=[2, 0, 2]), int8([10, 20, 30])),
    pin(
        "the shape of the places stands where the axis was",
        Gather(axis=1, indices=[[1, 0], [0, 0]]),
        int8([[1, 2], [3, 4]]),
    ),
    pin("places that come as an input", Gather(axis=0), int8([[1, 2], [3, 4]]), codes("uint1", [1, 1, 0])),
    pin("one place takes the axis away", Gather(axis=0, indices=1), int8([[1, 2], [3, 4]])),
    pin(
        "rows of a table, the last one first", EmbeddingLookup(table=[[1, 2], [3, 4], [5, 6]]), int32([2, 0])
    ),
    pin("a table of bare numbers", EmbeddingLookup(table=[-128, 127]), codes("uint1", [[1, 0], [0, 1]])),
    pin(
        "a table of 4-bit codes at both ends, one index alone",
        EmbeddingLookup(table=[[-8, 7], [0, -1]], format=IntFormat(4)),
        uint8(0),
    ),
)

SHAPES = (
    pin(
        "two rows of three become three of two, the last axis fastest",
        Reshape(shape=(3, 2)),
        int8(count(2, 3)),
    ),
    pin("a number in three axes", Reshape(shape=(1, 1, 1)), int8(-128)),
    pin("everything in one row", Reshape(shape=(8,)), int8(count(2, 2, 2, first=-4))),
    pin("rows and columns change places", Transpose(permutation=(1, 0)), int8(count(2, 3))),
    pin("H W C to C H W", Transpose(permutation=(2, 0, 1)), int8(count(2, 2, 3))),
    pin("the order that changes nothing", Transpose(permutation=(0, 1)), int8([[1, 2]])),
    pin("twice along each axis", Tile(multiples=(2, 2)), int8([[1, 2], [3, 4]])),
    pin("three times one column", Tile(multiples=(1, 3)), int8([[1], [2]])),
    pin("once: nothing changes", Tile(multiples=(1,)), uint8([0, 255])),
    pin(
        "a 2 x 2 block becomes four channels, row by row, each with its own channels",
        SpaceToDepth(block=2),
        int8(count(2, 2, 2)),
    ),
    pin("two blocks beside each other", SpaceToDepth(block=2), int8(count(2, 4, 1))),
    pin("a block of one changes nothing", SpaceToDepth(block=1), int8([[[1, 2]]])),
    pin("four channels become a 2 x 2 block", DepthToSpace(block=2), int8([[[1, 2, 3, 4]]])),
    pin("eight channels become a block of two channels each", DepthToSpace(block=2), int8(count(1, 1, 8))),
    pin("a block of 3 from two pixels", DepthToSpace(block=3), int8(count(1, 2, 9, first=-9))),
)

CONSTANTS = (
    pin("codes at both ends of int8", Constant(values=[-128, 127])),
    pin("a bare number of 64 bits at the lower end", Constant(values=-(2**63), format=IntFormat(64))),
    pin(
        "1-bit unsigned codes in two rows",
        Constant(values=[[0, 1], [1, 0]], format=IntFormat(1, signed=False)),
    ),
)

CASES = (*JOINING, *CUTTING, *BORDERS, *PICKING, *SHAPES, *CONSTANTS)
