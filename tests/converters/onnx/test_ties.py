"""Where roundings part: products at ties with odd zero points, and float32 sums that depend on every fused
operation. Every code is tried."""

from __future__ import annotations

import numpy as np
import pytest
from intsim_converters.onnx import convert_model, read_model

from intsim.engine import run
from tests.converters.onnx.builder import LIMITS, MICROSOFT, OnnxBuilder
from tests.converters.onnx.runtime import session_of

HALF, ONE = np.float32(0.5), np.float32(1)


def outputs(data: bytes, given: dict[str, np.ndarray], dialect: str) -> tuple[np.ndarray, np.ndarray]:
    """The runtime's output and intsim's."""
    conversion = convert_model(read_model(data), dialect)
    held = {name: x if conversion.batch.batched(x.shape) else x[None] for name, x in given.items()}
    found = run(conversion.network, held).outputs["y"]
    wanted = session_of(data, dialect).run(given)["y"]
    return wanted, found.reshape(wanted.shape)


@pytest.mark.parametrize("dialect", ["ort", "onnx-ref"])
@pytest.mark.parametrize("zero", [4, 7])
@pytest.mark.parametrize("form", ["QLinearConv", "QLinearMatMul"])
def test_sums_at_ties(form: str, zero: int, dialect: str) -> None:
    """Half of every code, with an even and an odd zero point: the dialects part at the odd one."""
    b = OnnxBuilder()
    window = form == "QLinearConv"
    x = b.input("x", (1, 1, 16, 16) if window else (256, 1), "uint8")
    w = b.constant("w", np.ones((1, 1, 1, 1) if window else (1, 1)), "uint8")
    meanings = [
        b.meaning("x", HALF, 3, "uint8"),
        b.meaning("w", ONE, 0, "uint8"),
        b.meaning("y", ONE, zero, "uint8"),
    ]
    b.output(b.node(form, [x, *meanings[0], w, *meanings[1], *meanings[2]], ["y"]), "uint8")
    codes = np.arange(256, dtype=np.uint8)
    wanted, found = outputs(b.build(), {"x": codes.reshape((1, 1, 16, 16) if window else (256, 1))}, dialect)
    assert np.array_equal(found, wanted)
    after = np.rint((codes.astype(np.float64) - 3) / 2) + zero
    assert (np.clip(after, 0, 255) == wanted.reshape(-1)).all() == (dialect == "ort" or zero == 4)


SUMS = [
    ((0.00947926752269268, 0.02444424107670784, 0.08032616972923279), (222, 149, 10)),
    ((0.06992538273334503, 0.02997935377061367, 0.001147518283687532), (19, 249, 241)),
    ((0.057130809873342514, 0.09218689054250717, 0.02137172967195511), (64, 217, 150)),
    ((0.06638950854539871, 0.09321492165327072, 0.021511925384402275), (23, 155, 161)),
    ((0.07611183822154999, 0.08796954154968262, 0.011129672639071941), (151, 217, 168)),
    ((0.5, 0.5, 1.0), (3, 3, 7)),
]
"""Scales and zero points for which another order, or one more or one less rounding, changes a code."""


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("form", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize(("scales", "zeros"), SUMS)
def test_every_pair_of_codes(
    form: str, scales: tuple[float, ...], zeros: tuple[int, ...], dtype: str
) -> None:
    low = LIMITS[dtype][0]
    b = OnnxBuilder()
    names = [b.input(name, (1, 65536), dtype) for name in "ab"]
    first, second, y = (
        b.meaning(name, np.float32(scale), zero + low, dtype)
        for name, scale, zero in zip("aby", scales, zeros, strict=True)
    )
    b.output(b.node(form, [names[0], *first, names[1], *second, *y], ["y"], domain=MICROSOFT), dtype)
    pairs = np.meshgrid(np.arange(256) + low, np.arange(256) + low)
    given = {name: codes.reshape(1, -1).astype(dtype) for name, codes in zip(names, pairs, strict=True)}
    wanted, found = outputs(b.build(), given, "ort")
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("scales", "zeros"), SUMS)
def test_one_code_and_every_other(scales: tuple[float, ...], zeros: tuple[int, ...], side: int) -> None:
    """One operand is one element, and both orders of rounding occur."""
    for code in range(0, 256, 17):
        b = OnnxBuilder()
        held = b.constant("c", [code], "uint8")
        x = b.input("x", (1, 256), "uint8")
        first, second, y = (
            b.meaning(name, np.float32(scale), zero, "uint8")
            for name, scale, zero in zip("aby", scales, zeros, strict=True)
        )
        operands = (held, x) if side == 0 else (x, held)
        inputs = [operands[0], *first, operands[1], *second, *y]
        b.output(b.node("QLinearAdd", inputs, ["y"], domain=MICROSOFT), "uint8")
        codes = np.arange(256, dtype=np.uint8)[None]
        wanted, found = outputs(b.build(), {"x": codes}, "ort")
        assert np.array_equal(found, wanted), code
