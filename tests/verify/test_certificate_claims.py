"""Certificates of every op and of drawn networks: always accepted, and never wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Accumulator, Interval
from intsim.engine import run
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import OPS, Dense, Sum
from intsim.testing.networks import inputs, networks
from intsim.testing.strategies import accumulators
from intsim.verify.prove import prove
from tests.contract.registry import CASES
from tests.verify.certified import certify, copied, disagreements, examined


def behind(case, draw):
    """The op of a case with a dense layer behind each of its integer outputs."""
    builder = NetworkBuilder()
    names = [builder.input(f"x{i}", spec.shape, spec.format) for i, spec in enumerate(case.specs)]
    if not names:
        builder.input("x0", (1,), IntFormat(8))
    specs = case.op.infer(*case.specs)
    outputs = ("node",) if len(specs) == 1 else tuple(f"y{i}" for i in range(len(specs)))
    made = builder.add_many(case.op, *names, name="node", outputs=outputs)
    builder.output(*made)
    for name, spec in zip(made, specs, strict=True):
        if not isinstance(spec.format, IntFormat) or not spec.shape:
            continue
        depth = spec.shape[-1]
        weight = np.array(draw(st.lists(st.integers(-9, 9), min_size=depth, max_size=depth)))[None]
        accumulator = draw(accumulators((1, 1, depth)))
        zx = draw(st.integers(-3, 3))
        dense = Dense(
            weight=weight,
            input_zero_point=zx,
            weight_zero_point=draw(st.integers(0, 2)),
            accumulator=accumulator,
        )
        builder.output(builder.add(dense, name, name=f"{name}/dense"))
        every = tuple(range(len(spec.shape)))
        builder.output(builder.add(Sum(axes=every[-1:]), name, name=f"{name}/sum"))
    return builder.build()


def narrow(draw, spec, values):
    """A range that holds these values, per tensor or per channel; None for all of the format."""
    if not isinstance(spec.format, IntFormat) or not spec.shape or draw(st.booleans()):
        return None
    each = values.reshape(-1, spec.shape[-1]).astype(object)
    if draw(st.booleans()):
        return Interval(int(each.min()), int(each.max()))
    return Interval(np.array(each.min(axis=0)), np.array(each.max(axis=0)))


def claims_hold(claims, tensors):
    """The claimed ranges hold these values."""
    for name, claim in claims["tensors"].items():
        assert range_of(claim).contains(tensors[name]), name


@pytest.mark.parametrize("name", sorted(OPS))
@settings(max_examples=12)
@given(data=st.data())
def test_every_op_before_a_sum(name, data):
    case = data.draw(CASES[name])
    network = behind(case, data.draw)
    values = {f"x{i}": x for i, x in enumerate(case.inputs)} or {"x0": np.zeros((1, 1), np.int64)}
    given = {
        f"x{i}": narrow(data.draw, spec, x)
        for i, (spec, x) in enumerate(zip(case.specs, case.inputs, strict=True))
    }
    ranges = {entry: interval for entry, interval in given.items() if interval is not None}
    with tempfile.TemporaryDirectory() as folder:
        try:
            claims, path = certify(Path(folder), network, ranges)
        except SpecError:  # a table shorter than what comes
            return
        outcome = examined(path, claims)
    assert outcome.findings == []
    assert (outcome.unproved == []) == claims["proved"]
    tensors = traced(network, values)
    if tensors is not None:
        claims_hold(claims, tensors)


def exact_sums_hold(network, claims, tensors):
    """Where a channel is proved, what came out is the exact sum of what went in."""
    for node in network.nodes:
        if node.name in claims["nodes"]:
            wide = node.op.replace(accumulator=Accumulator(IntFormat(64)))
            (wanted,) = wide.reference(*(tensors[name].astype(object) for name in node.inputs))
            right = (tensors[node.name].astype(object) == wanted).reshape(-1, wanted.shape[-1]).all(axis=0)
            proved = np.broadcast_to(claims["nodes"][node.name]["proved"], right.shape)
            assert np.all(right | ~proved), node.name


def traced(network, values):
    """Every tensor of a run; None where a register trapped."""
    try:
        result = run(network, values, engine="exact", trace=("*",))
    except OverflowTrap:
        return None
    return {**values, **result.trace, **result.outputs}


@given(network=networks(trap=True), data=st.data())
def test_drawn_networks(network, data):
    values = data.draw(inputs(network))
    spec = network.inputs[0].spec
    interval = narrow(data.draw, spec, values["image"])
    with tempfile.TemporaryDirectory() as folder:
        try:
            claims, path = certify(Path(folder), network, interval and {"image": interval})
        except SpecError:
            return
        outcome = examined(path, claims)
        assert disagreements(path, claims) == []
    assert outcome.findings == []
    assert (outcome.unproved == []) == claims["proved"]
    tensors = traced(network, values)
    if tensors is not None:
        claims_hold(claims, tensors)
        exact_sums_hold(network, claims, tensors)


def numbers(value, path=()):
    """The paths to all integers of a certificate."""
    if type(value) is int:
        yield path
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in pairs:
            yield from numbers(entry, (*path, key))


def put(claims, path, change):
    """A copy with one number changed."""
    claims = copied(claims)
    *above, last = path
    place = claims
    for key in above:
        place = place[key]
    place[last] = change(place[last])
    return claims


changes = st.one_of(
    st.integers(-3, 3).filter(bool).map(lambda d: lambda v: v + d),
    st.tuples(st.integers(0, 40), st.sampled_from([-1, 1])).map(lambda s: lambda v: v + s[1] * 2 ** s[0]),
    st.sampled_from([lambda v: -v, lambda v: 0, lambda v: ~v, lambda v: v // 2]),
)


def range_of(claim):
    return Interval(
        *(np.array(claim[end], object) if type(claim[end]) is list else claim[end] for end in ("lo", "hi"))
    )


def holds(claim, truth):
    """Whether a claimed range contains the true one."""
    claim = range_of(claim)
    return bool(np.all(claim.lo <= truth.lo) and np.all(claim.hi >= truth.hi))


def still_true(network, claims):
    """Whether every claim of a certificate follows from its assumptions, by the prover's exact ranges."""
    ranges = {name: range_of(claim) for name, claim in claims["assumptions"]["inputs"].items()}
    proof = prove(network, ranges, witnesses=False)
    right = all(holds(claim, proof.bounds.tensors[name]) for name, claim in claims["tensors"].items())
    for node in proof.nodes:
        said = claims["nodes"][node.node]
        if said["registers"] is None or not all(np.all(entry.range.exact) for entry in node.registers):
            continue  # what is claimed is of sums without overflow
        for claim, register in zip(said["registers"], node.registers, strict=True):
            right &= holds(claim["final"], register.range.final)
            with_zero = {
                "lo": np.minimum(range_of(claim["partial"]).lo, 0),
                "hi": np.maximum(range_of(claim["partial"]).hi, 0),
            }
            right &= holds(with_zero, register.range.partial)
    for node in proof.nodes:
        said = claims["nodes"][node.node]
        proved = np.array([verdict == "proved" for verdict in node.verdicts])
        right &= bool(np.all(proved | ~np.broadcast_to(said["proved"], proved.shape)))
    return right


@given(network=networks(trap=True), change=changes, data=st.data())
def test_one_number_changed(network, change, data):
    with tempfile.TemporaryDirectory() as folder:
        try:
            claims, path = certify(Path(folder), network)
        except SpecError:
            return
        changed = put(claims, data.draw(st.sampled_from(list(numbers(claims)))), change)
        outcome = examined(path, changed)
    if changed == claims:
        assert outcome.findings == []
    elif not outcome.findings:
        assert still_true(network, changed)
        tensors = traced(network, data.draw(inputs(network)))
        image = range_of(changed["assumptions"]["inputs"]["image"])
        if tensors is not None and image.contains(tensors["image"]):
            claims_hold(changed, tensors)
            exact_sums_hold(network, changed, tensors)
