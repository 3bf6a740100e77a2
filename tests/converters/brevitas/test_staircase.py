"""Thresholds against the quantizer itself, number by number."""

from fractions import Fraction

import brevitas.nn as qnn
import brevitas.quant as bq
import numpy as np
import pytest
import torch
from brevitas.inject.enum import FloatToIntImplType
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.brevitas.affine import Affine, Inverse, Span, UndecidedError
from intsim_converters.brevitas.functions import Function
from intsim_converters.brevitas.quantizers import read_quantizer
from intsim_converters.brevitas.staircase import NEVER, before, float_steps, integer_steps

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves


def quantizer(module):
    return read_quantizer("act", module.eval().act_quant, (), 1)


def hardtanh(bits, top, rounding=FloatToIntImplType.ROUND):
    return quantizer(
        qnn.QuantHardTanh(bit_width=bits, min_val=-top, max_val=top, float_to_int_impl_type=rounding)
    )


KINDS = {
    "int4": hardtanh(4, 1.7),
    "int8": hardtanh(8, 0.3),
    "floor": hardtanh(5, 1.0, FloatToIntImplType.FLOOR),
    "ceil": hardtanh(5, 1.0, FloatToIntImplType.CEIL),
    "toward zero": hardtanh(5, 1.3, FloatToIntImplType.ROUND_TO_ZERO),
    "bits": quantizer(qnn.QuantIdentity(act_quant=bq.SignedBinaryActPerTensorConst)),
    "trits": quantizer(qnn.QuantIdentity(act_quant=bq.SignedTernaryActPerTensorConst)),
    "relu": quantizer(qnn.QuantReLU(bit_width=6, scaling_impl_type="const", scaling_init=0.77)),
}


@pytest.mark.parametrize("name", KINDS)
def test_codes_are_steps_reached(name):
    found = KINDS[name]
    steps = float_steps(found.codes, 1)
    wide = np.random.default_rng(1).normal(scale=2, size=2000).astype(np.float32)
    near = np.concatenate([steps.at[:, 0], before(steps.at[:, 0]), wide, -wide, [0.0, -0.0, np.inf, -np.inf]])
    probes = near.astype(np.float32)[:, None]
    assert np.array_equal(found.codes(probes)[:, 0], steps.lowest + (steps.at[:, 0] <= probes).sum(axis=1))


def nearest_float32(real):
    """The float32 nearest to a fraction, ties to even, by looking at neighbours."""
    guess = np.float32(float(real))
    around = [before(np.asarray(guess)), guess, np.nextafter(guess, np.float32(np.inf))]
    best = min(abs(Fraction(float(value)) - real) for value in around)
    fit = [value for value in around if abs(Fraction(float(value)) - real) == best]
    return fit[0] if len(fit) == 1 else next(value for value in fit if int(value.view(np.int32)) % 2 == 0)


floats = st.floats(2**-9, 2, width=32)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(KINDS)),
    a=floats,
    b=floats,
    sign=st.sampled_from([1, -1]),
    offset=st.floats(-4, 4, width=32),
    start=st.integers(-5000, 5000),
)
def test_a_sum_counts_as_its_real_rounded_once_does(name, a, b, sign, offset, start):
    found = KINDS[name]
    slope, offset = sign * Fraction(a) * Fraction(b), Fraction(offset)
    affine = Affine((Span.of(slope),), (Span.of(offset),))
    steps = float_steps(found.codes, 1)
    integers = integer_steps(steps, affine)
    near = {int(at * integers.sign[0]) + more for at in integers.at[:, 0] for more in (-1, 0, 1)}
    sums = np.array(sorted({n for n in near if abs(n) < 1 << 40} | set(range(start, start + 40))))
    reals = np.array([nearest_float32(slope * int(n) + offset) for n in sums], np.float32)
    reached = (integers.at[:, 0] <= (sums * integers.sign[0])[:, None]).sum(axis=1)
    assert np.array_equal(steps.lowest + reached, found.codes(reals[:, None])[:, 0])


@pytest.mark.parametrize("name", KINDS)
def test_reals_between_two_floats(name):
    """Sums in eighths of the gap before every step: the fourth is a tie, which goes to the even float."""
    found = KINDS[name]
    steps = float_steps(found.codes, 1)
    for k, value in enumerate(steps.at[:, 0]):
        below, up = Fraction(float(before(value))), Fraction(float(value))
        affine = Affine((Span.of((up - below) / 8),), (Span.of(below),))
        (least,) = integer_steps(steps, affine).at[k]
        assert least in (4, 5)
        rounded = [nearest_float32(below + (up - below) * n / 8) for n in range(9)]
        assert [n >= least for n in range(9)] == [bool(entry >= value) for entry in rounded]


def test_a_slope_of_zero_has_one_code():
    found = KINDS["int4"]
    steps = float_steps(found.codes, 1)
    for offset in (-3, Fraction(1, 3), 3):
        integers = integer_steps(steps, Affine((Span.of(0),), (Span.of(offset),)))
        assert set(np.abs(integers.at.ravel()).tolist()) == {NEVER}
        code = found.codes(np.array([[float(offset)]], np.float32))[0, 0]
        assert steps.lowest + (integers.at <= 0).sum() == code


def test_neighbouring_floats():
    values = np.array([0.0, 1.0, -1.0, 2.0**-149, -(2.0**-149)], np.float32)
    assert np.array_equal(before(values), np.nextafter(values, np.float32(-np.inf)))


def test_roots_are_enclosed():
    for square in (Fraction(2), Fraction(9, 4), Fraction(1, 10**12), Fraction(7**40, 3)):
        root = Span.root(square)
        assert root.lo**2 <= square <= root.hi**2
        assert root.hi - root.lo <= root.hi / 2**200
    assert Span.root(Fraction(9, 4)).exact


def test_what_is_too_near_is_not_guessed():
    more = Fraction(1, 10**30)
    near = Span(5 - more, 5 + more)
    with pytest.raises(UndecidedError):
        (near - Span.of(5)).sign  # noqa: B018 - the property decides
    for inverse in (Inverse(Span.of(1), near), Inverse(Span(1 - more, 1 + more), Span.of(1))):
        for reached in (True, False):
            with pytest.raises(UndecidedError):
                inverse.least_integer(Fraction(8), reached)
    exact = Inverse(Span.of(Fraction(1, 3)), Span.of(Fraction(-1, 2)))
    assert exact.least_integer(Fraction(1, 2), True) == 3
    assert exact.least_integer(Fraction(1, 2), False) == 4
    assert exact.least_integer(Fraction(-1), True) == -1


def test_probes_are_not_written_to():
    act = qnn.QuantReLU(bit_width=4).eval().act_quant
    probes = np.array([[-1.0], [2.0]], np.float32)
    read_quantizer("act", act, (Function(torch.nn.ReLU(inplace=True)),), 1).codes(probes)
    assert probes[0, 0] == -1.0
