"""Any block accumulator, its knobs drawn together, against one that is written in fractions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Overflow, Rounding, Topology
from intsim.arithmetic.blocks import (
    BF16,
    FP32,
    Alignment,
    Anchor,
    BlockAccumulator,
    FixedRegister,
    FloatRegister,
    Kulisch,
    ScaleArithmetic,
    ScaleOrder,
    ScalePlace,
    SoftFloat,
    block_dot,
)
from intsim.formats.block import BlockFormat, Level
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.minifloat import ieee
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E4M3
from intsim.testing import plain as fields
from tests.arithmetic.test_block_dot import FORMATS, finite_codes, plain
from tests.oracles import blocks as oracle

SIMPLE = [Rounding.FLOOR, Rounding.TOWARD_ZERO, Rounding.HALF_EVEN, Rounding.HALF_AWAY]
roundings = st.sampled_from(SIMPLE)
floats = st.builds(SoftFloat, st.sampled_from([BF16.format, FP32.format, ieee(8, 4)]), roundings)


@st.composite
def alignments(draw):
    sticky = draw(st.booleans())
    rounding = Rounding.TOWARD_ZERO if sticky else draw(roundings)
    bits, group = draw(st.integers(0, 40)), draw(st.integers(0, 20))
    return Alignment(bits, rounding, sticky, group, draw(st.sampled_from(Anchor)))


@st.composite
def registers(draw, may_align):
    kind = draw(st.sampled_from(["exact", "fixed", "float", "float"]))
    if kind == "exact":
        return Kulisch()
    if kind == "fixed":
        overflow = draw(st.sampled_from([Overflow.WRAP, Overflow.SATURATE]))
        return FixedRegister(draw(st.integers(4, 80)), draw(st.integers(-4, 30)), overflow, draw(roundings))
    aligned = may_align and draw(st.booleans())
    parts = draw(st.integers(1, 4))
    tree = draw(st.booleans()) and not (aligned and parts == 1)
    return FloatRegister(
        draw(floats),
        None if aligned else draw(st.none() | floats),
        Topology.TREE if tree else Topology.CHAIN,
        parts,
        parts > 1 and draw(st.booleans()),
        aligned,
    )


@st.composite
def accumulators(draw):
    alignment = draw(st.none() | alignments())
    place = draw(st.sampled_from(ScalePlace))
    return BlockAccumulator(
        exact=draw(st.sampled_from([0, 1, 1, 3, 16])),
        alignment=alignment,
        scales=place,
        scale_arithmetic=draw(st.none() | st.builds(ScaleArithmetic, floats, st.sampled_from(ScaleOrder))),
        register=draw(registers(alignment is not None and place is ScalePlace.TERM)),
        output=draw(st.none() | floats),
    )


def scale_of(code, power_of_two):
    """The value and the exponent of a scale: E8M0, or a positive E4M3."""
    if power_of_two:
        return oracle.e8m0(code), code - 127
    return oracle.element(code, "e4m3"), oracle.element_exponent(code, "e4m3")


@settings(max_examples=200, deadline=None)
@given(
    accumulators(),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from([4, 16, 32]),
    st.integers(1, 70),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_any_accumulator(accumulator, a, b, size, length, power_of_two, seed):
    random = np.random.default_rng(seed)
    blocks = -(-length // size)
    sides, rows = [], []
    for name in (a, b):
        codes = random.choice(finite_codes(name), (2, length))
        codes[random.random(codes.shape) < 0.1] = 0
        low, high = (120, 135) if power_of_two else (0, 0x7F)
        scales = random.integers(low, high, (2, blocks))
        format = BlockFormat(FORMATS[name], (Level(size, E8M0 if power_of_two else E4M3),))
        sides.append(Blocks(format, codes, (Shared(scales),)))
        rows.append(
            [
                [
                    (
                        scale_of(int(scales[row, i]), power_of_two),
                        [
                            (oracle.element(int(c), name), oracle.element_exponent(int(c), name))
                            for c in codes[row, i * size : (i + 1) * size]
                        ],
                    )
                    for i in range(blocks)
                ]
                for row in range(2)
            ]
        )
    rule = fields(accumulator)
    expected = [oracle.accumulate(x, y, rule, size) for x, y in zip(*rows, strict=True)]
    assert plain(block_dot(*sides, accumulator)) == expected
