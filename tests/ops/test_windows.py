"""Windows: padding and sizes, against positions that are walked one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from intsim.errors import SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import AvgPool2d, Conv2d, MaxPool2d
from intsim.ops.windows import output_size, same_padding, taps_inside, windows

PAIRS = st.tuples(st.integers(1, 9), st.integers(1, 9))
SMALL = st.tuples(st.integers(1, 4), st.integers(1, 4))
PADS = st.tuples(st.integers(0, 4), st.integers(0, 4))


def walked(size: int, kernel: int, stride: int, dilation: int, pad: tuple[int, int]) -> list[list[int]]:
    """Along one axis, the places that each output looks at: windows that end inside the padded image."""
    found, first = [], -pad[0]
    while first + (kernel - 1) * dilation < size + pad[1]:
        found.append([first + k * dilation for k in range(kernel)])
        first += stride
    return found


@given(PAIRS, SMALL, SMALL, SMALL, PADS, PADS, st.booleans())
def test_windows_are_the_walk(size, kernel, stride, dilation, rows_pad, columns_pad, wide):
    padding = (rows_pad, columns_pad)
    rows, columns = (
        walked(size[axis], kernel[axis], stride[axis], dilation[axis], padding[axis]) for axis in range(2)
    )
    assert output_size(size, kernel, stride, dilation, padding)[0] == len(rows) or not rows
    assume(rows and columns)
    assert output_size(size, kernel, stride, dilation, padding) == (len(rows), len(columns))
    x = np.arange(2 * size[0] * size[1] * 3).reshape(2, *size, 3)
    taps = windows(x.astype(object) if wide else x, kernel, stride, dilation, padding, -1)
    inside = taps_inside(size, kernel, stride, dilation, padding)
    assert taps.shape == (2, len(rows), len(columns), 3, *kernel)
    assert inside.shape == (len(rows), len(columns))
    assert not wide or {type(value) for value in taps.flat} == {int}
    for i, places_down in enumerate(rows):
        for j, places_across in enumerate(columns):
            count = 0
            for a, h in enumerate(places_down):
                for b, w in enumerate(places_across):
                    there = 0 <= h < size[0] and 0 <= w < size[1]
                    count += there
                    wanted = x[1, h, w, 2] if there else -1
                    assert taps[1, i, j, 2, a, b] == wanted
            assert inside[i, j] == count


@given(PAIRS, SMALL, SMALL, SMALL)
def test_same_padding_gives_ceil_of_size_over_stride(size, kernel, stride, dilation):
    padding = same_padding(size, kernel, stride, dilation)
    wanted = tuple(-(-extent // step) for extent, step in zip(size, stride, strict=True))
    assert output_size(size, kernel, stride, dilation, padding) == wanted
    for before, after in padding:
        assert after - before in (0, 1), "the odd element comes after"
    for axis, (before, after) in enumerate(padding):
        if before + after:  # no less would do
            less = output_size(size, kernel, stride, dilation, tuple((p[0], p[1] - 1) for p in padding))
            assert less[axis] < wanted[axis]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "wanted"),
    [
        # by hand: 5 wide, taps 3, stride 2: outputs at 0, 2, 4; the last needs places 4, 5, 6 or -1 and 5
        ((5, 6), (3, 3), (2, 2), (1, 1), ((1, 1), (0, 1))),
        ((4, 4), (1, 2), (1, 1), (1, 1), ((0, 0), (0, 1))),
        ((7, 7), (3, 2), (1, 1), (2, 3), ((2, 2), (1, 2))),
        ((7, 3), (1, 1), (3, 2), (1, 1), ((0, 0), (0, 0))),  # stride beyond the kernel: nothing to pad
    ],
)
def test_same_padding_by_hand(size, kernel, stride, dilation, wanted):
    assert same_padding(size, kernel, stride, dilation) == wanted


WEIGHT = np.ones((1, 3, 3, 1), np.int8)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Conv2d(WEIGHT, stride=(0, 1)), "conv2d.stride: must be 1 to 65536, not (0, 1). [W3]"),
        (
            lambda: MaxPool2d((2, 2), dilation=(1, 0)),
            "max_pool2d.dilation: must be 1 to 65536, not (1, 0). [W3]",
        ),
        (
            lambda: AvgPool2d((2, 2), padding=((0, -1), (0, 0))),
            "avg_pool2d.padding: must be 0 to 65536, not ((0, -1), (0, 0)). [W3]",
        ),
    ],
)
def test_fields(build, message):
    with pytest.raises(SpecError) as caught:
        build()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("op", "shape", "message"),
    [
        (Conv2d(WEIGHT), (2, 3, 1), "conv2d: kernel must fit the padded input (2, 3, 1). [W1]"),
        (MaxPool2d((3, 1)), (2, 3, 1), "max_pool2d: kernel must fit the padded input (2, 3, 1). [W1]"),
        (
            MaxPool2d((1, 1), padding=((1, 0), (0, 0))),
            (3, 3, 1),
            "max_pool2d: windows must not lie in the padding alone. [P2]",
        ),
        (
            AvgPool2d(
                (2, 1), dilation=(4, 1), padding=((3, 3), (0, 0))
            ),  # the middle window steps over the image
            (1, 1, 1),
            "avg_pool2d: windows must not lie in the padding alone. [P2]",
        ),
    ],
)
def test_shapes(op, shape, message):
    with pytest.raises(SpecError) as caught:
        op.infer(TensorSpec(shape, IntFormat(8)))
    assert str(caught.value) == message
