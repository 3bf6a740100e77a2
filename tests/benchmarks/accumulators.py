"""What narrow accumulators cost: each beside the exact kernel of the same layer, alternating, one thread.

Run as ``python -m tests.benchmarks.accumulators [--batch 8] [--repeats 15] [--layer NAME]``. Prints medians
in ms and their ratio to the exact sums. Weights and inputs are drawn as those of trained layers are:
normal weights, an input that was cut off at zero (`relu`) or not (`linear`).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from intsim import Network, NetworkBuilder, plan
from intsim.arithmetic import Accumulator, Overflow, Topology
from intsim.engine.planning import Plan
from intsim.formats import IntFormat
from intsim.ops import Conv2d, Dense

SATURATE, WRAP, TRAP = Overflow.SATURATE, Overflow.WRAP, Overflow.TRAP


@dataclass(frozen=True)
class Layer:
    """A convolution: size of the image, channels in and out, size of the window, stride."""

    name: str
    size: int
    inputs: int
    outputs: int
    window: int = 3
    stride: int = 1


LAYERS = (
    Layer("resnet8 first", 32, 3, 16),
    Layer("resnet8 stack 1", 32, 16, 16),
    Layer("resnet8 stack 2, down", 32, 16, 32, 3, 2),
    Layer("resnet8 stack 2", 16, 32, 32),
    Layer("resnet8 stack 2, beside", 32, 16, 32, 1, 2),
    Layer("resnet8 stack 3, down", 16, 32, 64, 3, 2),
    Layer("resnet8 stack 3", 8, 64, 64),
    Layer("resnet8 dense", 1, 64, 10, 1),
    Layer("resnet50 3x3", 56, 64, 64),
)


def network(layer: Layer, accumulator: Accumulator, zero_point: int) -> Network:
    """The layer with an accumulator."""
    rng = np.random.default_rng(1)
    shape = layer.outputs, layer.window, layer.window, layer.inputs
    weight = np.clip(np.rint(rng.normal(0, 30, shape)), -127, 127).astype(np.int64)
    fields = {"input_zero_point": zero_point, "accumulator": accumulator}
    builder = NetworkBuilder()
    if layer.size == 1:
        x = builder.input("x", (layer.inputs,), IntFormat(8))
        op: Conv2d | Dense = Dense(weight=weight[:, 0, 0], **fields)
    else:
        x = builder.input("x", (layer.size, layer.size, layer.inputs), IntFormat(8))
        pad = layer.window // 2
        op = Conv2d(weight=weight, padding=((pad, pad), (pad, pad)), stride=(layer.stride,) * 2, **fields)
    builder.output(builder.add(op, x, name="y"))
    return builder.build()


def codes(layer: Layer, batch: int, relu: bool) -> np.ndarray:
    """Input codes; after a relu the zero point is -128."""
    rng = np.random.default_rng(2)
    shape = (batch, layer.inputs) if layer.size == 1 else (batch, layer.size, layer.size, layer.inputs)
    drawn = np.rint(rng.normal(0, 60 if relu else 35, shape))
    return np.clip(np.maximum(drawn, 0) - 128 if relu else drawn, -128, 127).astype(np.int8)


def share(layer: Layer, accumulator: Accumulator, x: np.ndarray, zero_point: int) -> float:
    """Overflowing sums among all."""
    result = plan(network(layer, accumulator, zero_point), events=True).run(x)
    return result.events["y"].total / result.output.size


def narrowest(layer: Layer, x: np.ndarray, zero_point: int, most: float) -> tuple[int, float]:
    """The narrowest register that saturates for at most this share of the sums."""
    found = 32, 0.0
    for bits in range(24, 5, -1):
        part = share(layer, Accumulator(IntFormat(bits), SATURATE), x, zero_point)
        if part > most:
            break
        found = bits, part
    return found


def medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Seconds of each, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            begin = time.thread_time()
            call()
            taken[name].append(time.thread_time() - begin)
    return {name: statistics.median(values) for name, values in taken.items()}


def measure(layer: Layer, batch: int, repeats: int, relu: bool) -> None:
    """One layer's table."""
    zero_point = -128 if relu else 0
    x = codes(layer, batch, relu)
    bits, part = narrowest(layer, x, zero_point, 0.01)
    worst = max(4, bits - 6)
    tight = Accumulator(IntFormat(bits), SATURATE)
    cases: dict[str, tuple[Accumulator, bool]] = {
        "exact": (Accumulator(IntFormat(32)), False),
        "exact, events": (Accumulator(IntFormat(32)), True),
        "int14 wrap": (Accumulator(IntFormat(14)), False),
        f"int{bits} wrap, events": (Accumulator(IntFormat(bits)), True),
        f"int{bits} saturate": (tight, False),
        f"int{bits} saturate, events": (tight, True),
        f"int{bits + 2} saturate": (Accumulator(IntFormat(bits + 2), SATURATE), False),
        f"int{worst} saturate": (Accumulator(IntFormat(worst), SATURATE), False),
        f"int{bits} saturate, tiles of 16": (tight.replace(tile=16), False),
        f"int{bits} saturate, tree": (tight.replace(topology=Topology.TREE), False),
        f"int{bits} saturate, chw": (tight.replace(order="chw"), False),
    }
    plans: dict[str, Plan] = {
        name: plan(network(layer, accumulator, zero_point), events=events)
        for name, (accumulator, events) in cases.items()
    }
    calls = {name: (lambda made=made: made.run(x, threads=1)) for name, made in plans.items()}
    found = medians(calls, repeats)
    kind = "relu" if relu else "linear"
    print(f"{layer.name}, {kind}: {100 * part:.2f} % overflow int{bits}")
    for name, seconds in found.items():
        kernel = plans[name].nodes[0].kernel
        print(f"  {name:30} {1e3 * seconds:9.3f} ms  {seconds / found['exact']:7.2f}  {kernel}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--layer", help="only layers whose name begins so")
    parser.add_argument("--kind", choices=["relu", "linear"], help="only this kind of input")
    options = parser.parse_args()
    for layer in LAYERS:
        if options.layer is None or layer.name.startswith(options.layer):
            for relu in (True, False):
                if options.kind in (None, "relu" if relu else "linear"):
                    measure(layer, options.batch, options.repeats, relu)


if __name__ == "__main__":
    main()
