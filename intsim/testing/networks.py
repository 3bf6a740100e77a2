"""Strategies for small networks, and inputs for them."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from intsim.arithmetic import Register
from intsim.formats import IntFormat, TensorSpec
from intsim.network import Network, NetworkBuilder
from intsim.ops import Add, Clamp, Concat, Op, Requantize
from intsim.record import Array
from intsim.testing.layers import movements, summing_ops
from intsim.testing.strategies import formats, requantizations, tensors

MAX_LAYERS = 3
_LARGEST = 64  # elements of an image that movements may still enlarge


@st.composite
def networks(
    draw: st.DrawFn,
    trap: bool = False,
    max_layers: int = MAX_LAYERS,
    min_bits: int = 4,
    max_bits: int = 40,
) -> Network:
    """Layers on a small image: movements, a sum of any kind, requantization, clamp, a sum with itself.

    Parameters
    ----------
    trap : whether registers may be such as trap
    max_layers : there are 1 to this many
    min_bits, max_bits : of the accumulators' registers
    """
    height, width, channels = (draw(st.integers(1, 4)) for _ in range(3))
    line = _Line((height, width, channels), draw(formats(2, 8)))
    for layer in range(draw(st.integers(1, max_layers))):
        _move(draw, line, f"moved{layer}")
        op = draw(summing_ops(line.spec, min_bits=min_bits, max_bits=max_bits, trap=trap))
        line.add(op, f"layer{layer}/accumulator")
        rule = draw(requantizations(line.spec.shape[-1], IntFormat(8)))
        line.add(Requantize(requantization=rule), f"layer{layer}")
        if draw(st.booleans()):
            line.add(Clamp(lo=0, hi=draw(st.integers(0, 127))), f"relu{layer}")
        if draw(st.booleans()):
            line.add(Add(register=Register(IntFormat(9))), f"twice{layer}", times=2)
    line.builder.output(line.here)
    return line.builder.build()


class _Line:
    """A network that grows at its end, and what stands there."""

    def __init__(self, shape: tuple[int, ...], format: IntFormat) -> None:
        self.builder = NetworkBuilder(source="drawn")
        self.here = self.builder.input("image", shape, format)
        self.spec = TensorSpec(shape, format)

    def add(self, op: Op, name: str, times: int = 1) -> None:
        """An op that is given the end, once or twice."""
        self.here = self.builder.add(op, *[self.here] * times, name=name)
        (self.spec,) = op.infer(*[self.spec] * times)


def _move(draw: st.DrawFn, line: _Line, name: str) -> None:
    """The image stays as it is, most often; or is moved, or put beside itself."""
    kind = draw(st.sampled_from(["", "", "moved", "beside"]))
    if not kind or math.prod(line.spec.shape) > _LARGEST:
        return
    if kind == "moved":
        line.add(draw(movements(line.spec)), name)
    else:
        line.add(Concat(axis=draw(st.integers(0, 2))), name, times=2)


@st.composite
def inputs(draw: st.DrawFn, network: Network) -> dict[str, Array]:
    """Values for every input of a network, all of one batch size."""
    batch = draw(st.integers(1, 3))
    return {entry.name: draw(tensors(entry.spec, batch)) for entry in network.inputs}
