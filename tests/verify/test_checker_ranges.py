"""What the checker makes of an op, against what the op gives: shapes, formats and ranges."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Rounding, Scale
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import OPS, AvgPool2d, Requantize
from intsim.storage import save
from intsim.testing.case import network_of
from intsim.testing.strategies import requantizations
from intsim.verify.check_certificate import FORMATS, Tensor, image, made_by, requantized, rounded, scaled
from tests.contract.registry import CASES
from tests.oracles.arith import round_shift


def tensor_of(spec, values, by_channel):
    """What is known of an input that holds these values."""
    if not isinstance(spec.format, IntFormat):
        return Tensor(None, spec.shape, [])
    rows = values.reshape(-1, spec.shape[-1]) if by_channel and spec.shape else values.reshape(-1, 1)
    pairs = [(int(column.min()), int(column.max())) for column in rows.T]
    return Tensor(FORMATS[str(spec.format)], spec.shape, pairs)


def inside(values, ranges):
    """Whether values, channels last, are in a range."""
    lows, highs = (np.array(ends, object) for ends in zip(*ranges, strict=True))
    wide = values.astype(object)
    return bool(np.all((wide >= lows) & (wide <= highs)))


@pytest.mark.parametrize("name", sorted(OPS))
@settings(max_examples=12)
@given(data=st.data())
def test_every_op(name, data):
    case = data.draw(CASES[name])
    by_channel = data.draw(st.booleans())
    inputs = [tensor_of(spec, x, by_channel) for spec, x in zip(case.specs, case.inputs, strict=True)]
    wanted = case.op.infer(*case.specs)
    try:
        values = case.op.reference(*(x if x.dtype.kind == "f" else x.astype(object) for x in case.inputs))
    except (OverflowTrap, IndexError):
        return
    with tempfile.TemporaryDirectory() as folder:
        save(network_of(case), Path(folder) / "network.h5")
        with h5py.File(Path(folder) / "network.h5", "r") as file:
            group = file["nodes/node"]
            found = made_by(name, group, inputs)
            assert all(found.shape in (None, spec.shape) for spec in wanted)
            for spec, result in zip(wanted, values, strict=True):
                if "accumulator" in group or not isinstance(spec.format, IntFormat):
                    assert found.format is None
                    continue
                assert found.format == FORMATS[str(spec.format)]
                ranges = image(name, group, [tensor.range for tensor in inputs])
                assert inside(result, ranges or found.range)


@given(data=st.data())
def test_every_value_of_a_requantization_is_inside(data):
    channels = data.draw(st.integers(1, 3))
    rule = data.draw(requantizations(channels, IntFormat(8)))
    low = data.draw(st.integers(-(2**20), 2**20))
    high = low + data.draw(st.integers(0, 300))
    values = np.arange(low, high + 1, dtype=object)[:, None].repeat(channels, axis=1)
    try:
        codes = rule.apply(values)
    except (OverflowTrap, IndexError, OverflowError):
        return
    with tempfile.TemporaryDirectory() as folder:
        builder = NetworkBuilder()
        x = builder.input("x", (channels,), IntFormat(32))
        builder.output(builder.add(Requantize(requantization=rule), x, name="node"))
        save(builder.build(), Path(folder) / "network.h5")
        with h5py.File(Path(folder) / "network.h5", "r") as file:
            found = requantized(file["nodes/node/requantization"], [(low, high)])
    assert inside(codes, found)


@pytest.mark.parametrize("rounding", [kind for kind in Rounding if kind is not Rounding.STOCHASTIC])
def test_rounding(rounding):
    """Every value of 8 bits by every shift to 5, against the oracle of the roundings."""
    for value in range(-128, 128):
        for shift in range(6):
            wanted = round_shift(value, shift, rounding.name.lower())
            assert rounded(value, 1 << shift, rounding.name.lower()) == wanted


@given(
    value=st.integers(-(2**53), 2**53),
    factor=st.floats(-4, 4, width=32),
    before=st.none() | st.floats(-300, 300, width=32),
    after=st.none() | st.floats(-300, 300, width=32),
    rounding=st.sampled_from([kind for kind in Rounding if kind is not Rounding.STOCHASTIC]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_real_scales(value, factor, before, after, rounding, dtype):
    """As numpy's floats of the same width do it."""
    given = [None if real is None else dtype(real) for real in (before, after)]
    step = Scale(factors=dtype(factor), before=given[0], after=given[1], rounding=rounding)
    (wanted,) = step.exact(np.array([value], dtype=object))
    reals = {"before": given[0], "factors": dtype(factor), "after": given[1]}
    p = {name: real for name, real in reals.items() if real is not None}
    assert scaled(value, p | {"kind": dtype, "rounding": rounding.name.lower()}) == wanted


def test_padding_that_counts_in_an_average(tmp_path):
    op = AvgPool2d(kernel=(2, 2), padding=((1, 0), (0, 0)), count_padding=True, zero_point=-3)
    builder = NetworkBuilder()
    builder.output(builder.add(op, builder.input("x", (2, 2, 1), IntFormat(8)), name="node"))
    save(builder.build(), tmp_path / "network.h5")
    with h5py.File(tmp_path / "network.h5", "r") as file:
        assert image("avg_pool2d", file["nodes/node"], [[(5, 9)]]) == [(-3, 9)]
