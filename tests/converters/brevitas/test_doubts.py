"""The sums in doubt: float32 in other orders moves codes there, and nowhere else."""

from fractions import Fraction

import brevitas.nn as qnn
import brevitas.quant as bq
import numpy as np
import pytest
import torch
from intsim_converters.brevitas import convert, doubts
from intsim_converters.brevitas.floats import exact_sum, lowest_bit, sum_error

from tests.converters.brevitas.agree import brevitas_integers, run_all
from tests.converters.brevitas.modules import calibrated

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

TENSOR = {"return_quant_tensor": True}


def reordered(module, images, order):
    """The same sums of a linear layer, its terms in another order."""
    linear = module[1]
    kept = linear.weight.data
    linear.weight.data = kept[:, order]
    try:
        return brevitas_integers(module, np.ascontiguousarray(images[:, order]))[0]
    finally:
        linear.weight.data = kept


def test_orders_move_codes_in_doubt_only():
    layers = qnn.QuantIdentity(**TENSOR), qnn.QuantLinear(200, 8), qnn.QuantReLU(bit_width=12, **TENSOR)
    module, _ = calibrated(*layers, shape=(200,))
    images = torch.randn(2000, 200, generator=torch.Generator().manual_seed(1)).numpy()
    example = torch.from_numpy(images[:2])
    (doubt,) = doubts(module, example)
    trace = run_all(convert(module, example), images).trace
    unsure = doubt.holds(trace["1"])
    moved = np.zeros(unsure.shape, bool)
    for seed in range(6):
        found = reordered(module, images, np.random.default_rng(seed).permutation(200))
        assert np.array_equal(found["1"], trace["1"])
        moved |= found["2"] != trace["2"]
    assert moved.any()
    assert not (moved & ~unsure).any()
    assert str(doubt) == f"2: {doubt.sums} of {doubt.of} sums are in doubt"


def test_runs_are_counted_once():
    layers = qnn.QuantIdentity(**TENSOR), qnn.QuantLinear(50, 3), qnn.QuantIdentity(bit_width=11, **TENSOR)
    module, images = calibrated(*layers, shape=(50,))
    (doubt,) = doubts(module, torch.from_numpy(images[:2]))
    for channel, runs in enumerate(doubt.runs):
        ends = [end for run in runs for end in run]
        assert ends == sorted(ends)
        sums = np.zeros((2, len(doubt.runs)), np.int64)
        sums[:, channel] = runs[0][0] - 1, runs[0][0]
        assert doubt.holds(sums)[:, channel].tolist() == [False, True]


def test_a_real_bias_off_the_grid_is_in_doubt_a_short_one_is_not():
    fixed = {"restrict_scaling_type": "power_of_two", **TENSOR}
    weights = {"weight_restrict_scaling_type": "power_of_two"}
    layers = (
        qnn.QuantIdentity(**fixed),
        qnn.QuantLinear(20, 4, **weights),
        qnn.QuantReLU(bit_width=12, **fixed),
    )
    module, images = calibrated(*layers, shape=(20,))
    example = torch.from_numpy(images[:2])
    with torch.no_grad():
        module[1].bias.copy_(torch.tensor([0.5, -0.25, 0.0, 1.0]))
    assert doubts(module, example) == ()


def test_the_bounds_of_float_arithmetic():
    one = Fraction(1)
    assert exact_sum((one / 8, one / 4), one / 32 * 2**24)
    assert not exact_sum((one / 8, one / 4), one / 32 * 2**24 + one)
    assert not exact_sum((one / 3,), one)
    assert exact_sum((one,), one * 2**20, one / 16)
    assert not exact_sum((one,), one * 2**20, one / 32)
    assert lowest_bit(one * 12 / 32) == one / 8
    assert sum_error(10, one) > 10 * one / 2**24


def test_codes_alone_are_never_in_doubt():
    """One quantizer behind another: the float of a code is exact."""
    layers = (
        qnn.QuantIdentity(**TENSOR),
        qnn.QuantReLU(act_quant=bq.Uint8ActPerTensorFloat, bit_width=5, **TENSOR),
    )
    module, images = calibrated(*layers, shape=(20,))
    assert doubts(module, torch.from_numpy(images[:2])) == ()
