"""Compare a converted network with QONNX' execution of its file, integer by integer.

Two comparisons
---------------
`assert_agrees` demands every integer of every tensor that both sides have, from end to end. It is for files
whose float32 carriers are exact: a sum's error is 0.

`assert_sure` is for the others. It gives every requantize node QONNX' own codes of the layers before it, so
that a difference does not spread, and demands QONNX' code wherever the carrier's rounding cannot decide it:
the sum's float is within the error that the converter proves, and both ends of that error have one code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from intsim_converters.onnx.values import Layout
from intsim_converters.qonnx import Conversion
from intsim_converters.qonnx.values import Carried

from intsim.engine import run
from intsim.formats import RealFormat
from intsim.network import Network, NetworkBuilder, Node
from tests.converters.qonnx.execution import Arrays, Execution

Array = np.ndarray[Any, Any]


def inputs_of(conversion: Conversion, execution: Execution, count: int, seed: int) -> Iterator[Arrays]:
    """Integers all lowest, all highest, nearest to zero, and over the whole format; reals likewise."""
    rng = np.random.default_rng(seed)
    for kind in ("low", "high", "zero", *("random",) * count):
        given = {}
        for entry in conversion.network.inputs:
            shape = execution.shape(entry.name)
            if isinstance(entry.spec.format, RealFormat):
                given[entry.name] = _reals(rng, shape, kind)
                continue
            values = np.arange(entry.spec.format.min, entry.spec.format.max + 1)
            values = values[~entry.spec.format.outside(values)]
            ends = {"low": values[:1], "high": values[-1:], "zero": values[np.abs(values).argmin()][None]}
            given[entry.name] = rng.choice(ends.get(kind, values), shape)
        yield given


def _reals(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> Array:
    fixed = {"low": -1e30, "high": 1e30, "zero": 0.0}
    if kind in fixed:
        return np.full(shape, fixed[kind], np.float32)
    values = rng.normal(0, float(rng.choice([0.1, 1, 10, 100])), shape)
    halves = np.round(values * 16) / 16
    return np.where(rng.random(shape) < 0.5, values, halves).astype(np.float32)


def executed(conversion: Conversion, execution: Execution, given: Arrays) -> Arrays:
    """QONNX' tensors for inputs of integers (or reals)."""
    feeds = {}
    for name, array in given.items():
        carried = conversion.tensors.get(name)
        feeds[name] = array if carried is None else _real(carried, array).astype(np.float32)
    return execution.run(feeds)


def _real(carried: Carried, n: Array) -> Array:
    """What integers stand for, without float steps."""
    return (n - carried.zero).astype(np.float64) * carried.slope


def samples(network: Network, given: Arrays) -> Arrays:
    """The file's arrays as samples of the network's inputs."""
    found = {}
    for entry in network.inputs:
        array = given[entry.name].reshape(-1, *entry.spec.shape)
        found[entry.name] = array.astype(entry.spec.format.storage)
    return found


def as_file(carried: Carried, tensors: Mapping[str, Array], fresh: str = "") -> Array | None:
    """A carried tensor's integers with the file's axes; None where it was not kept."""
    for layout, name in carried.codes.views.items():
        array = tensors.get(name + fresh, tensors.get(name))
        if array is not None:
            array = array.astype(np.int64)
            moved = np.moveaxis(array, -1, 1) if layout is Layout.IMAGE else array
            return moved.reshape(carried.codes.shape).reshape(carried.shape)
    return None


def shared(conversion: Conversion) -> dict[str, Carried]:
    """The tensors of the file that the network has as integers, graph inputs left out."""
    inputs = {entry.name for entry in conversion.network.inputs}
    found = {name: c for name, c in conversion.tensors.items() if not c.steps and name not in inputs}
    assert found.keys() >= set(conversion.network.outputs)
    return found


def assert_agrees(
    conversion: Conversion, execution: Execution, runs: Iterator[Arrays], at_once: int = 4, **options: Any
) -> int:
    """Every integer, from end to end. Returns how many were compared.

    at_once : how many inputs the network gets as one batch
    """
    compared = 0
    while given := list(islice(runs, at_once)):
        parts = [samples(conversion.network, entry) for entry in given]
        batch = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        result = run(conversion.network, batch, trace=("*",), **options)
        assert set(result.outputs) == set(conversion.network.outputs)
        tensors = {**result.trace, **result.outputs}
        for k, entry in enumerate(given):
            size = conversion.batch.size
            sample = {name: array[k * size : (k + 1) * size] for name, array in tensors.items()}
            compared += _compared(conversion, sample, executed(conversion, execution, entry))
    assert compared
    return compared


def _compared(conversion: Conversion, sample: Arrays, wanted: Arrays) -> int:
    """Demand the integers of one sample."""
    compared = 0
    for name, carried in shared(conversion).items():
        found = as_file(carried, sample)
        if found is None:  # moved in place: compared where it is settled
            continue
        assert not carried.error.any(), f"{name}: QONNX' float32 is not exact"
        wrong = np.count_nonzero(_real(carried, found).astype(np.float32) != wanted[name])
        assert wrong == 0, f"{wrong} of {found.size} of {name} differ"
        compared += found.size
    return compared


@dataclass
class Tally:
    """What `assert_sure` counted, over all runs.

    sure, doubtful : codes behind a sum whose float decides nothing, and the others
    differ : of the doubtful, how many QONNX had otherwise
    sums : sums compared with QONNX' floats
    """

    sure: int = 0
    doubtful: int = 0
    differ: int = 0
    sums: int = 0


def assert_sure(
    conversion: Conversion, execution: Execution, runs: Iterator[Arrays], **options: Any
) -> Tally:
    """Layer by layer from QONNX' own codes; see above."""
    tally = Tally()
    made = {node.outputs[0] for node in conversion.network.nodes if node.op.name == "requantize"}
    cut = cut_network(conversion.network, made)
    for given in runs:
        wanted = executed(conversion, execution, given)
        forced = samples(conversion.network, given)
        for name, carried in shared(conversion).items():
            for layout, view in carried.codes.views.items():
                if view in made & cut.specs.keys():
                    forced[view] = _as_view(carried, wanted[name], layout, cut.specs[view].shape)
        result = run(cut, {entry.name: forced[entry.name] for entry in cut.inputs}, trace=("*",), **options)
        tensors = {**result.trace, **result.outputs}
        _tally(conversion, tensors, wanted, made, tally)
    return tally


def _as_view(carried: Carried, real: Array, layout: Layout, shape: tuple[int, ...]) -> Array:
    """QONNX' reals as the codes that a network's tensor holds."""
    codes = np.rint(real / carried.slope + carried.zero)
    assert np.array_equal(((codes - carried.zero) * carried.slope).astype(np.float32), real)
    moved = np.moveaxis(codes, 1, -1) if layout is Layout.IMAGE else codes
    return moved.reshape(1, *shape).astype(carried.format.storage)


def _tally(
    conversion: Conversion, tensors: Mapping[str, Array], wanted: Arrays, made: set[str], tally: Tally
) -> None:
    nodes = {node.outputs[0]: node for node in conversion.network.nodes}
    for name, carried in shared(conversion).items():
        view = next((view for view in carried.codes.views.values() if view in made), None)
        found = as_file(carried, tensors, MADE if view else "")
        if found is None:
            continue
        real = _real(carried, found)
        if view is None:
            slack = carried.error + 2.0**-24 * np.abs(real)
            assert (np.abs(real - wanted[name]) <= slack).all(), f"{name}: beyond the proved error"
            tally.sums += found.size
            continue
        sums = tensors[nodes[view].inputs[0]].astype(np.int64)
        doubtful = conversion.staircases[view].doubtful(sums)
        codes = np.rint(wanted[name] / carried.slope + carried.zero)
        differ = as_file(carried, {view: tensors[view + MADE]}) != codes
        unsure = as_file(carried, {view: doubtful}) != 0
        assert not (differ & ~unsure).any(), f"{name}: differs where the float decides nothing"
        tally.sure += int(np.count_nonzero(~unsure))
        tally.doubtful += int(np.count_nonzero(unsure))
        tally.differ += int(np.count_nonzero(differ))


MADE = "/made"


def cut_network(network: Network, made: set[str]) -> Network:
    """The network with an input in the place of every requantization that a node reads.

    What the requantization gives is called by its tensor's name and `MADE`.
    """
    builder = NetworkBuilder(network.source)
    read = {name for node in network.nodes for name in node.inputs} & made
    for entry in network.inputs:
        builder.input(entry.name, entry.spec.shape, entry.spec.format)
    for name in sorted(read):
        builder.input(name, network.specs[name].shape, network.specs[name].format)
    for node in network.nodes:
        builder.add(node.op, *node.inputs, name=_renamed(node, made))
        if node.outputs[0] in made:
            builder.output(_renamed(node, made))
    return builder.build()


def _renamed(node: Node, made: set[str]) -> str:
    return node.outputs[0] + (MADE if node.outputs[0] in made else "")
