"""Cases of the ops that stand between the layers: add, clamp, requantize."""

from __future__ import annotations

from hypothesis import strategies as st

from intsim import ops
from intsim.formats import TensorSpec
from intsim.testing import Case
from intsim.testing.strategies import batches, formats, registers, requantizations

small_shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)


@st.composite
def _add(draw):
    shape = draw(small_shapes)
    other = tuple(draw(st.sampled_from([1, size])) for size in shape)
    other = other[draw(st.integers(0, len(other))) :]
    shapes = [shape, other] if draw(st.booleans()) else [other, shape]
    specs = tuple(TensorSpec(shape, draw(formats(1, 64))) for shape in shapes)
    return Case(ops.Add(register=draw(registers(1, 64, trap=True))), specs, draw(batches(*specs)))


@st.composite
def _clamp(draw):
    format = draw(formats(1, 64))
    spec = TensorSpec(draw(small_shapes), format)
    lo, hi = sorted(draw(st.tuples(*[st.integers(format.min, format.max)] * 2)))
    return Case(ops.Clamp(lo=lo, hi=hi), (spec,), draw(batches(spec)))


@st.composite
def _requantize(draw):
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    format = draw(formats(4, 40))
    spec = TensorSpec(shape, format)
    rule = draw(requantizations(shape[-1], trap=True, input_bits=format.bits))
    return Case(ops.Requantize(requantization=rule), (spec,), draw(batches(spec)))


CASES = {"add": _add(), "clamp": _clamp(), "requantize": _requantize()}
