"""Sums over bits, trits and codebooks, and what sums become: integers like any others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Accumulator, Interval, Multiply, Overflow, Register, Requantization, ShiftRight
from intsim.engine import run
from intsim.errors import InputError, SpecError
from intsim.formats import Bipolar, Codebook, IntFormat, Minifloat, TensorSpec, Ternary
from intsim.formats.table import E4M3
from intsim.network import NetworkBuilder
from intsim.ops import (
    Add,
    AvgPool2d,
    Clamp,
    Concat,
    Conv2d,
    Dense,
    Lookup,
    Maximum,
    MaxPool2d,
    Mean,
    Pad,
    ReduceMax,
    Requantize,
    Reshape,
    Sub,
    Transpose,
)

OPERANDS = [
    Bipolar(),
    Bipolar(positive=0),
    Ternary(),
    Codebook([-90, -3, 0, 41]),
    IntFormat(2),
    IntFormat(1, False),
]
ENGINES = ("fast", "reference", "exact")
EIGHT = Requantization((), IntFormat(8))


def drawn(data, format, shape):
    possible = [v for v in range(format.min, format.max + 1) if not format.outside(np.array([v])).any()]
    entries = data.draw(st.lists(st.sampled_from(possible), min_size=(n := int(np.prod(shape))), max_size=n))
    return np.array(entries, np.int64).reshape(shape)


@given(st.data(), st.sampled_from(OPERANDS), st.sampled_from(OPERANDS), st.integers(1, 70))
def test_dense(data, x_format, w_format, length):
    """Against Python's own sums."""
    w, x = drawn(data, w_format, (3, length)), drawn(data, x_format, (2, length))
    builder = NetworkBuilder()
    builder.output(builder.add(Dense(w, w_format), builder.input("x", (length,), x_format), name="y"))
    network = builder.build()
    expected = [[sum(a * b for a, b in zip(r, c, strict=True)) for c in w.tolist()] for r in x.tolist()]
    for engine in ENGINES:
        assert run(network, x, engine=engine).outputs["y"].tolist() == expected


@pytest.mark.parametrize("value", [None, -1, 1])
def test_padding(value):
    """A convolution's own padding adds nothing; a pad before it adds what it holds."""
    rng = np.random.default_rng(3)
    w, x = rng.choice([-1, 1], (4, 3, 3, 5)), rng.choice([-1, 1], (2, 6, 6, 5))
    builder = NetworkBuilder()
    name = builder.input("x", (6, 6, 5), Bipolar())
    if value is not None:
        name = builder.add(Pad(((1, 1), (1, 1), (0, 0)), value), name)
    own = ((0, 0), (0, 0)) if value is not None else ((1, 1), (1, 1))
    builder.output(builder.add(Conv2d(w, Bipolar(), padding=own), name, name="y"))
    bordered = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=value or 0)
    windows = np.lib.stride_tricks.sliding_window_view(bordered, (3, 3), axis=(1, 2))
    expected = np.einsum("nhwcij,kijc->nhwk", windows, w)
    for engine in ENGINES:
        assert run(builder.build(), x, engine=engine).outputs["y"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (Bipolar(), [-1, -1, 1, 1, 1]),
        (Bipolar(positive=0), [-1, -1, 1, 1, 1]),
        (Bipolar(zero=-1), [-1, -1, -1, 1, 1]),
        (Ternary(), [-1, -1, 0, 1, 1]),
    ],
    ids=repr,
)
def test_what_sums_become(format, expected):
    sums = np.array([[-2000, -1, 0, 1, 700]])
    op = Requantize(EIGHT, format)
    assert op.infer(TensorSpec((5,), IntFormat(32)))[0].format == format
    assert op.reference(sums)[0].tolist() == [expected]
    assert op.reference(sums.astype(object))[0].tolist() == [expected]
    builder = NetworkBuilder()
    builder.output(builder.add(op, builder.input("x", (5,), IntFormat(32)), name="y"))
    for engine in ENGINES:
        assert run(builder.build(), sums, engine=engine).outputs["y"].tolist() == [expected]


def test_the_register_comes_before_the_sign():
    """8 bits that wrap: 200 is -56."""
    op = Requantize(Requantization((), IntFormat(8), Overflow.WRAP), Bipolar())
    assert op.reference(np.array([[200, -200, 127, 128]]))[0].tolist() == [[-1, 1, 1, -1]]


@given(st.integers(-300, 300), st.integers(0, 300), st.sampled_from([Bipolar(), Bipolar(zero=-1), Ternary()]))
def test_bounds_are_reached(low, width, format):
    op = Requantize(Requantization((ShiftRight(bits=2),), IntFormat(8)), format)
    found = op.bounds([TensorSpec((1,), IntFormat(16))], [Interval(low, low + width)])
    values = op.reference(np.arange(low, low + width + 1)[:, None])[0]
    assert found.outputs[0] == Interval(int(values.min()), int(values.max()))


def test_a_chain_of_bits():
    """Binary layers one after another, their signs fused into the sums or not."""
    rng = np.random.default_rng(5)
    builder = NetworkBuilder()
    name = builder.input("x", (40,), Bipolar())
    weights = [rng.choice([-1, 1], shape) for shape in ((33, 40), (17, 33), (10, 17))]
    for index, weight in enumerate(weights):
        narrow = Accumulator(IntFormat(7), Overflow.TRAP)
        name = builder.add(Dense(weight, Bipolar(), accumulator=narrow), name, name=f"sum{index}")
        name = builder.add(Requantize(EIGHT, Bipolar()), name, name=f"sign{index}")
    builder.output(name)
    x = values = rng.choice([-1, 1], (50, 40))
    for weight in weights:
        values = np.where(values @ weight.T >= 0, 1, -1)
    for engine in (*ENGINES, "crosscheck"):
        assert run(builder.build(), x, engine=engine).outputs[name].tolist() == values.tolist()


BITS, CODES = TensorSpec((4, 4, 2), Bipolar()), TensorSpec((4, 4, 2), E4M3)


@pytest.mark.parametrize(
    "op",
    [
        Reshape((32,)),
        Transpose((2, 0, 1)),
        Pad(((0, 0), (1, 0), (0, 0)), 1),
        MaxPool2d((2, 2)),
        ReduceMax((0,)),
    ],
)
def test_bits_are_moved_and_compared(op):
    assert op.infer(BITS)[0].format == Bipolar()


@pytest.mark.parametrize("op", [Reshape((32,)), Transpose((2, 0, 1)), Pad(((0, 0), (1, 0), (0, 0)), 0x38)])
def test_codes_are_moved(op):
    assert op.infer(CODES)[0].format == E4M3


REFUSED = [
    (Pad(((0, 0), (1, 0), (0, 0))), BITS, "pad: value must be in bipolar, not 0. [R2]"),
    (AvgPool2d((2, 2)), BITS, "avg_pool2d: input must be plain integers, not bipolar; requantize it first"),
    (Mean((0,)), BITS, "mean: input must be plain integers, not bipolar; requantize it first"),
    (Clamp(lo=0, hi=1), BITS, "clamp: input must be plain integers, not bipolar; requantize it first"),
    (MaxPool2d((2, 2)), CODES, "max_pool2d: input must be integers, not the codes of e4m3"),
    (Requantize(EIGHT), CODES, "requantize: input must be integers, not the codes of e4m3"),
    (Dense(np.ones((3, 2), int)), CODES, "dense: input must be integers, not the codes of e4m3"),
    (Lookup(np.zeros(256, int)), CODES, "lookup: input must be int8, not e4m3. [R1]"),
]


@pytest.mark.parametrize(("op", "spec", "message"), REFUSED)
def test_refused(op, spec, message):
    with pytest.raises(SpecError) as caught:
        op.infer(spec)
    assert str(caught.value) == message


def test_codes_are_not_compared():
    with pytest.raises(SpecError, match="must be integers, not the codes of e4m3"):
        Maximum().infer(CODES, CODES)
    assert Concat(axis=2).infer(CODES, CODES)[0].format == E4M3
    with pytest.raises(SpecError):
        Add().infer(CODES, CODES)


@pytest.mark.parametrize(
    ("weight", "format", "message"),
    [
        (0, Bipolar(), "dense.weight: values must fit bipolar (-1 to 1), not 0 at (1, 1). [R3]"),
        (2, Ternary(), "dense.weight: values must fit ternary (-1 to 1), not 2 at (1, 1). [R3]"),
    ],
)
def test_weights_that_are_no_entries(weight, format, message):
    values = np.ones((2, 2), int)
    values[1, 1] = weight
    with pytest.raises(SpecError) as caught:
        Dense(values, format)
    assert str(caught.value) == message


def test_the_door_checks_bits():
    builder = NetworkBuilder()
    builder.output(builder.add(Reshape((4,)), builder.input("x", (2, 2), Bipolar()), name="y"))
    with pytest.raises(InputError, match=r"x: values must fit bipolar \(-1 to 1\), not 0 at \(0, 1, 0\)"):
        run(builder.build(), np.array([[[1, -1], [0, 1]]]))


def test_only_named_weight_formats():
    with pytest.raises(SpecError, match="weight_format: must be a number format, not Minifloat"):
        Dense(np.ones((2, 2), int), Minifloat(2, 1, bias=1))


@given(st.data(), st.integers(1, 40), st.integers(1, 255), st.integers(1, 255))
def test_two_sums(data, length, plus, minus):
    """Trained ternary quantization: weights of +p, 0 and -m are two sums over masks, each scaled once."""
    trits, x = drawn(data, Ternary(), (3, length)), drawn(data, IntFormat(8), (2, length))
    builder = NetworkBuilder()
    name = builder.input("x", (length,), IntFormat(8))
    scaled = []
    for sign, scale in ((1, plus), (-1, minus)):
        mask = IntFormat(1, signed=False)
        part = builder.add(
            Dense((trits == sign).astype(int), mask, accumulator=Accumulator(IntFormat(14))), name
        )
        rule = Requantization((Multiply(multipliers=scale),), IntFormat(22))
        scaled.append(builder.add(Requantize(rule), part))
    builder.output(builder.add(Sub(register=Register(IntFormat(23))), *scaled, name="y"))
    weights = np.select([trits == 1, trits == -1], [plus, -minus], 0)
    for engine in ENGINES:
        assert run(builder.build(), x, engine=engine).outputs["y"].tolist() == (x @ weights.T).tolist()
