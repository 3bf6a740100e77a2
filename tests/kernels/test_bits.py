"""Sums of products on packed words against sums of Python ints, on every instruction set that is here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Interval
from intsim.engine.bits import bits_of
from intsim.engine.products import products_of
from intsim.formats import Bipolar, IntFormat, TensorSpec, Ternary
from intsim.kernels.bits_coding import BIPOLAR, TERNARY, of_values, passes_of, whole
from intsim.kernels.epilogue import plain, started
from intsim.kernels.isa import table
from intsim.kernels.isa.table import ISAS, VARIABLE, WEIGHTS_VARIABLE
from intsim.ops import Conv2d, Dense
from tests.oracles import bits as oracle

HERE = [isa for isa in ISAS if table.runs(isa)]
BITS, TRITS = "bipolar", "ternary"
KINDS = [BITS, TRITS, (0, 1), (0, 3), (-2, 1), (-4, 3), (-8, 7), (-1, 0)]


def drawn(kind, shape, rng):
    if kind == BITS:
        return rng.choice([-1, 1], shape).astype(np.int8)
    low, high = (-1, 1) if kind == TRITS else kind
    return rng.integers(low, high + 1, shape).astype(np.int8 if low < 0 else np.uint8)


def sums(op, x, kind, isa, threads=1):
    """What the kernel makes of a batch, rows of channels; and how the input is coded."""
    format = {BITS: Bipolar(), TRITS: Ternary()}.get(kind) or IntFormat(8, x.dtype == np.int8)
    spec = TensorSpec(x.shape[1:], format)
    (output,) = op.infer(spec)
    products = products_of(op, spec, output)
    interval = Interval(-1, 1) if kind in (BITS, TRITS) else Interval(*kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, isa.name)
        patch.setenv(WEIGHTS_VARIABLE, "count")
        made = bits_of(products, interval)
    out = np.full((x.shape[0] * int(np.prod(output.shape[:-1])), products.channels), 77, np.int32)
    images = np.ascontiguousarray(products.images(x))
    made.launch(images, started(plain(products.channels), made.start), out).run(threads)
    return out.reshape(x.shape[0], *output.shape), made


def dense(x, w, bias, zero=0):
    return [[oracle.dot([a - zero for a in row], taps) + bias for taps in w.tolist()] for row in x.tolist()]


@pytest.mark.parametrize("isa", HERE, ids=lambda isa: isa.name)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_pair_of_formats(isa, kind):
    rng = np.random.default_rng(0)
    for weights in KINDS:
        for terms, rows, channels in ((1, 3, 1), (63, 2, 9), (64, 5, 16), (65, 1, 17), (130, 9, 33)):
            x, w = drawn(kind, (rows, terms), rng), drawn(weights, (channels, terms), rng)
            found, _ = sums(Dense(weight=w.astype(int), bias=-9), x, kind, isa)
            assert found.tolist() == dense(x, w, -9), (weights, terms)


@pytest.mark.parametrize("isa", HERE[:1] + HERE[-1:], ids=lambda isa: isa.name)
def test_every_length_at_the_ends(isa):
    """All the least, all the most: what fills the last word never counts."""
    for kind in KINDS:
        ends = (-1, 1) if kind in (BITS, TRITS) else kind
        for weights in (BITS, TRITS, (0, 1)):
            w_ends = (-1, 1) if weights in (BITS, TRITS) else weights
            for terms in range(1, 201, 1 if kind in (BITS, TRITS) else 21):
                dtype = np.int8 if ends[0] < 0 else np.uint8
                x = np.repeat(np.array(ends, dtype)[:, None], terms, axis=1)
                w = np.repeat(np.array(w_ends)[:, None], terms, axis=1)
                found, _ = sums(Dense(weight=w), x, kind, isa)
                assert found.tolist() == [[a * b * terms for b in w_ends] for a in ends]


@st.composite
def windows(draw, kind):
    """A convolution with its input; zero points that the input can hold."""
    size, kernel, stride, dilation = (
        (draw(st.integers(1, most)), draw(st.integers(1, most))) for most in (7, 3, 3, 2)
    )
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(
        (max(draw(st.integers(0, 2)), r - s), draw(st.integers(0, 2)))
        for r, s in zip(reach, size, strict=True)
    )
    channels, filters = draw(st.sampled_from([1, 3, 8, 63, 64, 65, 100])), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    w = drawn(draw(st.sampled_from([BITS, TRITS, (0, 1), (-2, 1)])), (filters, *kernel, channels), rng)
    zero = 0 if kind in (BITS, TRITS) else draw(st.integers(*kind))
    op = Conv2d(
        weight=w.astype(int), stride=stride, dilation=dilation, padding=padding, input_zero_point=zero
    )
    return op, drawn(kind, (draw(st.integers(1, 2)), *size, channels), rng)


@pytest.mark.parametrize("isa", HERE, ids=lambda isa: isa.name)
@given(data=st.data())
@settings(max_examples=50)
def test_convolutions(isa, data):
    kind = data.draw(st.sampled_from(KINDS[:6]))
    op, x = data.draw(windows(kind))
    found, _ = sums(op, x, kind, isa, threads=data.draw(st.integers(1, 3)))
    fields = (op.weight.tolist(), op.stride, op.dilation, op.padding, op.input_zero_point)
    assert found.tolist() == [oracle.convolved(image, *fields) for image in x.tolist()]


def test_wide_lines_and_many_channels():
    """More rows than are finished at a time, lines that are packed in several rounds."""
    rng = np.random.default_rng(5)
    for size, channels, filters, kernel in (
        ((2, 700), 3, 5, 3),
        ((90, 20), 40, 700, 1),
        ((70, 9), 130, 3, 3),
    ):
        x, w = drawn(BITS, (1, *size, channels), rng), drawn(BITS, (filters, kernel, kernel, channels), rng)
        op = Conv2d(weight=w.astype(int), padding=((kernel // 2,) * 2,) * 2)
        found, _ = sums(op, x, BITS, HERE[0], threads=2)
        exact = np.zeros(found.shape, int)
        wide = np.pad(x.astype(int), [(0, 0), *op.padding, (0, 0)])
        for i in range(kernel):
            for j in range(kernel):
                exact += wide[:, i : i + size[0], j : j + size[1]] @ w[:, i, j].astype(int).T
        assert np.array_equal(found, exact)


def test_signs_have_no_bits_for_nothing():
    """+1 and -1 take one plane where every window is inside the image, else two."""
    rng = np.random.default_rng(6)
    x, w = drawn(BITS, (1, 5, 5, 3), rng), drawn(BITS, (4, 3, 3, 3), rng).astype(int)
    for padding, coding in ((0, BIPOLAR), (1, TERNARY)):
        _, made = sums(Conv2d(weight=w, padding=((padding,) * 2,) * 2), x, BITS, HERE[0])
        assert made.x is coding
        assert made.w is BIPOLAR


def test_weights_take_a_bit_each():
    """32 times less than float32 where rows are whole words, and twice for trits."""
    rng = np.random.default_rng(7)
    for kind, bits in ((BITS, 1), (TRITS, 2), ((0, 1), 1), ((-8, 7), 4)):
        w = drawn(kind, (64, 256), rng).astype(int)
        _, made = sums(Dense(weight=w), drawn(BITS, (1, 256), rng), BITS, HERE[0])
        assert made.weights.nbytes == bits * w.size // 8


def test_what_has_no_coding():
    assert whole(-129, 0) is None
    assert whole(0, 256) is None
    assert of_values(np.array([[1, -1]])) is BIPOLAR
    assert of_values(np.array([[1, 0], [-1, 1]])) is TERNARY
    for low in range(-128, 256):
        for high in {low, max(low, 0), max(low, 1), max(low, 100), 127, 255}:
            coding = whole(min(low, high), max(low, high))
            if coding is not None:
                assert coding.low <= min(low, high)
                assert max(low, high) <= coding.high
                for value in (min(low, high), max(low, high)):
                    bits = [value >> plane & 1 for plane in coding.planes]
                    assert oracle.dot(bits, coding.factors) == value


def test_passes():
    """One pass for signs and trits, one for each pair of planes else."""
    assert [len(passes_of(x, w).passes) for x in (BIPOLAR, TERNARY) for w in (BIPOLAR, TERNARY)] == [1] * 4
    assert len(passes_of(whole(-8, 7), whole(0, 7)).passes) == 12
