"""Layers of bits, trits and few-bit integers in a plan: every kernel gives what the reference gives."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim import NetworkBuilder, plan, run
from intsim.arithmetic import Accumulator, Overflow, Requantization, Rounding, ShiftRight
from intsim.engine.bits_cost import expected_ratio
from intsim.engine.products import products_of
from intsim.formats import Bipolar, IntFormat, TensorSpec, Ternary
from intsim.kernels.bits_coding import BIPOLAR, TERNARY, whole
from intsim.kernels.isa import table
from intsim.kernels.isa.table import ISAS, VARIABLE, WEIGHTS, WEIGHTS_VARIABLE
from intsim.ops import Conv2d, Dense, Requantize

HERE = [isa for isa in ISAS if table.runs(isa)]
UINT1, UINT2, INT3 = IntFormat(1, False), IntFormat(2, False), IntFormat(3)
FORMATS = [Bipolar(), Ternary(), UINT1, UINT2, INT3]
NARROW = Accumulator(IntFormat(7))


def drawn(format, shape, rng):
    values = rng.integers(format.min, format.max + 1, shape)
    return np.where(values == 0, 1, values) if isinstance(format, Bipolar) else values


def rule(format, rng):
    """A requantize into a format, or into int8."""
    steps = (ShiftRight(bits=int(rng.integers(0, 4)), rounding=Rounding.HALF_UP),)
    into = format if isinstance(format, (Bipolar, Ternary)) else None
    code = IntFormat(8) if into is not None else format
    return Requantize(requantization=Requantization(steps, code, Overflow.SATURATE), format=into)


def network(shape, formats, layers, rng):
    """Layers of sums, each requantized into the format of the next."""
    b = NetworkBuilder()
    tensor = b.input("x", shape, formats[0])
    for index, (layer, format) in enumerate(zip(layers, formats[1:], strict=True)):
        tensor = b.add(layer, tensor, name=f"sums{index}")
        tensor = b.add(rule(format, rng), tensor, name=f"codes{index}")
    b.output(tensor)
    return b.build()


def conv(rng, format, weights, channels, filters, **fields):
    w = drawn(weights, (filters, 3, 3, channels), rng)
    return Conv2d(weight=w, weight_format=weights, bias=rng.integers(-5, 6, filters), **fields)


def same(made, network, x, threads=1):
    expected = run(network, x, engine="reference", trace=["*"])
    assert np.array_equal(made.run(x, threads=threads).output, expected.output)
    traced = made.run(x, threads=threads, trace=["*"]).trace
    for name, values in expected.trace.items():
        assert np.array_equal(traced[name], values), name


def told(network, isa, weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, isa.name)
        patch.setenv(WEIGHTS_VARIABLE, weights)
        made = plan(network)
        _ = made.nodes
    return made


@pytest.mark.parametrize("weights", WEIGHTS)
@given(data=st.data())
@settings(max_examples=25)
def test_drawn_networks(weights, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**20)))
    isa = data.draw(st.sampled_from(HERE[:1] if weights == "unpack" else HERE[:2]))
    channels = [data.draw(st.sampled_from([1, 3, 40, 64, 70])) for _ in range(3)]
    formats = [data.draw(st.sampled_from(FORMATS)) for _ in range(4)]
    wanted = [data.draw(st.sampled_from(FORMATS)) for _ in range(3)]
    fields = {
        "padding": data.draw(st.sampled_from([((0, 0), (0, 0)), ((1, 1), (1, 1)), ((2, 0), (0, 1))])),
        "stride": data.draw(st.sampled_from([(1, 1), (2, 1)])),
        "accumulator": data.draw(st.sampled_from([Accumulator(), NARROW])),
    }
    first = conv(rng, formats[0], wanted[0], channels[0], channels[1], **fields)
    second = conv(rng, formats[1], wanted[1], channels[1], channels[2], padding=((1, 1), (1, 1)))
    last = Dense(weight=drawn(wanted[2], (10, channels[2]), rng), weight_format=wanted[2])
    made = network((5, 6, channels[0]), formats, [first, second, last], rng)
    x = drawn(formats[0], (data.draw(st.integers(1, 3)), 5, 6, channels[0]), rng)
    same(told(made, isa, weights), made, x, threads=data.draw(st.integers(1, 2)))


def dense(format, weights, taps=1024, channels=256, **fields):
    rng = np.random.default_rng(0)
    op = Dense(weight=drawn(weights, (channels, taps), rng), weight_format=weights, **fields)
    b = NetworkBuilder()
    b.output(b.add(op, b.input("x", (taps,), format), name="dense"))
    return b.build()


def kernel(network, isa, weights):
    step = told(network, isa, weights).steps[0]
    return step.kernel, step.reason


def test_the_plan_says_which_and_why():
    for isa in HERE:
        name, reason = kernel(dense(Bipolar(), Bipolar()), isa, "count")
        assert name == f"dense int32 (bits 1x1, {isa.name})"
        assert reason == (
            "every partial sum is in [-1024, 1024], no register overflows, any order is exact [K1]; "
            "bits counted in 1 pass, as told [V6]"
        )
        name, reason = kernel(dense(UINT2, INT3), isa, "count")
        assert name == f"dense int32 (bits 2x3, {isa.name})"
        assert "bits counted in 6 passes" in reason
        assert "bits" not in kernel(dense(Bipolar(), Bipolar()), isa, "bytes")[0].replace("-bit", "")
    if HERE[0].name == "amx" and table.host_features().get("gfni", False):
        for format, bits in ((Bipolar(), 1), (Ternary(), 2), (IntFormat(4), 4)):
            for weights in ("unpack", ""):
                name, _ = kernel(dense(IntFormat(8), format), HERE[0], weights)
                assert name == f"dense int32 ({bits}-bit weights, 8-bit operands, amx)"


def test_bits_are_counted_where_that_is_cheaper():
    """By itself, where the processor has no instruction for bytes that is as fast."""
    for isa in HERE:
        if isa.name in ("avx2", "portable"):
            name, reason = kernel(dense(Bipolar(), Bipolar()), isa, "")
            assert name == f"dense int32 (bits 1x1, {isa.name})"
            assert re.search(r"bits counted in 1 pass, about 0\.\d\d of the time of bytes \[V6\]$", reason)
        name, _ = kernel(dense(IntFormat(8), IntFormat(8)), isa, "")
        assert "(bits" not in name


def test_expected_ratios():
    """Twice the passes take twice as long; words of few channels are not worth it."""
    isa = ISAS[3]
    spec = TensorSpec((8, 8, 64), IntFormat(8))

    def ratio(x, w, depth=64):
        op = Conv2d(weight=np.ones((64, 3, 3, depth), int))
        given = spec if depth == 64 else TensorSpec((8, 8, depth), IntFormat(8))
        return expected_ratio(products_of(op, given, *op.infer(given)), x, w, isa)

    one, two = ratio(BIPOLAR, BIPOLAR), ratio(TERNARY, TERNARY)
    assert one < 1
    assert 1.8 < two / one <= 2
    assert ratio(whole(0, 3), BIPOLAR) == pytest.approx(two, rel=0.2)
    assert ratio(BIPOLAR, BIPOLAR, depth=3) > 1


def test_saturation_only_where_it_is_proved_impossible():
    """A register that the sums can leave is stepped through as ever, whatever is told."""
    for overflow in (Overflow.SATURATE, Overflow.TRAP):
        wide, narrow = (Accumulator(IntFormat(bits), overflow) for bits in (12, 9))
        for accumulator, counted in ((wide, True), (narrow, False)):
            name, _ = kernel(dense(Bipolar(), Bipolar(), accumulator=accumulator), HERE[0], "count")
            assert ("bits 1x1" in name) is counted
    x = drawn(Bipolar(), (3, 1024), np.random.default_rng(1))
    x[0] = 1
    for accumulator in (wide.replace(overflow=Overflow.SATURATE), NARROW):
        made = dense(Bipolar(), Bipolar(), accumulator=accumulator)
        same(told(made, HERE[0], "count"), made, x)


@pytest.mark.parametrize("format", [Bipolar(zero=-1), IntFormat(8)], ids=str)
def test_what_follows_is_done_in_the_same_step(format):
    """Codes of eight bits, and signs: a threshold, and a doubling."""
    rng = np.random.default_rng(2)
    made = network((6, 6, 64), [Bipolar(), format], [conv(rng, Bipolar(), Bipolar(), 64, 32)], rng)
    planned = told(made, HERE[0], "count")
    (step,) = planned.steps
    assert [node.name for node in step.nodes] == ["sums0", "codes0"]
    assert step.kernel == f"conv2d int32 (bits 1x1, {HERE[0].name}) + requantize"
    same(planned, made, drawn(Bipolar(), (2, 6, 6, 64), rng))


def test_a_transposed_convolution_is_left_to_bytes():
    from intsim.ops import TransposeConv2d

    rng = np.random.default_rng(3)
    op = TransposeConv2d(weight=drawn(Bipolar(), (4, 2, 2, 64), rng), stride=(2, 2), output_size=(8, 8))
    b = NetworkBuilder()
    b.output(b.add(op, b.input("x", (4, 4, 64), Bipolar()), name="spread"))
    made = b.build()
    planned = told(made, HERE[0], "count")
    assert "(bits" not in planned.steps[0].kernel
    same(planned, made, drawn(Bipolar(), (2, 4, 4, 64), rng))
