"""Cases of group_dense, for the contract suite."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from intsim.arithmetic import Accumulator, BiasPlace, Requantization, Rounding, ShiftRight, ZeroPointPlace
from intsim.formats import Bipolar, FixedPoint, IntFormat, TensorSpec
from intsim.ops import GroupDense, GroupScales
from intsim.testing import Case
from intsim.testing.strategies import accumulators, arrays, batches, codes, formats, overflows, registers

ZEROS = [IntFormat(4, False), FixedPoint(4, signed=False, offset=-1), IntFormat(6)]
ROUNDINGS = [rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC]


@st.composite
def staged(draw: DrawFn, depth: int, group: int) -> Accumulator:
    """Accumulators with a level for the groups: around them and in them, any."""
    inner: Any = draw(accumulators((1, 1, group), trap=True)) if draw(st.booleans()) else None
    if inner is not None and inner.tile is not None and inner.tile >= group:
        inner = inner.replace(tile=None, inner=None)
    if inner is not None:
        plain = Accumulator()
        inner = inner.replace(order=plain.order, bias=plain.bias, zero_point=plain.zero_point)
    tile = group if inner is not None or draw(st.booleans()) else None
    made = Accumulator(draw(formats(6, 40)), draw(overflows(trap=True)), tile=tile, inner=inner)
    if tile is not None and draw(st.booleans()):
        outer = group * draw(st.integers(2, 3))
        made = Accumulator(draw(formats(6, 40)), draw(overflows(trap=True)), tile=outer, inner=made)
    return made.replace(
        order=draw(st.sampled_from(["hwc", "cwh"])),
        bias=draw(st.sampled_from(BiasPlace)),
        zero_point=draw(st.sampled_from(ZeroPointPlace)),
    )


@st.composite
def group_denses(draw: DrawFn) -> Case:
    channels, depth, group = (draw(st.integers(1, most)) for most in (3, 9, 5))
    shape = (channels, -(-depth // group))
    weight = draw(st.sampled_from([IntFormat(4, False), IntFormat(4), Bipolar(), FixedPoint(3, offset=2)]))
    scale, zero, offset = draw(formats(2, 8)), draw(st.sampled_from(ZEROS)), draw(formats(3, 8))
    by_weight = draw(st.booleans())
    fields: dict[str, Any] = {}
    if by_weight:
        fields["offset"] = draw(arrays(shape, codes(offset)))
        fields["weight_register"] = draw(st.none() | registers(4, 10, trap=False))
        fields["accumulator"] = draw(accumulators((1, 1, depth), trap=True))
    else:
        fields["accumulator"] = draw(staged(depth, group))
        steps = (ShiftRight(bits=draw(st.integers(0, 6)), rounding=draw(st.sampled_from(ROUNDINGS))),)
        fields["scale_product"] = draw(
            st.none() | st.builds(Requantization, st.just(steps), formats(2, 12), overflows())
        )
    some = st.sampled_from([(), shape])
    op = GroupDense(
        draw(arrays((channels, depth), codes(weight))),
        draw(arrays(shape, codes(scale))),
        group,
        draw(arrays(draw(some), codes(zero))) if zero.min <= 0 else draw(arrays(shape, codes(zero))),
        weight_format=weight,
        scale_format=scale,
        zero_format=zero,
        offset_format=offset,
        bias=draw(arrays((draw(st.sampled_from([1, channels])),), st.integers(-5000, 5000))),
        input_zero_point=draw(st.integers(-130, 130)),
        scales=GroupScales.WEIGHT if by_weight else GroupScales.SUM,
        **{"offset": 0, **fields} if offset.min <= 0 <= offset.max else fields,
    )
    leading = tuple(draw(st.lists(st.integers(1, 2), max_size=2)))
    specs = [TensorSpec((*leading, depth), draw(formats(1, 9)))]
    if not by_weight and draw(st.booleans()):
        specs.append(TensorSpec((*leading, shape[1]), draw(formats(1, 6))))
    return Case(op, tuple(specs), draw(batches(*specs)))


CASES: dict[str, SearchStrategy[Case]] = {"group_dense": group_denses()}
