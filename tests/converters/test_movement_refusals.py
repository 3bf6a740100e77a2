"""What the lowerings of movement operators refuse, in which words, and which of it LiteRT refuses too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim.errors import ConversionError
from tests.zoo import litert
from tests.zoo.tflite_builder import ModelBuilder

Q = {"scale": 0.5, "zero_point": 3}


def model(
    op: str,
    constants: Sequence[Any],
    shape: tuple[int, ...],
    *results: tuple[int, ...],
    dtype: str = "int8",
    out: dict[str, Any] | None = None,
    first: int = 0,
    inputs: int = 1,
    **options: Any,
) -> bytes:
    """One operator: inputs of one shape, then (or before, `first` many) int32 constants."""
    m = ModelBuilder()
    q = Q if dtype in ("int8", "uint8") else {}
    xs = [m.input(f"x{i}", shape, dtype, **q) for i in range(inputs)]
    stored = [m.constant(f"c{i}", np.array(value), "int32") for i, value in enumerate(constants)]
    ys = [m.tensor(f"y{i}", result, dtype, **(out or q)) for i, result in enumerate(results)]
    m.operator(op, [*stored[:first], *xs, *stored[first:]], ys, version=2, **options)
    m.output(*ys)
    return m.build()


def refusal(data: bytes) -> str:
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(data)
    return str(caught.value)


OTHER = {"scale": 0.25, "zero_point": 3}
MIXED = (
    "the batch 2 on the first axis must stay as it is; samples must not mix. Export the model with batch 1"
)
PAIR = "must have one scale and zero point, not (0.5, 3) and (0.25, 3)"
CONCAT: dict[str, Any] = {"axis": 1, "fused_activation_function": "NONE", "inputs": 2}

BOTH: dict[str, tuple[Callable[[], bytes], str]] = {
    "concatenation of int8 at other scales": (
        lambda: model("CONCATENATION", [], (1, 2), (1, 4), out=OTHER, **CONCAT),
        PAIR,
    ),
    "concatenation with an activation": (
        lambda: model("CONCATENATION", [], (1, 2), (1, 4), **CONCAT | {"fused_activation_function": "RELU"}),
        "fused activation must be NONE, not RELU",
    ),
    "pack at other scales": (
        lambda: model("PACK", [], (1, 2), (1, 2, 1), out=OTHER, axis=2, values_count=1),
        PAIR,
    ),
    "unpack at other scales": (lambda: model("UNPACK", [], (1, 1), (1,), out=OTHER, axis=1, num=1), PAIR),
    "mirrored border at other scales": (
        lambda: model("MIRROR_PAD", [[[0, 0], [1, 0]]], (1, 2), (1, 3), out=OTHER, mode="REFLECT"),
        PAIR,
    ),
    "mirrored border that is too wide": (
        lambda: model("MIRROR_PAD", [[[0, 0], [2, 0]]], (1, 2), (1, 4), mode="REFLECT"),
        "pad: padding of a REFLECT border must be at most (1,), not ((2, 0),). [R3]",
    ),
    "split into unequal parts": (
        lambda: model("SPLIT", [1], (1, 3), (1, 2), (1, 1), first=1, num_splits=2),
        "num_splits must divide 3, axis 1 of (1, 3), not 2",
    ),
    "axis outside": (
        lambda: model("CONCATENATION", [], (1, 2), (1, 4), **CONCAT | {"axis": 2}),
        "axis must be -2 to 1, not 2",
    ),
    "squeeze of an axis that is not 1": (
        lambda: model("SQUEEZE", [], (1, 2), (1,), squeeze_dims=[1]),
        "squeezed axes of (1, 2) must be 1, not (1,)",
    ),
    "reshape to another number of elements": (
        lambda: model("RESHAPE", [[1, 5]], (1, 4), (1, 5)),
        "reshape: shape must have the 4 elements of (4,), not 5 of (5,). [R2]",
    ),
    "slice beyond the end": (
        lambda: model("SLICE", [[0, 1], [1, 3]], (1, 3), (1, 3)),
        "slice: places read along axis 0 must be 0 to 2, not 1 to 3. [R2]",
    ),
    "gather beyond the end": (
        lambda: model("GATHER", [[0, 3]], (1, 3), (1, 2), axis=1),
        "gather: indices must be 0 to 2, not 3. [R3]",
    ),
    "gather of a negative index": (
        lambda: model("GATHER", [[0, -1]], (1, 3), (1, 2), axis=1),
        "gather.indices: must not be negative, not -1. [R3]",
    ),
    "shape that does not broadcast": (
        lambda: model("BROADCAST_TO", [[1, 3]], (1, 2), (1, 3)),
        "(1, 2) must broadcast to shape (1, 3)",
    ),
    "blocks that do not divide": (
        lambda: model("SPACE_TO_DEPTH", [], (1, 3, 2, 1), (1, 1, 1, 4), block_size=2),
        "H and W multiples of 2, not (3, 2, 1). [R1]",
    ),
}


@pytest.mark.parametrize("case", BOTH)
def test_both_refuse(case: str) -> None:
    build, message = BOTH[case]
    assert message in refusal(build())
    with pytest.raises(litert.RuntimeRefused):
        run_on_zeros(build())


def run_on_zeros(data: bytes) -> None:
    session = litert.Session(data)
    shapes = [detail["shape"] for detail in session._interpreter.get_input_details()]
    session.run([np.zeros(shape, np.int8) for shape in shapes])


OURS: dict[str, tuple[Callable[[], bytes], str]] = {
    "permutation that repeats an axis": (
        lambda: model("TRANSPOSE", [[0, 1, 1]], (1, 2, 2), (1, 2, 2)),
        "permutation must name 3 axes once, not [0, 1, 1]",
    ),
    "permutation of int64": (
        lambda: _transpose_by_int64(),
        "permutation must be int32, which is all the runtime reads, not int64",
    ),
    "places made samples": (
        lambda: model("SPACE_TO_BATCH_ND", [[2, 2], [[0, 0], [0, 0]]], (1, 2, 2, 1), (4, 1, 1, 1)),
        "makes samples of places; export a dilated convolution with its dilation factors instead",
    ),
    "packed elements": (
        lambda: model("SLICE", [[0, 1], [1, 2]], (1, 3), (1, 2), dtype="int4"),
        "'x0' must be one of int8, uint8, int16, uint16, int32, uint32, int64, bool, not int4",
    ),
    "another output shape than the operator's": (
        lambda: model("TILE", [[1, 2]], (1, 2), (1, 3)),
        "output 'y0' must have shape (1, 4), not (1, 3)",
    ),
    "samples joined": (
        lambda: model("CONCATENATION", [], (2, 3), (2, 6), **CONCAT | {"axis": 0}),
        MIXED,
    ),
    "samples exchanged": (
        lambda: model("TRANSPOSE", [[1, 0, 2]], (2, 2, 3), (2, 2, 3)),
        MIXED,
    ),
    "samples backwards": (
        lambda: model("REVERSE_V2", [[0]], (2, 3), (2, 3)),
        MIXED,
    ),
    "an ellipsis for nothing": (
        lambda: model(
            "STRIDED_SLICE",
            [[0, 0, 1], [1, 0, 3], [1, 1, 1]],
            (1, 3),
            (1, 2),
            ellipsis_mask=2,
        ),
        "ellipsis must stand for at least one axis",
    ),
    "an empty part": (
        lambda: model("STRIDED_SLICE", [[0, 2], [1, 1], [1, 1]], (1, 3), (1, 1)),
        "the part of axis size 3 must not be empty at entry 1",
    ),
    "ends that count from the begin": (
        lambda: model("STRIDED_SLICE", [[0, 1], [1, 1], [1, 1]], (1, 3), (1, 1), offset=True),
        "offset must be false; the runtime does not check such ends",
    ),
    "masks that contradict": (
        lambda: model(
            "STRIDED_SLICE",
            [[0, 1], [1, 2], [1, 1]],
            (1, 3),
            (1,),
            shrink_axis_mask=2,
            new_axis_mask=2,
        ),
        "masks must not say two things of entry 1",
    ),
}


def _transpose_by_int64() -> bytes:
    m = ModelBuilder()
    x, y = m.input("x", (1, 2, 3), "int8", **Q), m.tensor("y", (1, 3, 2), "int8", **Q)
    m.operator("TRANSPOSE", [x, m.constant("order", np.array([0, 2, 1]), "int64")], [y], version=2)
    m.output(y)
    return m.build()


@pytest.mark.parametrize("case", OURS)
def test_intsim_refuses(case: str) -> None:
    build, message = OURS[case]
    assert message in refusal(build())


def computed(op: str, shape: tuple[int, ...], result: tuple[int, ...], **options: Any) -> bytes:
    """An operator whose second input is given from outside."""
    m = ModelBuilder()
    x = m.input("x", (1, 4), "int8", **Q)
    other = m.input("other", shape, "int32")
    y = m.tensor("y", result, "int8", **Q)
    m.operator(op, [x, other], [y], version=2, **options)
    m.output(y)
    return m.build()


@pytest.mark.parametrize(
    ("op", "shape", "result"),
    [
        ("RESHAPE", (3,), (1, 2, 2)),
        ("PAD", (2, 2), (1, 6)),
        ("TRANSPOSE", (2,), (1, 4)),
        ("TILE", (2,), (1, 8)),
        ("BROADCAST_TO", (2,), (1, 4)),
        ("EXPAND_DIMS", (1,), (1, 1, 4)),
        ("REVERSE_V2", (1,), (1, 4)),
    ],
)
def test_shapes_must_not_be_computed(op: str, shape: tuple[int, ...], result: tuple[int, ...]) -> None:
    assert "input 1 'other' must be a constant, not computed" in refusal(computed(op, shape, result))


def test_a_table_must_not_be_computed() -> None:
    m = ModelBuilder()
    indices, table = m.input("indices", (2,), "int32"), m.input("table", (4, 3), "int8", **Q)
    y = m.tensor("y", (2, 3), "int8", **Q)
    m.operator("EMBEDDING_LOOKUP", [indices, table], [y])
    m.output(y)
    assert "table 'table' must be a constant, not computed" in refusal(m.build())


def test_pad_v2_fill_has_the_outputs_zero_point() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 2), "int8", **Q)
    paddings = m.constant("paddings", np.array([[0, 0], [1, 0]]), "int32")
    fill = m.constant("fill", np.array(1), "int8", scale=0.5, zero_point=4)
    y = m.tensor("y", (1, 3), "int8", **Q)
    m.operator("PADV2", [x, paddings, fill], [y], version=2)
    m.output(y)
    assert "fill must have the output's zero point, 3, not 4" in refusal(m.build())
    with pytest.raises(litert.RuntimeRefused):
        litert.run(m.build(), [np.zeros((1, 2), np.int8)])
