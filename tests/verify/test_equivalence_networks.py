"""Two networks node by node, tables, and dialects made anew from the scales in a network."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim.arithmetic import Accumulator, Add, Interval, Requantization, Rounding, ShiftRight
from intsim.arithmetic import Clamp as Limits
from intsim.arithmetic.dialects import DIALECTS
from intsim.errors import SpecError
from intsim.formats import IntFormat, Quantization
from intsim.network import NetworkBuilder
from intsim.ops import Clamp, Dense, Lookup, Requantize
from intsim.storage import load
from intsim.verify.equivalence import ENUMERATION, SAME
from intsim.verify.equivalence_dialects import by_dialect
from intsim.verify.equivalence_networks import (
    Options,
    compare_networks,
    compare_tables,
    compare_with_dialect,
)
from tests.oracles.arith import round_float
from tests.verify.codes import maker
from tests.verify.layers import check_layers

GOLDEN = Path(__file__).parents[2] / "golden" / "digits_cnn"
INT8 = IntFormat(8)
SUMS = ["stem", "block/depthwise", "block/pointwise", "body", "logits"]


def network(rule=None, entries=range(-128, 128), weight=((1, 2), (3, 4)), extra=False, name="fc"):
    b = NetworkBuilder()
    x = b.input("x", (2,), INT8)
    sums = b.add(Dense(weight=weight), x, name="sums")
    codes = b.add(Requantize(rule or Requantization((ShiftRight(bits=2),))), sums, name=name)
    out = b.add(Lookup(entries=list(entries)), codes, name="table")
    b.output(b.add(Clamp(lo=0, hi=9), out, name="extra") if extra else out)
    return b.build()


def verdicts(*args, **options):
    return {node.name: (node.verdict, node.why_not) for node in compare_networks(*args, Options(**options))}


def test_nodes_of_one_name():
    assert verdicts(network(), network()) == {"fc": ("equal", ""), "table": ("equal", "")}
    up = Requantization((ShiftRight(bits=2, rounding=Rounding.HALF_UP),))
    found = {node.name: node for node in compare_networks(network(), network(up, [1] * 256))}
    assert {node.verdict for node in found.values()} == {"differs"}
    assert [entry.lo for entry in found["fc"].compared.channels] == [-3 * 128, -7 * 128]
    assert found["fc"].compared.methods == (ENUMERATION,)
    assert not found["fc"].equal


def test_what_else_differs_is_not_decided():
    other = network(weight=((1, 2), (3, 5)))
    assert verdicts(network(), other)["sums"] == ("not decided", "dense differs in weight")
    assert verdicts(network(), other, only=("f*", "table")) == {"fc": ("equal", ""), "table": ("equal", "")}
    found = verdicts(network(), network(name="fd"))
    assert found["fc"] == ("not decided", "it is only in the first network")
    assert found["fd"] == ("not decided", "it is only in the second network")
    assert found["table"] == ("not decided", "it reads other tensors in the second network")
    found = verdicts(network(), network(extra=True))
    assert found["outputs"] == ("not decided", "'table' against 'extra'")


def test_another_op_under_the_same_name():
    def made(op):
        b = NetworkBuilder()
        b.output(b.add(op, b.input("x", (2,), INT8), name="y"))
        return b.build()

    relu = [max(0, code) for code in range(-128, 128)]
    clamp, table = made(Clamp(lo=0, hi=127)), made(Lookup(entries=relu))
    assert verdicts(clamp, table) == {"y": ("equal", "")}
    assert verdicts(table, made(Clamp(lo=1, hi=127))) == {"y": ("differs", "")}
    rule = made(Requantize(Requantization((Add(values=0),))))
    said = "it is clamp in the first network, requantize in the second"
    assert verdicts(clamp, rule) == {"y": ("not decided", said)}


def test_inputs_must_be_the_same():
    b = NetworkBuilder()
    b.output(b.add(Clamp(lo=0, hi=1), b.input("x", (2,), IntFormat(4)), name="y"))
    with pytest.raises(SpecError, match=r"^input 'x' must be int8\[2\] in both networks, not int4\[2\]$"):
        list(compare_networks(network(), b.build()))
    with pytest.raises(SpecError, match=r"^--only must name nodes, not 'z\*'$"):
        list(compare_networks(network(), network(), Options(only=("z*",))))


def test_tables_on_the_codes_that_are_reached():
    rng = np.random.default_rng(3)
    entries = rng.integers(-128, 128, 256)
    other = entries.copy()
    changed = [-128, -60, -59, 3, 100]
    other[[code + 128 for code in changed]] ^= 5
    a, b = Lookup(entries=entries), Lookup(entries=other)
    whole = compare_tables(a, b, Interval(-128, 127))
    assert (whole.differing, whole.first, whole.total) == (5, -128, 256)
    assert (whole.a, whole.b) == (int(entries[0]), int(other[0]))
    ranges = Interval(np.array([-59, 90], dtype=object), np.array([2, 99], dtype=object))
    part = compare_tables(a, b, ranges)
    assert (part.differing, part.first, part.total) == (1, -59, 62 + 10)
    assert part.largest == abs(int(entries[69]) - int(other[69]))
    assert compare_tables(a, b, Interval(4, 99)).equal
    with pytest.raises(SpecError, match=r"^codes must be in \[-128, 255\], but a table is of int8$"):
        compare_tables(a, b, Interval(-128, 255))
    with pytest.raises(SpecError, match=r"^codes must be at most 65536"):
        compare_tables(a, b, Interval(0, 65536))
    assert compare_tables(Clamp(lo=0, hi=9), Clamp(lo=0, hi=9), Interval(0, 65535)).total == 65536


@pytest.mark.parametrize(
    ("conversion", "dialect"),
    [("xnnpack", "f32-rne-zp-after"), ("litert-ref", "tflite-double"), ("single-rounding", "tflite-single")],
)
def test_scales_in_the_network_make_the_converter_s_own_steps(conversion, dialect):
    """So the annotations hold the runtime's ratios to the last bit."""
    made = CONVERTER.convert(GOLDEN / "model.tflite", dialect=conversion)
    for node in compare_with_dialect(made, dialect, Options(only=SUMS)):
        if node.name == "logits" and conversion != "xnnpack":
            continue
        assert node.compared.methods == (SAME,)
    if conversion == "litert-ref":
        (logits,) = compare_with_dialect(made, "litert-ref-fc", Options(only=("logits",)))
        assert logits.compared.methods == (SAME,)


def test_what_has_no_scale_is_not_made_anew():
    found = {node.name: node for node in compare_with_dialect(load(GOLDEN / "network.h5"), "tosa-scale32")}
    assert found["block/add"].why_not == "not made anew: its input has no scale in the network"
    assert found["block/add/lhs"].why_not == "not made anew: its output has no scale in the network"
    assert sorted(name for name, node in found.items() if node.compared is not None) == sorted(SUMS)
    with pytest.raises(SpecError, match=r"^dialect of requantization must be one of tflite-double"):
        list(compare_with_dialect(network(), "xnnpack"))
    with pytest.raises(SpecError, match=r"^network must have requantize nodes to compare, not 'sums'$"):
        list(compare_with_dialect(network(), "tosa-scale32", Options(only=("sums",))))


def rescaled(x, y, rule=None):
    """A network of one requantize node between two annotated tensors, and the node."""
    b = NetworkBuilder()
    given = b.input("x", (2,), IntFormat(16), x)
    steps = rule or Requantization((ShiftRight(bits=2),))
    b.output(b.add(Requantize(steps), given, name="y", quantization=y))
    made = b.build()
    return made, made.node("y")


def test_zero_points_and_limits():
    x, y = Quantization.per_tensor(0.25, 7), Quantization.per_tensor(0.5, -3)
    rule = Requantization((ShiftRight(bits=1), Limits(lo=-3, hi=90)))
    made = by_dialect(*rescaled(x, y, rule), DIALECTS["f32-rne-zp-after"])
    for value in range(-300, 300):
        exact = round((value - 7) / 2) - 3
        assert maker(made)(value) == max(-3, min(90, exact))
    twice = Quantization(np.array([0.25, 1.0]), np.array([0, 0]), 0)
    per_channel = by_dialect(*rescaled(twice, y), DIALECTS["pow2-floor"])
    assert [maker(per_channel, k)(9) for k in (0, 1)] == [4 - 3, 18 - 3]


def test_scales_along_another_axis_are_refused():
    b = NetworkBuilder()
    x = b.input("x", (2, 3), IntFormat(16), Quantization(np.array([0.25, 1.0]), np.array([0, 0]), 0))
    rule = Requantization((ShiftRight(bits=2),))
    b.output(b.add(Requantize(rule), x, name="y", quantization=Quantization.per_tensor(1.0)))
    made = b.build()
    with pytest.raises(SpecError, match=r"^its scales must run along the last axis, not axis 0$"):
        by_dialect(made, made.node("y"), DIALECTS["pow2-floor"])


def test_a_float64_dialect_takes_the_exact_product_of_scales():
    x, w, y = (np.float32(value) for value in (0.1, 0.007, 0.3))
    product = Quantization.per_tensor(float(x) * float(w))
    made = by_dialect(*rescaled(product, Quantization.per_tensor(float(y))), DIALECTS["litert-ref-fc"])
    exact = Fraction(float(x)) * Fraction(float(w)) / Fraction(float(y))
    assert Fraction(float(made.steps[0].factors[0])) == round_float(exact, "float64")


def test_a_float32_dialect_rounds_the_product_of_scales_first():
    x, w, y = (np.float32(value) for value in (0.1, 0.007, 0.3))
    product = Quantization.per_tensor(float(x) * float(w))
    made = by_dialect(*rescaled(product, Quantization.per_tensor(float(y))), DIALECTS["f32-rne-zp-after"])
    x, w, y = (Fraction(float(value)) for value in (x, w, y))
    once = round_float(x * w, "float32")
    assert Fraction(float(made.steps[0].factors[0])) == round_float(once / y, "float32")


def test_float32_against_multiplier_and_shift_on_digits():
    """Every reachable accumulator of every layer; `check_layers` counts once more with the oracle."""
    assert check_layers(GOLDEN / "model.tflite") == {
        "stem": (849, 1_107_473),
        "block/depthwise": (1_120, 666_864),
        "block/pointwise": (1_227, 795_059),
        "body": (2_940, 10_659_016),
        "logits": (1_900, 1_883_742),
    }


def test_an_accumulator_that_differs_is_told():
    b = NetworkBuilder()
    b.output(b.add(Dense(weight=[[1, 2]], accumulator=Accumulator(IntFormat(9))), b.input("x", (2,), INT8)))
    other = b.build()
    b = NetworkBuilder()
    b.output(b.add(Dense(weight=[[1, 2]]), b.input("x", (2,), INT8)))
    assert verdicts(b.build(), other) == {"dense": ("not decided", "dense differs in accumulator")}
