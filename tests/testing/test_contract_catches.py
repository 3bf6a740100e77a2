"""The contract catches what it is there to catch: one broken op per rule."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from intsim.arithmetic import Accumulator, Bounds, Interval, Overflow, Register
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import Add, Dense, Op
from intsim.record import field
from intsim.testing import Case, check_op
from intsim.testing.case import network_of
from tests.oracles.arith import flat, nest

INT8 = IntFormat(8)


@dataclass(frozen=True, eq=False, repr=False)
class Double(Op):
    """2 x + offset, right in every way."""

    name: ClassVar[str] = "double"

    offset: int = field("what is added", default=0)

    def infer(self, *inputs):
        return (TensorSpec(inputs[0].shape, IntFormat(16)),)

    def reference(self, *inputs, events=None):
        return (inputs[0] * 2 + self.offset,)

    def bounds(self, specs, inputs):
        x = inputs[0].hull()
        output = Interval(2 * x.min + self.offset, 2 * x.max + self.offset)
        return Bounds((output,), Interval.join((output, Interval(2 * x.min, 2 * x.max), x)))


def oracle(fields, shapes, inputs):
    return [nest([value + value + fields["offset"] for value in flat(inputs[0])], shapes[0])]


def case(op, *rows):
    return Case(op, (TensorSpec((2,), INT8),), (np.array(rows),))


def check(op, *rows, oracle=oracle):
    check_op(case(op, *(rows or ([1, -128], [127, 0]))), oracle, engines=(), save_load=False)


def test_a_right_op_passes():
    check(Double())
    check_op(case(Double(offset=-7), [1, -128], [127, 0]), oracle)  # engines and files too


def broken(**methods):
    """`Double` with some methods replaced."""
    made = type("Broken", (Double,), methods)
    return dataclass(frozen=True, eq=False, repr=False)(made)()


def narrow_products(self, *inputs, events=None):
    """The product is made in 8 bits where numpy would."""
    x = inputs[0]
    return ((x.astype(np.int8) * np.int8(2)).astype(np.int64) if x.dtype != object else x * 2,)


def numpy_integers(self, *inputs, events=None):
    """numpy's integers hide in an object array."""
    doubled = (inputs[0] * 2).ravel()
    if doubled.dtype == object:
        doubled = np.array([np.int64(value) for value in doubled] + [None], object)[:-1]
    return (doubled.reshape(inputs[0].shape),)


def looks_at_the_batch(self, *inputs, events=None):
    return (inputs[0] * 2 + inputs[0][:1] * 0 + (len(inputs[0]) - 1),)


def shape_of_one(self, *inputs):
    return (TensorSpec((1,), IntFormat(16)),)


def format_of_eight(self, *inputs):
    return (TensorSpec(inputs[0].shape, INT8),)


def tight(self, specs, inputs):
    x = inputs[0].hull()
    return Bounds((Interval(2 * x.min, 2 * x.max - 1),), Interval(2 * x.min, 2 * x.max))


def partial_too_small(self, specs, inputs):
    x = inputs[0].hull()
    return Bounds((Interval(2 * x.min, 2 * x.max),), x)


def whole_format_only(self, specs, inputs):
    """Right for a whole format, wrong for a narrower range."""
    return Bounds((Interval(-256, 254) if inputs[0].max == 127 else Interval(0, 0),), Interval(-256, 254))


@pytest.mark.parametrize(
    ("methods", "label"),
    [
        ({"reference": narrow_products}, "C1"),
        ({"reference": numpy_integers}, "C1"),
        ({"reference": lambda self, *x, events=None: (x[0] * 2 + 1,)}, "C2"),
        ({"bounds": tight}, "C3"),
        ({"bounds": partial_too_small}, "C3"),
        ({"bounds": whole_format_only}, "C3"),
        ({"infer": shape_of_one}, "C5"),
        ({"infer": format_of_eight}, "C5"),
        ({"__repr__": lambda self: "Broken(offset=3)"}, "C6"),
        ({"__hash__": lambda self: id(self)}, "C6"),
        ({"__post_init__": lambda self: None}, "C7"),
    ],
)
def test_a_broken_op_is_caught(methods, label):
    with pytest.raises(AssertionError, match=f"^{label}: "):
        check(broken(**methods), [1, -128], [126, 0], [12, 5])


def test_a_batch_that_is_not_its_samples():
    op = broken(
        reference=looks_at_the_batch, bounds=lambda *_: Bounds((Interval(-999, 999),), Interval(-999, 999))
    )
    with pytest.raises(AssertionError, match=r"^C4: "):
        check_op(case(op, [1, 2], [3, 4]), engines=(), save_load=False)


# --- sums ---


def dense(**fields):
    return Dense(weight=np.array([[1, -2, 3]], np.int8), bias=5, **fields)


def dense_case(op):
    return Case(op, (TensorSpec((3,), INT8),), (np.array([[127, -128, 127], [0, 0, 1]]),))


def test_bounds_of_partial_sums():
    check_op(dense_case(dense()), engines=(), save_load=False)
    honest = Dense.bounds

    def low_reach(self, specs, inputs):
        bounds = honest(self, specs, inputs)
        hull = bounds.reach.hull()
        return replace(bounds, reach=Interval(hull.min, hull.max - 6))

    def low_final(self, specs, inputs):
        bounds = honest(self, specs, inputs)
        final = bounds.final.hull()
        return replace(bounds, final=Interval(final.min, final.max - 1))

    def silent(self, specs, inputs):
        return replace(honest(self, specs, inputs), registers=())

    def low_register(self, specs, inputs):
        bounds = honest(self, specs, inputs)
        met = bounds.registers[0].partial.hull()
        low = replace(bounds.registers[0], partial=Interval(met.min + 1, met.max - 1))
        return replace(bounds, registers=(low,))

    for wrong, message in (
        (low_reach, r"^C3: partial sums "),
        (low_final, r"^C3: final sums "),
        (silent, r"^C3: bounds tell of registers \[\], the accumulator has \["),
        (low_register, r"^C3: partial sums -?\d+ to -?\d+, registers "),
    ):
        op = type("Dense", (Dense,), {"bounds": wrong})
        op = dataclass(frozen=True, eq=False, repr=False)(op)(weight=np.array([[1, -2, 3]], np.int8), bias=5)
        with pytest.raises(AssertionError, match=message):
            check_op(dense_case(op), engines=(), save_load=False)


# --- traps, engines, files ---


def trapping():
    return Case(
        Add(register=Register(INT8, Overflow.TRAP)),
        (TensorSpec((), INT8), TensorSpec((), INT8)),
        (np.array([1, 127]), np.array([2, 1])),
    )


def add(fields, shapes, inputs):
    return [sum(inputs)]


def add_or_trap(fields, shapes, inputs):
    if not -128 <= sum(inputs) <= 127:
        raise ArithmeticError("trapped")
    return [sum(inputs)]


def test_traps_are_part_of_the_contract():
    check_op(trapping(), add_or_trap)
    with pytest.raises(AssertionError, match=r"^C2: reference trapped, oracle \[128\] "):
        check_op(trapping(), add)


def test_an_oracle_that_fails_is_no_trap():
    with pytest.raises(ZeroDivisionError):
        check(Double(), oracle=lambda fields, shapes, inputs: 1 // 0)


def test_an_engine_that_differs(monkeypatch):
    from intsim import engine

    honest = engine.run

    def one_more(network, given, **options):
        result = honest(network, given, **options)
        result.outputs["node"] = result.outputs["node"] + np.int32(options["engine"] == "fast")
        return result

    monkeypatch.setattr(engine, "run", one_more)
    with pytest.raises(AssertionError, match=r"^C8: fast gives "):
        check_op(dense_case(dense()), save_load=False)


def test_an_engine_that_does_not_trap(monkeypatch):
    from intsim import engine

    def never(network, given, **options):
        result = type("Result", (), {})()
        result.outputs, result.events = {"node": np.array([3, -128], np.int8)}, {}
        return result

    monkeypatch.setattr(engine, "run", never)
    with pytest.raises(AssertionError, match=r"^C8: the reference traps, reference does not$"):
        check_op(trapping(), save_load=False)
    monkeypatch.setattr(engine, "run", lambda *_, **__: (_ for _ in ()).throw(OverflowTrap("here")))
    with pytest.raises(AssertionError, match=r"^C8: reference traps, the reference does not$"):
        check_op(dense_case(dense()), save_load=False)


def test_events_that_differ(monkeypatch):
    from intsim import engine

    honest = engine.run

    def forgetful(network, given, **options):
        result = honest(network, given, **options)
        for events in result.events.values():
            events.persistent[0] += options["engine"] == "exact"
        return result

    monkeypatch.setattr(engine, "run", forgetful)
    with pytest.raises(AssertionError, match=r"^C8: events differ: "):
        check_op(dense_case(dense(accumulator=Accumulator(IntFormat(9)))), save_load=False)


def test_a_file_that_forgets(monkeypatch):
    from intsim import storage

    given = dense_case(dense())
    other = network_of(dense_case(dense(input_zero_point=1)))
    monkeypatch.setattr(storage, "load", lambda path, extra_ops: other)
    with pytest.raises(AssertionError, match=r"^C9: saved "):
        check_op(given)
