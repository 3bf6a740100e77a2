"""The literature's closed forms against their formulas, in exact rational arithmetic."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Accumulator, Interval, Overflow
from intsim.bounds.closed_forms import Channels, a2q, a2q_plus, axe, closed_forms, data_type
from intsim.bounds.layers import channels_of
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import BatchMatmul, Conv2d, Dense
from intsim.testing.strategies import codes


def smallest(limit: Fraction) -> int:
    """The smallest P with limit <= 2**(P-1) - 1, by trying."""
    bits = 1
    while limit > 2 ** (bits - 1) - 1:
        bits += 1
    return bits


def exact_width(weight, lo, hi, bias=0):
    """Bits of a signed register for one channel's sums, by trying: section "exact interval"."""
    p = sum(q for q in weight if q > 0)
    n = sum(-q for q in weight if q < 0)
    low, high = bias + lo * p - hi * n, bias + hi * p - lo * n
    bits = 1
    while not -(2 ** (bits - 1)) <= low <= high <= 2 ** (bits - 1) - 1:
        bits += 1
    return bits


def channels(weight, bits, operand, bias=None):
    weight = np.array(weight, dtype=object)
    bias = np.zeros(len(weight), dtype=object) if bias is None else np.array(bias, dtype=object)
    return Channels(weight, bits, operand, bias)


@st.composite
def layers(draw, biased=True):
    """Weights of M bits, activations of N, and a bias; whole formats, as the forms assume."""
    weight_format = IntFormat(draw(st.integers(2, 9)))
    operand = IntFormat(draw(st.integers(1, 9)), draw(st.booleans()))
    terms, count = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    row = st.lists(codes(weight_format), min_size=terms, max_size=terms)
    weight = draw(st.lists(row, min_size=count, max_size=count))
    bias = draw(st.lists(st.integers(-999, 999), min_size=count, max_size=count)) if biased else None
    return channels(weight, weight_format.bits, Interval.of_format(operand), bias), operand


@given(layers())
def test_data_type(drawn):
    """K * 2**(N - sigma) * 2**(M - 1)."""
    layer, x = drawn
    terms = layer.weight.shape[1]
    most = terms * Fraction(2) ** (x.bits - x.signed) * Fraction(2) ** (layer.weight_bits - 1)
    assert data_type(layer).bits.tolist() == [smallest(most + abs(bias)) for bias in layer.bias]


@given(layers())
def test_a2q(drawn):
    """||q||_1 <= (2**(P-1) - 1) * 2**(sigma - N)."""
    layer, x = drawn
    expected = []
    for row, bias in zip(layer.weight, layer.bias, strict=True):
        norm = Fraction(sum(map(abs, row)))
        bits = 1
        while norm > (2 ** (bits - 1) - 1 - abs(bias)) * Fraction(2) ** (x.signed - x.bits):
            bits += 1
        expected.append(bits)
    assert a2q(layer).bits.tolist() == expected


@given(layers(), st.data())
def test_a2q_plus(drawn, data):
    """||q||_1 <= (2**P - 2) / (2**N - 1), where the weights sum to 0."""
    layer, x = drawn
    weight = layer.weight.copy()
    centred = data.draw(st.lists(st.booleans(), min_size=len(weight), max_size=len(weight)))
    for row, wanted in zip(weight, centred, strict=True):
        if wanted:
            row[-1] -= row.sum()
    found = a2q_plus(Channels(weight, 12, layer.operand, np.zeros(len(weight), dtype=object)))
    for row, bits in zip(weight, found.bits, strict=True):
        if row.sum() != 0:
            assert bits is None
            continue
        norm, least = Fraction(sum(map(abs, row))), 1
        while norm > Fraction(2**least - 2, 2**x.bits - 1):
            least += 1
        assert bits == least
    assert (found.widest is None) == any(row.sum() != 0 for row in weight)
    assert bool(found.refused) == (found.widest is None)


def test_a2q_plus_is_refused_where_weights_are_not_centred():
    form = a2q_plus(channels([[1, -1], [1, 1], [0, 0]], 4, Interval(0, 15)))
    assert form.bits.tolist() == [5, None, 1]
    assert form.refused == "weights must sum to 0 in each channel; they do in 2 of 3. [F4]"
    assert form.widest is None


def test_a2q_plus_would_be_too_small_uncentred():
    """One weight -2, activations 0 to 63: by the norm alone 7 bits, and -126 needs 8."""
    norm, span = 2, 63
    assert smallest(Fraction(norm * span, 2)) == 7
    assert exact_width([-2], 0, 63) == 8
    assert a2q_plus(channels([[-2]], 4, Interval(0, 63))).bits.tolist() == [None]


@given(layers(biased=False))
def test_each_is_at_least_as_wide_as_the_exact_one(drawn):
    """exact <= axe, exact <= a2q <= data-type; a2q+ is the exact one, up to the lowest code of P bits."""
    layer, _ = drawn
    lo, hi = layer.operand.min, layer.operand.max
    forms = closed_forms(layer)
    assert [form.name for form in forms] == ["data-type", "a2q", "a2q+", "axe"]
    for channel, row in enumerate(layer.weight):
        exact = exact_width(row, lo, hi)
        by_name = {form.name: form.bits[channel] for form in forms}
        assert exact <= by_name["axe"] <= by_name["a2q"] <= by_name["data-type"]
        if by_name["a2q+"] is not None:
            assert by_name["a2q+"] == exact


@given(layers())
def test_with_a_bias_none_is_too_small(drawn):
    layer, _ = drawn
    for channel, (row, bias) in enumerate(zip(layer.weight, layer.bias, strict=True)):
        exact = exact_width(row, layer.operand.min, layer.operand.max, bias)
        for form in closed_forms(layer):
            assert form.bits[channel] is None or form.bits[channel] >= exact


# Activations of bits N (signed or not), weights of M bits, K terms, 256 channels of Gaussian weights:
# what each form says. The right column is the truth.
TABLE = [
    (64, 4, IntFormat(4, signed=False), 15, 13, 12),
    (64, 8, IntFormat(8), 22, 20, 20),
    (576, 4, IntFormat(4, signed=False), 18, 16, 15),
    (576, 8, IntFormat(8, signed=False), 26, 24, 23),
    (4608, 4, IntFormat(4, signed=False), 21, 19, 18),
    (4608, 8, IntFormat(8), 28, 26, 26),
]


@pytest.mark.parametrize(("terms", "bits", "x", "by_type", "by_norm", "exact"), TABLE)
def test_how_loose_each_is(terms, bits, x, by_type, by_norm, exact):
    """Gaussian weights whose largest code is three deviations away."""
    top = 2 ** (bits - 1) - 1
    drawn = np.random.default_rng(terms + bits).normal(0, top / 3, (256, terms))
    weight = np.clip(np.rint(drawn), -top, top).astype(int)
    layer = channels(weight, bits, Interval.of_format(x))
    truth = max(exact_width(row, x.min, x.max) for row in layer.weight.tolist())
    assert (data_type(layer).widest, a2q(layer).widest, truth) == (by_type, by_norm, exact)
    assert axe(layer).widest == truth
    assert a2q_plus(layer).widest is None


@settings(max_examples=60)
@given(layers(), st.integers(1, 10), st.sampled_from(Overflow))
def test_the_two_widths_of_axe_suffice(drawn, tile, overflow):
    """Tiles of T terms in P_I bits, their sums in P_O: every register proved exact, whatever it does."""
    layer, x = drawn
    form = axe(layer, tile)
    inner = form.bits if form.inner is None else form.inner
    for channel, row in enumerate(layer.weight):
        accumulator = Accumulator(
            IntFormat(form.bits[channel]),
            overflow,
            tile=tile,
            inner=Accumulator(IntFormat(inner[channel]), overflow),
        )
        op = Dense(
            weight=[row.tolist()],
            weight_format=IntFormat(10),
            bias=int(layer.bias[channel]),
            accumulator=accumulator,
        )
        found = op.bounds([TensorSpec((len(row),), x)], [layer.operand]).registers
        assert [bool(entry.exact.all()) for entry in found] == [True, True]


def test_axe_by_hand():
    """Tiles 3, -2 | 1: within 45 and 30, so 7 bits; two of them, so one more."""
    layer = channels([[3, -2, 1]], 4, Interval(0, 15))
    form = axe(layer, 2)
    assert (form.inner.tolist(), form.bits.tolist()) == ([7], [8])
    assert axe(layer, 3).inner is None
    assert axe(layer, 3).bits.tolist() == [7]
    refused = axe(channels([[1]], 4, Interval(5, 10)))
    assert refused.bits.tolist() == [None]
    assert refused.refused == "operand must be able to be 0, not in [5, 10]. [F5]"


@pytest.mark.parametrize("x", [IntFormat(2, signed=False), IntFormat(2), IntFormat(3)])
def test_sums_of_small_layers_in_full(x):
    """Every pair of weights of 3 bits, every input: the largest sum fits what each form says."""
    for row in itertools.product(range(-4, 4), repeat=2):
        sums = [row[0] * a + row[1] * b for a in range(x.min, x.max + 1) for b in range(x.min, x.max + 1)]
        layer = channels([row], 3, Interval.of_format(x))
        for form in closed_forms(layer, tile=1):
            if form.bits[0] is not None:
                assert IntFormat(form.bits[0]).holds(min(sums), max(sums)), (row, form)


def test_a_layer_as_the_forms_see_it():
    """Zero points are taken off both operands; a tap outside the image is a 0 more."""
    op = Dense(
        weight=[[1, 2], [3, -4]],
        weight_format=IntFormat(4),
        weight_zero_point=[0, 3],
        input_zero_point=-2,
        bias=[7, -8],
    )
    layer = channels_of(op, [Interval(1, 5)])
    assert layer.weight.tolist() == [[1, 2], [0, -7]]
    assert layer.weight_bits == 5  # -11 to 7
    assert layer.operand == Interval(3, 7)
    assert layer.bias.tolist() == [7, -8]
    conv = Conv2d(weight=[[[[1]]]], padding=((0, 0), (1, 0)), input_zero_point=-2)
    assert channels_of(conv, [Interval(1, 5)]).operand == Interval(0, 7)
    assert channels_of(BatchMatmul(), [Interval(1, 5)] * 2) is None
