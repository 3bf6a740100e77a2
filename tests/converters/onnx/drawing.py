"""What the fuzz tests draw: types, scales that make ties now and then, zero points, windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from intsim.errors import ConversionError
from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import LIMITS, MICROSOFT, OnnxBuilder
from tests.converters.onnx.runtime import RuntimeRefused

EIGHT = ("uint8", "int8")


def scales(low: float = 1e-3, high: float = 0.5) -> st.SearchStrategy[np.float32]:
    """Scales of any bits, and powers of two, whose ratios make ties."""
    powers = st.integers(-8, -1).map(lambda power: np.float32(2.0**power))
    return st.one_of(st.floats(low, high).map(np.float32), powers)


def zero_points(dtype: str) -> st.SearchStrategy[int]:
    """Anywhere in the format, odd as well as even, and at its ends."""
    low, high = LIMITS[dtype]
    return st.one_of(
        st.integers(low, high), st.sampled_from((low, high, 0 if low else 127, 1 if low else 128))
    )


def codes(rng: np.random.Generator, dtype: str, shape: Sequence[int]) -> np.ndarray:
    """Codes over the whole format."""
    low, high = LIMITS[dtype]
    return rng.integers(low, high, tuple(shape), endpoint=True)


def builder(draw: st.DrawFn, opsets: tuple[int, ...]) -> OnnxBuilder:
    """ONNX' own doors, or the runtime's where all drawn sets have them."""
    domains = ("", MICROSOFT) if len(opsets) > 1 else ("",)
    return OnnxBuilder(draw(st.sampled_from(opsets)), draw(st.sampled_from(domains)))


def draw_meaning(draw: st.DrawFn, b: OnnxBuilder, name: str, dtype: str) -> tuple[list[str], np.float32]:
    """Constants of a scale and a zero point, and the scale."""
    scale = draw(scales())
    return b.meaning(name, scale, draw(zero_points(dtype)), dtype), scale


def output_meaning(draw: st.DrawFn, b: OnnxBuilder, dtype: str, reach: float) -> list[str]:
    """Of an output whose reals reach so far: spread over the format, now and then far too small or large."""
    spread = draw(st.sampled_from((2.0, 0.7, 1.0, 20.0, 0.1)))
    scale = np.float32(max(reach, 1e-6) / 128 * spread)
    if draw(st.booleans()):
        scale = np.float32(2.0 ** np.round(np.log2(scale)))
    return b.meaning("y", scale, draw(zero_points(dtype)), dtype)


def between(b: OnnxBuilder, form: str, op: str, x: str, meanings: list[list[str]], **attributes: Any) -> str:
    """An operator on codes: com.microsoft's, or ONNX' between DequantizeLinear and QuantizeLinear."""
    if form == "QLinear":
        return b.node(f"QLinear{op}", [x, *meanings[0], *meanings[1]], ["y"], MICROSOFT, **attributes)
    return b.quantize(b.node(op, [b.dequantize(x, meanings[0])], **attributes), meanings[1], "y")


@st.composite
def windows(draw: st.DrawFn, axes: int = 2, dilated: bool = True) -> dict[str, Any]:
    """A window that fits: kernel, size and the attributes of an operator."""
    kernel = [draw(st.integers(1, 4)) for _ in range(axes)]
    dilations = [draw(st.integers(1, 3)) if dilated else 1 for _ in range(axes)]
    size = [(k - 1) * d + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilations, strict=True)]
    attributes: dict[str, Any] = {"strides": [draw(st.integers(1, 3)) for _ in range(axes)]}
    if dilated:
        attributes["dilations"] = dilations
    padding = draw(st.sampled_from(("none", "pads", "SAME_UPPER", "SAME_LOWER", "VALID")))
    if padding == "pads":
        attributes["pads"] = [draw(st.integers(0, k - 1)) for k in kernel * 2]
    elif padding != "none":
        attributes["auto_pad"] = padding
        if padding.startswith("SAME"):  # a stride that leaves two elements unread is refused
            attributes.pop("dilations", None)
            attributes["strides"] = [
                min(s, k + 1) for s, k in zip(attributes["strides"], kernel, strict=True)
            ]
    return {"kernel": kernel, "size": size, "attributes": attributes}


def agree_or_assume(data: bytes, dialect: str, left: Sequence[str]) -> None:
    """Every integer agrees, but for models that one of the two sides leaves for a reason that is known.

    left : how refusals end, or what they say
    """
    try:
        assert assert_agrees(data, dialect, count=2) > 0
    except RuntimeRefused:
        assume(False)
    except ConversionError as error:
        if not any(text in str(error) for text in left):
            raise
        assume(False)


def named(entry: Any) -> str:
    """Of a parameter: a text is its own name."""
    return entry if isinstance(entry, str) else ""
