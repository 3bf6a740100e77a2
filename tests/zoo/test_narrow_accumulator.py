"""resnet8 with accumulators far too narrow for it: sums, overflow counts and engines agree.

The sums are checked against an oracle in Python ints, which takes a node's input as the run had it, so
that an error in one layer is not carried into the next.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim import Datapath, Network, plan
from intsim.arithmetic import Events
from intsim.network import Node
from intsim.ops import Conv2d, Dense
from intsim.testing import plain
from tests.oracles import arith
from tests.zoo.folder import zoo

MODEL = zoo("tflite") / "mlperf_tiny_resnet8.tflite"
SAMPLED = 40  # outputs of each node that the oracle looks at
COUNTED = 200_000  # terms of a node whose events the oracle counts in full

DATAPATHS = {
    "wrap": 'format = "int12"\noverflow = "wrap"',
    "saturate": 'format = "int12"\noverflow = "saturate"',
    "channels first": 'format = "int12"\noverflow = "saturate"\norder = "chw"\nbias = "first"',
    "preloaded": 'format = "int12"\noverflow = "saturate"\nzero_point = "preload"\nbias = "first"',
    "tiles": 'format = "int14"\noverflow = "saturate"\ntile = 16',
    "two stages": (
        'format = "int14"\noverflow = "saturate"\ntile = 16\n'
        '[accumulator.inner]\nformat = "int12"\noverflow = "wrap"'
    ),
}


@cache
def original() -> Network:
    return CONVERTER.convert(MODEL)


@cache
def narrow(name: str) -> Network:
    return original().with_datapath(Datapath.parse(f'[[accumulator]]\nnodes = "*"\n{DATAPATHS[name]}\n'))


def image(network: Network, seed: int) -> dict[str, np.ndarray]:
    (entry,) = network.inputs
    rng = np.random.default_rng(seed)
    return {entry.name: rng.integers(-128, 128, (1, *entry.spec.shape)).astype(np.int8)}


def summing(network: Network) -> list[Node]:
    return [node for node in network.nodes if isinstance(node.op, (Conv2d, Dense))]


def taps(node: Node, x: np.ndarray, place: tuple[int, ...]) -> list[int]:
    """The input elements that one output of a convolution or dense layer meets, c fastest."""
    op = node.op
    if isinstance(op, Dense):
        return [int(value) for value in x[place[:-1]]]
    _, height, width, depth = op.weight.shape
    found = []
    for kh, kw, c in product(range(height), range(width), range(depth)):
        h = place[0] * op.stride[0] - op.padding[0][0] + kh * op.dilation[0]
        w = place[1] * op.stride[1] - op.padding[1][0] + kw * op.dilation[1]
        inside = 0 <= h < x.shape[0] and 0 <= w < x.shape[1]
        found.append(int(x[h, w, c]) if inside else op.input_zero_point)
    return found


def oracle(node: Node, x: np.ndarray, place: tuple[int, ...]) -> tuple[int, list[int], list[int]]:
    """One output and its events, in Python ints."""
    op, k = node.op, place[-1]
    height, width, depth = op.weight.shape[1:] if isinstance(op, Conv2d) else (1, 1, op.weight.shape[1])
    weights = [int(value) for value in op.weight[k].ravel()]
    met, zx = taps(node, x, place), op.input_zero_point
    whole = [(a - zx) * b for a, b in zip(met, weights, strict=True)]
    raw = [a * b for a, b in zip(met, weights, strict=True)]
    accumulator = plain(op.accumulator)
    terms = whole if accumulator["zero_point"] == "subtract" else raw
    bias = int(np.broadcast_to(op.bias, (op.weight.shape[0],))[k])
    return arith.accumulate(terms, (height, width, depth), accumulator, bias, sum(whole) - sum(terms))


def places(shape: tuple[int, ...], seed: int) -> list[tuple[int, ...]]:
    """The corners, and others at random."""
    corners = list(product(*((0, size - 1) for size in shape)))
    rng = np.random.default_rng(seed)
    return corners + [tuple(int(rng.integers(size)) for size in shape) for _ in range(SAMPLED)]


def traced(name: str, engine: str, seed: int, events: bool = False) -> Any:
    made = plan(narrow(name), engine=engine, events=events)
    return made.run(image(narrow(name), seed), trace=["*"])


@pytest.mark.parametrize("name", DATAPATHS)
def test_sums_are_the_oracles(name: str) -> None:
    result = traced(name, "fast", seed=0)
    changed = 0
    for node in summing(narrow(name)):
        assert np.all(node.op.weight_zero_point == 0)
        x, sums = result.trace[node.inputs[0]][0], result.trace[node.name][0]
        for place in places(sums.shape, seed=1):
            value, persistent, transient = oracle(node, x, place)
            assert int(sums[place]) == value, f"{node.name} at {place}"
            changed += sum(persistent) + sum(transient)
    assert changed > 100, "the registers are to overflow often, or nothing is tested"


@pytest.mark.parametrize("name", DATAPATHS)
def test_engines_agree_on_every_tensor_and_every_count(name: str) -> None:
    fast, reference = (traced(name, engine, seed=2, events=True) for engine in ("fast", "reference"))
    assert list(fast.trace) == list(reference.trace) == list(narrow(name).specs)
    for tensor, values in fast.trace.items():
        assert np.array_equal(values, reference.trace[tensor]), tensor
    assert fast.events == reference.events
    assert list(fast.events) == [node.name for node in summing(narrow(name))]
    total = [sum(kind) for kind in zip(*(counts(entry) for entry in fast.events.values()), strict=True)]
    assert min(total) > 0, "both kinds of events are to be seen"


def counts(events: Events) -> tuple[int, int]:
    return sum(events.persistent), sum(events.transient)


@pytest.mark.parametrize("name", DATAPATHS)
def test_counts_are_the_oracles(name: str) -> None:
    result = traced(name, "fast", seed=3, events=True)
    looked = 0
    for node in summing(narrow(name)):
        x, sums = result.trace[node.inputs[0]][0], result.trace[node.name][0]
        if sums.size * node.op.weight[0].size > COUNTED:
            continue
        looked += 1
        levels = len(node.op.accumulator.levels())
        persistent, transient = [0] * levels, [0] * levels
        for place in np.ndindex(sums.shape):
            _, more, others = oracle(node, x, place)
            persistent = [a + b for a, b in zip(persistent, more, strict=True)]
            transient = [a + b for a, b in zip(transient, others, strict=True)]
        assert result.events[node.name] == Events(persistent, transient), node.name
    assert looked >= 3


@pytest.mark.parametrize("name", DATAPATHS)
def test_the_fast_engine_steps_by_itself(name: str) -> None:
    for events in (False, True):
        kernels = {
            node.node.name: node.kernel
            for node in plan(narrow(name), events=events).nodes
            if isinstance(node.node.op, (Conv2d, Dense))
        }
        assert not any("reference" in kernel for kernel in kernels.values())
        stepped = [kernel for kernel in kernels.values() if "stepwise" in kernel]
        assert bool(stepped) == (events or name != "wrap")


def test_wide_registers_change_nothing() -> None:
    wide = original().with_datapath(
        Datapath.parse('[[accumulator]]\nnodes = "*"\nformat = "int24"\noverflow = "trap"')
    )
    a, b = (plan(network, events=True).run(image(network, 4)) for network in (wide, original()))
    assert all(np.array_equal(a.outputs[name], b.outputs[name]) for name in b.outputs)
    assert all(events.total == 0 for events in a.events.values())
