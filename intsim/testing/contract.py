"""The contract of an op: what must hold for every entry of `OPS`, and for anyone's own op.

Rules
-----
C1. The reference gives the same integers on Python ints as on int64, where `bounds` says int64 has room.
C2. An oracle that shares nothing with intsim gives the same integers, sample by sample.
C3. `bounds` contain every output and, for sums, every partial sum; for whole formats, for the range of
    the given inputs, and for the ranges of their channels.
C4. A batch is its samples, each alone.
C5. `infer` tells the shape of every output, and every value is in its format.
C6. repr is valid code that gives an equal op.
C7. A field that is not of its type is refused when the op is built.
C8. Every engine gives the reference's integers and events.
C9. A file gives the equal op back, and the same network is the same bytes.
A register that traps must do so everywhere alike.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from intsim import arithmetic, formats
from intsim.arithmetic import Bounds, Interval
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import Discrete
from intsim.ops import OPS, Op
from intsim.record import Array, schema
from intsim.testing.case import INT64, TRAPPED, Case, network_of, outcome_of, ranges_of, wide
from intsim.testing.fields import impostors
from intsim.testing.plain import plain
from intsim.testing.sums import check_sums, events_of

Oracle = Callable[[dict[str, Any], list[tuple[int, ...]], list[Any]], list[Any]]
"""oracle(fields, shapes, inputs of one sample as nested lists) -> one nested list per output."""

_NOT_A_TRAP = (ZeroDivisionError, OverflowError, FloatingPointError)


def check_op(
    case: Case,
    oracle: Oracle | None = None,
    engines: Sequence[str] = ("reference", "exact", "fast"),
    save_load: bool = True,
) -> None:
    """Check every rule of the contract for one case.

    Parameters
    ----------
    case : Case
    oracle : C2 is checked where given
    engines : names of the engines of C8
    save_load : whether C9 is checked

    Raises
    ------
    AssertionError
        A rule is broken; the message begins with its label.
    """
    check_reference(case)
    if oracle is not None:
        check_oracle(case, oracle)
    check_bounds(case)
    check_batch(case)
    check_repr(case.op)
    check_fields(case.op)
    check_engines(case, engines)
    if save_load:
        check_file(case)


def check_reference(case: Case) -> None:
    """Rules C1 and C5."""
    specs = case.op.infer(*case.specs)
    outcome = outcome_of(case, object)
    for interval in ranges_of(case):
        if _bounds(case, interval).partial.within(INT64):
            _same("C1", "int64", outcome_of(case, np.int64), "Python ints", outcome)
            break
    if outcome == TRAPPED:
        return
    assert len(specs) == len(outcome), f"C5: infer gives {len(specs)} outputs, the reference {len(outcome)}"
    for spec, output in zip(specs, outcome, strict=True):
        shape = (case.batch, *spec.shape)
        assert output.shape == shape, f"C5: infer says {shape}, the reference gives {output.shape}"
        if not isinstance(spec.format, Discrete):
            assert output.dtype == spec.format.storage, f"C5: {spec.format} in {output.dtype}"
            continue
        strangers = {type(value).__name__ for value in output.flat} - {"int"}
        assert not strangers, f"C1: Python ints in give {', '.join(sorted(strangers))} out"
        assert not spec.format.outside(output).any(), (
            f"C5: a value is not in {spec.format}: {output.tolist()}"
        )


def check_oracle(case: Case, oracle: Oracle) -> None:
    """Rule C2."""
    fields, shapes = plain(case.op), [spec.shape for spec in case.specs]
    for index in range(case.batch):
        sample = case.sample(index)
        try:
            expected: Any = oracle(fields, shapes, [x[0].tolist() for x in sample.inputs])
        except ArithmeticError as error:
            if isinstance(error, _NOT_A_TRAP):
                raise
            expected = TRAPPED
        found = outcome_of(sample, object)
        if found != TRAPPED:
            found = [output.tolist()[0] for output in found]
        assert _exactly(found, expected), f"C2: reference {found}, oracle {expected} for {sample}"


def check_bounds(case: Case) -> None:
    """Rule C3."""
    outcome = outcome_of(case, object)
    for ranges in ranges_of(case):
        bounds = _bounds(case, ranges)
        if outcome != TRAPPED:
            specs = case.op.infer(*case.specs)
            assert len(bounds.outputs) == len(specs), "C3: one range per output"
            for spec, interval, output in zip(specs, bounds.outputs, outcome, strict=True):
                if isinstance(spec.format, Discrete):
                    _contains("output", interval, output, case)
                    _contains("partial", bounds.partial, output, case)
                    assert interval.within(spec.format), f"C3: range {interval} is not in {spec.format}"
        if bounds.reach is not None and bounds.final is not None:
            check_sums(case, bounds, bounds.reach, bounds.final)


def check_batch(case: Case) -> None:
    """Rule C4."""
    alone = [outcome_of(case.sample(index), object) for index in range(case.batch)]
    together = outcome_of(case, object)
    if any(outcome == TRAPPED for outcome in alone):
        assert together == TRAPPED, "C4: a sample alone traps, the batch does not"
        return
    _same("C4", "batch", together, "samples", [np.concatenate(parts) for parts in zip(*alone, strict=True)])


def check_repr(op: Op) -> None:
    """Rule C6; arrays too long to be shown are passed over."""
    text = repr(op)
    if "array of shape" in text:
        return
    own = vars(importlib.import_module(type(op).__module__))  # enums and records of the op's own
    names = {name: getattr(room, name) for room in (arithmetic, formats) for name in room.__all__}
    again = eval(text, {**own, "np": np, **names, type(op).__name__: type(op)})
    assert again == op, f"C6: {text} is not the op that shows itself so"
    assert hash(again) == hash(op), f"C6: equal ops have different hashes: {text}"


def check_fields(op: Op) -> None:
    """Rule C7."""
    for entry, annotation in schema(type(op)):  # type: ignore[arg-type]
        for wrong in impostors(annotation):
            message = _refusal(op, entry.name, wrong)
            assert message is not None, f"C7: {op.name} takes {entry.name}={wrong!r}"
            assert entry.name in message, f"C7: {entry.name}={wrong!r} is refused as {message}"


def check_engines(case: Case, engines: Sequence[str]) -> None:
    """Rule C8, by a network of this one op."""
    if not engines:
        return
    engine = importlib.import_module("intsim.engine")
    network = network_of(case)
    given = {entry.name: x for entry, x in zip(network.inputs, case.inputs, strict=False)}
    if not case.inputs:
        given = {"x0": np.zeros((case.batch, 1), np.int64)}
    expected = outcome_of(case, object)
    direct = events_of(case) if expected != TRAPPED else None
    events: list[Any] = [] if direct is None else [{"node": direct}]
    for name in engines:
        try:
            result = engine.run(network, given, engine=name, events=True)
        except OverflowTrap:
            assert expected == TRAPPED, f"C8: {name} traps, the reference does not"
            continue
        assert expected != TRAPPED, f"C8: the reference traps, {name} does not"
        found = [result.outputs[output] for output in network.outputs]
        _same("C8", name, [wide(values) for values in found], "reference", expected)
        for output, values in zip(network.outputs, found, strict=True):
            storage = network.specs[output].format.storage
            assert values.dtype == storage, f"C8: {name} gives {values.dtype} for {storage}"
        events.append(dict(result.events))
    assert all(entry == events[0] for entry in events), f"C8: events differ: {events}"


def check_file(case: Case) -> None:
    """Rule C9, by a network of this one op."""
    storage = importlib.import_module("intsim.storage")
    network = network_of(case)
    known = OPS.get(case.op.name) is type(case.op)
    with TemporaryDirectory() as folder:
        first, second = Path(folder, "first.h5"), Path(folder, "second.h5")
        storage.save(network, first)
        again = storage.load(first, extra_ops=() if known else (type(case.op),))
        assert again == network, f"C9: saved {network}, loaded {again}"
        storage.save(again, second)
        assert first.read_bytes() == second.read_bytes(), "C9: the same network, other bytes"


def _refusal(op: Op, name: str, value: Any) -> str | None:
    try:
        op.replace(**{name: value})
    except SpecError as error:
        return str(error)
    return None


def _same(label: str, one: str, a: Any, other: str, b: Any) -> None:
    if isinstance(a, str) or isinstance(b, str):
        assert type(a) is type(b), f"{label}: {one} gives {a}, {other} {b}"
        return
    assert len(a) == len(b), f"{label}: {one} gives {len(a)} outputs, {other} {len(b)}"
    for x, y in zip(a, b, strict=True):
        assert x.shape == y.shape, f"{label}: {one} gives shape {x.shape}, {other} {y.shape}"
        assert _exactly(x.tolist(), y.tolist()), f"{label}: {one} gives {x.tolist()}, {other} {y.tolist()}"


def _exactly(a: Any, b: Any) -> bool:
    """Equal nested lists of numbers; a NaN equals a NaN, and zeros have their sign."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_exactly, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return (type(a) is type(b) and np.float64(a).tobytes() == np.float64(b).tobytes()) or (
            a != a and b != b
        )
    return bool(type(a) is type(b) and a == b)


def _bounds(case: Case, ranges: list[Interval]) -> Bounds:
    return case.op.bounds(case.specs, ranges)


def _contains(what: str, interval: Interval, values: Array, case: Case) -> None:
    assert interval.contains(values), f"C3: {what} {interval} does not contain {values.tolist()} of {case}"
