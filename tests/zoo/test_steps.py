"""Fused steps of real networks: their outputs, and every sum that can reach a requantization by formula."""

from __future__ import annotations

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim import plan
from intsim.arithmetic import Requantization
from intsim.bounds import network_bounds
from intsim.kernels.epilogue import FIXED, LANES, Epilogue
from intsim.kernels.finish import finish
from intsim.kernels.finishing import epilogue_of
from intsim.network import Network
from intsim.record import Array
from tests.zoo.folder import zoo

FOLDER = zoo("tflite")
NETWORKS = sorted(path.stem for path in FOLDER.glob("*.tflite"))
LARGE = "mobilenet_v2_1.0_224_ptq"
SUMS = ("conv2d", "depthwise_conv2d", "dense", "sum")
_PIECE = 1 << 20


def converted(name: str, dialect: str) -> Network:
    return CONVERTER.convert(FOLDER / f"{name}.tflite", dialect)


CASES = [("litert-ref", name) for name in NETWORKS]
CASES += [("xnnpack", name) for name in ("mlperf_tiny_resnet8", "mlperf_tiny_kws_dscnn", "resnet8_16x8")]


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_a_run_that_nobody_traces_gives_the_same_outputs(name: str, dialect: str) -> None:
    """A run that traces every tensor is compared with the runtimes elsewhere; it has no fused steps."""
    network = converted(name, dialect)
    made = plan(network)
    (given,) = network.inputs
    rng = np.random.default_rng(3)
    batch = 1 if name == LARGE else 6
    low, high = given.spec.integer.min, given.spec.integer.max
    x = rng.integers(low, high + 1, (batch, *given.spec.shape)).astype(given.spec.format.storage)
    x[0] = high
    found, expected = made.run(x), made.run(x, trace=["*"])
    for output, values in expected.outputs.items():
        assert np.array_equal(found.outputs[output], values)
    alone = [step.nodes[0].op.name for step in made.steps if len(step.nodes) == 1]
    assert not set(alone) & {"conv2d", "depthwise_conv2d", "add"}
    assert len(made.steps) < 0.65 * len(network.nodes)


def finished(epilogue: Epilogue, channel: int, values: Array) -> Array:
    """One channel's codes for its sums, by the kernel, which is given that channel's block alone."""
    first = channel // LANES * LANES
    block = slice(first, first + LANES)
    alone = epilogue._replace(
        channels=channel - first + 1,
        kinds=epilogue.kinds[first // LANES : first // LANES + 1],
        start=np.ascontiguousarray(epilogue.start[block]),
        singles=np.ascontiguousarray(epilogue.singles[:, block]),
        doubles=np.ascontiguousarray(epilogue.doubles[:, block]),
    )
    sums = np.zeros((values.size, LANES), np.int32)
    sums[:, channel - first] = values
    out = np.zeros((values.size, alone.channels), np.int16)
    finish(sums, values.size, alone, out, 0, 0)
    return out[:, channel - first]


def stepped(rule: Requantization, channel: int, values: Array) -> Array:
    """The same by the steps, with the parameters of that channel."""
    if rule.channels() == 1:
        return rule.apply(values)
    steps = []
    for step in rule.steps:
        own = {
            name: value[channel : channel + 1]
            for name, value in vars(step).items()
            if isinstance(value, np.ndarray) and value.shape[:1] == (rule.channels(),)
        }
        steps.append(step.replace(**own) if step.channels() > 1 else step)
    return rule.replace(steps=tuple(steps)).apply(values[:, None])[:, 0]


@pytest.mark.sweep
@pytest.mark.parametrize("dialect", ["litert-ref", "xnnpack"])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "resnet8_16x8"])
def test_every_reachable_sum_of_every_channel(name: str, dialect: str) -> None:
    """Of the large networks a few channels of every layer."""
    network, seen, chosen = converted(name, dialect), 0, np.random.default_rng(0)
    bounds = network_bounds(network)
    for node in network.nodes:
        source = network.producers.get(node.inputs[0])
        if node.op.name != "requantize" or source is None or source.op.name not in SUMS:
            continue
        rule: Requantization = node.op.requantization
        channels = network.specs[node.inputs[0]].shape[-1]
        interval = bounds.tensors[node.inputs[0]].by_channel()
        made = epilogue_of(rule, interval, channels)
        assert not isinstance(made, str)
        assert FIXED not in made[0].kinds
        lo, hi = (
            np.broadcast_to(np.asarray(end).astype(np.int64), channels) for end in (interval.lo, interval.hi)
        )
        few = channels if name == "mlperf_tiny_kws_dscnn" else 4
        for channel in chosen.permutation(channels)[:few].tolist():
            for begin in range(int(lo[channel]), int(hi[channel]) + 1, _PIECE):
                values = np.arange(begin, min(begin + _PIECE, int(hi[channel]) + 1))
                assert np.array_equal(finished(made[0], channel, values), stepped(rule, channel, values))
                seen += values.size
    assert seen > 1000
