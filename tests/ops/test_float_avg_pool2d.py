"""float_avg_pool2d: every float32 step where it decides, bounds at the ends, and what is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from intsim.arithmetic import Interval
from intsim.errors import SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import FloatAvgPool2d

INT4, INT8, UINT8 = IntFormat(4), IntFormat(8), IntFormat(8, signed=False)
ONE = np.float32(1)
CODES = np.arange(-128, 128, dtype=np.float32)


def pool(kernel: tuple[int, int], **fields: Any) -> FloatAvgPool2d:
    return FloatAvgPool2d(kernel, **{"table": CODES, "scale": ONE, **fields})


def row(*values: int) -> np.ndarray:
    """One sample of one row and one channel."""
    return np.array(values).reshape(1, 1, -1, 1)


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        (pool((1, 2)), [-2, 0, 2]),  # -3/2, 1/2 and 3/2, half to even
        (pool((1, 2), zero_point=1), [0, 2, 2]),  # -1/2, 3/2 and 5/2: the zero point is in the tie
        (pool((1, 2), table=CODES - np.float32(3), scale=np.float32(0.5)), [-9, -5, -3]),
        (pool((1, 3), padding=((0, 0), (1, 1))), [-2, 0, 1, 2]),  # two taps at the ends, three inside
        (pool((1, 3), padding=((0, 0), (1, 1)), count_padding=True), [-1, 0, 1, 1]),
        (pool((1, 2), dilation=(1, 2), scale=np.float32(1 / 300)), [0, 0]),
        (pool((1, 2), scale=np.float32(1 / 300)), [-128, 127, 127]),
    ],
)
def test_by_hand(op: FloatAvgPool2d, wanted: list[int]) -> None:
    x = row(-2, -1, 2, 1)
    assert op.reference(x)[0].ravel().tolist() == wanted
    assert op.reference(x.astype(object))[0].ravel().tolist() == wanted


STEEP = np.zeros(16, np.float32)
STEEP[8:10] = 1, 2**24
"""What int4 codes 0 and 1 stand for: 2**24 + 1 is 2**24 in float32, but 2**24 + 2 is more."""


def steep(kernel: tuple[int, int], total: int) -> FloatAvgPool2d:
    """Of a sum up to `total` it makes 0, of a larger one 1: half a code is rounded to even."""
    half = np.float32(total) / np.float32(kernel[0] * kernel[1])
    return pool(kernel, table=STEEP, scale=half * np.float32(2), input_format=INT4)


def test_sums_are_made_in_order() -> None:
    op = steep((1, 3), 2**24)
    assert [op.reference(row(*x))[0].item() for x in ((1, 0, 0), (0, 1, 0), (0, 0, 1))] == [0, 0, 1]


def test_a_window_is_read_row_by_row() -> None:
    """In the corner at the end of the first row 2 ones come before 2**24, at the start of the last one 6."""
    op = steep((3, 3), 2**24 + 4)
    corners = np.zeros((2, 3, 3, 1), np.int64)
    corners[0, 0, 2] = corners[1, 2, 0] = 1
    assert op.reference(corners)[0].ravel().tolist() == [0, 1]


def test_the_count_divides_first() -> None:
    """161 / 7 / 2 is 23/2, but not of these scales: 11.499999 where float32 divides by the count first."""
    table = np.arange(256, dtype=np.float32) * np.float32(0.8036799)
    op = pool((1, 7), table=table, scale=np.float32(1.6073598), input_format=UINT8, format=UINT8)
    assert op.reference(row(161, 0, 0, 0, 0, 0, 0))[0].item() == 11


@pytest.mark.parametrize("count_padding", [False, True])
def test_bounds_are_reached(count_padding: bool) -> None:
    """By every batch of codes in the interval, table in no order."""
    table = np.random.default_rng(1).normal(0, 3, 4).astype(np.float32)
    fields = {"padding": ((0, 0), (1, 0)), "count_padding": count_padding, "input_format": IntFormat(2)}
    op = pool((1, 3), table=table, scale=np.float32(0.03), zero_point=5, **fields)
    spec = TensorSpec((1, 4, 1), IntFormat(2))
    every = np.array(list(product((-1, 0, 1), repeat=4))).reshape(-1, 1, 4, 1)
    found = op.reference(every)[0]
    bounds = op.bounds([spec], [Interval(-1, 1)])
    assert bounds.outputs[0] == Interval(int(found.min()), int(found.max()))


def test_bounds_are_by_channel() -> None:
    x = Interval(np.array([-3, 4], object), np.array([7, 9], object))
    wanted = Interval(np.array([-3, 4], object), np.array([7, 9], object))
    assert pool((2, 2)).bounds([TensorSpec((3, 3, 2), INT8)], [x]).outputs[0] == wanted


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"table": CODES[1:]}, "table: must be 256 finite float32, not float32 of shape (255,). [R2]"),
        (
            {"table": CODES.astype(np.float64)},
            "table: must be 256 finite float32, not float64 of shape (256,). [R2]",
        ),
        ({"table": CODES * np.nan}, "table: must be 256 finite float32, not float32 of shape (256,). [R2]"),
        ({"scale": -ONE}, "scale: must be one positive float32, not -1.0 (float32). [R3]"),
        ({"scale": np.float32(np.inf)}, "scale: must be one positive float32, not inf (float32). [R3]"),
        ({"scale": np.float64(1)}, "scale: must be one positive float32, not 1.0 (float64). [R3]"),
        ({"zero_point": 200}, "zero_point: must be in int8, not 200. [R1]"),
        ({"format": IntFormat(17)}, "format: must have at most 16 bits, not int17. [R1]"),
        ({"kernel": (512, 512)}, "kernel: must have at most 65536 taps, not (512, 512). [R5]"),
        (
            {"scale": np.float32(2**-24)},
            "scale: must keep averages below 2**31 codes, which 5.960464477539063e-08 does not. [R5]",
        ),
        (
            {"table": CODES * np.float32(2e36), "scale": np.float32(1e36)},
            "scale: must keep averages below 2**31 codes, which 9.999999616903162e+35 does not. [R5]",
        ),
    ],
)
def test_fields_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        pool(**{"kernel": (2, 2), **fields})
    assert str(caught.value) == f"float_avg_pool2d.{message}"


def test_the_input_is_the_tables() -> None:
    with pytest.raises(SpecError, match=r"^float_avg_pool2d: input must be int8, not uint8\. \[R1\]$"):
        pool((2, 2)).infer(TensorSpec((3, 3, 1), UINT8))
    assert pool((2, 2), format=INT4).infer(TensorSpec((3, 3, 1), INT8)) == (TensorSpec((2, 2, 1), INT4),)
