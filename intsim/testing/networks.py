"""Strategies for small networks, and inputs for them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from intsim.arithmetic import Register
from intsim.formats import IntFormat
from intsim.network import Network, NetworkBuilder
from intsim.ops import Add, Clamp, Conv2d, Dense, Requantize
from intsim.record import Array
from intsim.testing.strategies import accumulators, arrays, codes, formats, requantizations, tensors

MAX_LAYERS = 3


@st.composite
def networks(draw: st.DrawFn, trap: bool = False) -> Network:
    """One to three layers on a small image: convolution, requantization, clamp, a sum with the input."""
    builder = NetworkBuilder(source="drawn")
    height, width, channels = (draw(st.integers(1, 4)) for _ in range(3))
    format = draw(formats(2, 8))
    here = builder.input("image", (height, width, channels), format)
    for layer in range(draw(st.integers(1, MAX_LAYERS))):
        sums, channels = draw(_layer(builder, here, channels, f"layer{layer}", trap))
        format = IntFormat(8)
        rule = draw(requantizations(channels, format))
        code = builder.add(Requantize(requantization=rule), sums, name=f"layer{layer}")
        if draw(st.booleans()):
            code = builder.add(Clamp(lo=0, hi=draw(st.integers(0, 127))), code, name=f"relu{layer}")
        if draw(st.booleans()):
            code = builder.add(Add(register=Register(IntFormat(9))), code, code, name=f"twice{layer}")
        here = code
    builder.output(here)
    return builder.build()


@st.composite
def _layer(
    draw: st.DrawFn, builder: NetworkBuilder, here: str, channels: int, name: str, trap: bool
) -> tuple[str, int]:
    """A 1x1 or 3x3 convolution that keeps the image's size, or a dense layer; and its channels."""
    outputs = draw(st.integers(1, 3))
    format = draw(formats(2, 8))
    common: dict[str, Any] = {
        "weight_format": format,
        "bias": draw(arrays((outputs,), st.integers(-5000, 5000))),
        "input_zero_point": draw(st.integers(-8, 8)),
    }
    if draw(st.booleans()):
        weight = draw(arrays((outputs, channels), codes(format)))
        accumulator = draw(accumulators((1, 1, channels), trap=trap))
        op: Any = Dense(weight=weight, accumulator=accumulator, **common)
    else:
        side = draw(st.sampled_from([1, 3]))
        weight = draw(arrays((outputs, side, side, channels), codes(format)))
        pad = (side // 2, side // 2)
        accumulator = draw(accumulators((side, side, channels), trap=trap))
        op = Conv2d(weight=weight, padding=(pad, pad), accumulator=accumulator, **common)
    return builder.add(op, here, name=f"{name}/accumulator"), outputs


@st.composite
def inputs(draw: st.DrawFn, network: Network) -> dict[str, Array]:
    """Values for every input of a network, all of one batch size."""
    batch = draw(st.integers(1, 3))
    return {entry.name: draw(tensors(entry.spec, batch)) for entry in network.inputs}
