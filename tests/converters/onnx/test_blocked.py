"""Weights with scales in blocks: the integers of exact arithmetic, and ONNX Runtime's float beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER

from intsim.engine import run
from intsim.errors import ConversionError
from intsim.verify.prove import prove
from tests.converters.onnx.blocked_models import FORMS, Product, in_float
from tests.converters.onnx.builder import LIMITS, NUMBERS, OnnxBuilder, with_outputs
from tests.converters.onnx.drawing import codes

BIASED = tuple(form for form in FORMS if form not in ("MatMul", "transposed"))
some = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def product(seed: int, form: str, powers: bool = False, **fields: Any) -> Product:
    """A product of random operands; with `powers` every scale is a power of two, so that ties are many."""
    rng = np.random.default_rng(seed)
    depth, columns, length = fields.pop("depth", 40), fields.pop("columns", 5), fields.pop("length", 16)
    w, x, y = fields.get("w", "uint4"), fields.get("x", "uint8"), fields.get("y", "uint8")
    groups = -(-depth // length)
    scale = rng.uniform(0.01, 0.2, (groups, columns))
    spread = sum(np.log2(LIMITS[name][1] - LIMITS[name][0] + 1) for name in (x, w)) + np.log2(depth) / 2
    fields.setdefault("y_scale", np.float32(2.0 ** (spread - 8) / (LIMITS[y][1] - LIMITS[y][0])))
    if powers:
        scale = 2.0 ** rng.integers(-5, -2, scale.shape)
        fields = {**fields, "x_scale": np.float32(0.03125)}
        fields["y_scale"] = np.float32(2.0 ** np.round(np.log2(fields["y_scale"])))
    made: dict[str, Any] = {
        "form": form,
        "x": x,
        "w": w,
        "y": y,
        "weights": codes(rng, w, (depth, columns)),
        "scale": scale.astype(np.float32),
        "zero": codes(rng, w, scale.shape),
        "length": length,
        "x_zero": int(codes(rng, x, ())),
        "y_zero": int(rng.integers(*LIMITS[y])) // 4,
    }
    return Product(**{**made, **fields})


def found(made: Product, x: np.ndarray, engine: str = "fast") -> np.ndarray:
    """The converted network's codes."""
    network = CONVERTER.convert(made.build(), "integer")
    assert prove(network).proved
    return run(network, x, engine=engine).outputs["y"]


def inputs(made: Product, seed: int) -> np.ndarray:
    return codes(np.random.default_rng(seed), made.x, made.shape).astype(made.x)


def differing(made: Product, x: np.ndarray) -> tuple[int, int]:
    """Codes that ONNX Runtime's float decides otherwise, each of them undecided in float32; of how many."""
    wanted = made.codes(x)
    other = in_float(made.build(), x) != wanted
    assert not (other & ~made.undecided(x)).any()
    return int(other.sum()), wanted.size


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_exact(form: str, engine: str) -> None:
    made = product(1, form)
    for x in (inputs(made, 0), *(np.full(made.shape, end, made.x) for end in LIMITS[made.x])):
        assert np.array_equal(found(made, x, engine), made.codes(x))
    assert len(np.unique(made.codes(inputs(made, 0)))) > 10
    differing(made, inputs(made, 0))


@pytest.mark.parametrize("form", FORMS)
def test_ties_go_to_the_even_code_before_the_zero_point(form: str) -> None:
    """With powers of two float32 is exact, so ONNX Runtime's codes are the same; odd zero points show it."""
    ties = 0
    for seed, zero in enumerate((0, 1, 6, 7)):
        made = product(seed, form, powers=True, y_zero=zero, rows=6, y="int16", x="int8")
        made.y_scale = made.x_scale * made.scale.min() * np.float32(8)
        x = inputs(made, seed)
        wanted = made.codes(x)
        ties += sum(entry.denominator == 2 for entry in made.quotients(x).ravel())
        assert np.array_equal(found(made, x), wanted)
        assert np.array_equal(in_float(made.build(), x), wanted)
    assert ties > 10


@pytest.mark.parametrize("form", BIASED)
def test_a_bias_is_exact(form: str) -> None:
    """As a float, and as integers with a scale of their own; one value per column, or one for all of Gemm."""
    rng = np.random.default_rng(5)
    reals = [rng.normal(0, 30, 5).astype(np.float32)]
    reals += [np.float32([7.3])] if form.startswith("Gemm") else []
    cases = [{"bias": bias} for bias in reals]
    scale = rng.uniform(0.01, 0.3, 5).astype(np.float32)
    cases += [{"bias": rng.integers(-500, 500, 5), "bias_meaning": (scale, np.zeros(5))}]
    for fields in cases:
        made = product(2, form, **fields)
        x = inputs(made, 3)
        assert np.array_equal(found(made, x), made.codes(x))
        assert not np.array_equal(made.codes(x), product(2, form).codes(x))
        differing(made, x)


def test_alpha_and_beta_are_exact() -> None:
    made = product(3, "Gemm", bias=np.float32([3.1, -40, 7, 0, 55]), alpha=0.3, beta=-1.7)
    made.alpha, made.beta = float(np.float32(0.3)), float(np.float32(-1.7))
    x = inputs(made, 0)
    assert np.array_equal(found(made, x), made.codes(x))
    differing(made, x)


def test_outputs_with_units_of_their_own() -> None:
    """Scales 2**45 apart: over one unit the sums would not fit 64 bits, over one per output they do."""
    made = product(9, "Gemm", y_scale=np.float32(1e14))
    made.scale[:, 0] *= np.float32(2.0**45)
    made.bias = np.float32([1e13, 4e14, -5e14, 2e15, 1.2e15])
    x = inputs(made, 0)
    assert np.array_equal(found(made, x), made.codes(x))
    assert len(np.unique(made.codes(x)[:, 0])) == 3
    assert len(np.unique(made.codes(x)[0])) > 3
    differing(made, x)


def test_an_activation_limits_the_codes() -> None:
    made = product(4, "MatMul", relu=True, y="int8", y_zero=-5)
    x = inputs(made, 0)
    assert np.array_equal(found(made, x), made.codes(x))
    assert made.codes(x).min() == -5


@pytest.mark.parametrize("w", ["uint4", "int4", "uint8", "int8"])
@pytest.mark.parametrize("zero", [True, False])
def test_float16(w: str, zero: bool) -> None:
    """Scales, bias and zero points of a float16 graph: the reals are what is rounded, and only once."""
    made = product(6, "Gemm", w=w, kind="float16", bias=np.float16([1.5, 2, -3.25, 0.1, 9]))
    for name in ("x_scale", "y_scale", "scale"):
        setattr(made, name, np.asarray(getattr(made, name)).astype(np.float16))
    made.zero = made.zero if zero else None
    x = inputs(made, 1)
    assert np.array_equal(found(made, x), made.codes(x))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zero", [True, False])
def test_packed_weights_of_every_width(bits: int, zero: bool) -> None:
    LIMITS.setdefault("uint2", (0, 3))
    made = product(7, "MatMulNBits", w=f"uint{bits}", depth=70, columns=3)
    made.zero = made.zero if zero else None
    x = inputs(made, 1)
    assert np.array_equal(found(made, x), made.codes(x))
    differing(made, x)


def test_sums_that_float32_does_not_decide() -> None:
    """The second block is below the last bit of the first one's sum in float32, and decides its ties."""
    scale = np.float32([[1] * 6, [2.0**-26] * 6])
    made = product(8, "MatMul", y="int16", depth=32, columns=6, rows=16, scale=scale, x_scale=np.float32(1))
    made.y_scale, made.y_zero, made.x_zero = np.float32(2), 0, 128
    x = inputs(made, 0)
    assert np.array_equal(found(made, x), made.codes(x))
    other, of = differing(made, x)
    assert of == 96
    assert other > 10
    assert made.undecided(x).mean() < 0.6


@pytest.mark.parametrize("zero", [True, False])
def test_weights_that_the_file_quantizes(zero: bool) -> None:
    """QuantizeLinear of a float constant, in blocks, is done while converting, as ONNX Runtime does it."""
    made = product(10, "MatMul", w="int8", zero=None) if not zero else product(10, "MatMul", w="uint8")
    reals = np.random.default_rng(0).normal(0, 3, made.weights.shape).astype(np.float32)
    b = OnnxBuilder()
    w, scale = b.constant("w", reals, "float32"), b.constant("w_scale", made.scale, "float32")
    parts = [scale] if made.zero is None else [scale, b.constant("w_zero", made.zero, made.w)]
    named = {} if zero else {"output_dtype": NUMBERS["int8"]}
    codes_name = b.node("QuantizeLinear", [w, *parts], axis=0, block_size=16, **named)
    x = b.dequantize(b.input("x", made.shape, "uint8"), b.meaning("x", made.x_scale, made.x_zero, "uint8"))
    real = b.node("MatMul", [x, b.node("DequantizeLinear", [codes_name, *parts], axis=0, block_size=16)])
    b.output(b.quantize(real, b.meaning("y", made.y_scale, made.y_zero, "uint8"), "y"), "uint8")
    x_codes = inputs(made, 0)
    shown = with_outputs(b.build(), {codes_name: made.w})
    made.weights = in_float(shown, x_codes, codes_name)
    assert len(np.unique(made.weights)) > 50
    network = CONVERTER.convert(b.build(), "integer")
    assert np.array_equal(run(network, x_codes).outputs["y"], made.codes(x_codes))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_a_constants_type_without_a_zero_point(dtype: str) -> None:
    """output_dtype says it; uint8 where nothing does. One scale meets a constant of any rank."""
    b = OnnxBuilder()
    w, scale = b.constant("w", np.linspace(-9, 9, 12), "float32"), b.constant("s", np.float32(0.5), "float32")
    named = {} if dtype == "uint8" else {"output_dtype": NUMBERS[dtype]}
    codes_name = b.node("QuantizeLinear", [w, scale], **named)
    x = b.dequantize(b.input("x", (3, 12), dtype), b.meaning("x", np.float32(0.5), 0, dtype))
    real = b.node("Add", [x, b.node("DequantizeLinear", [codes_name, scale])])
    b.output(b.quantize(real, b.meaning("y", np.float32(0.5), 0, dtype), "y"), dtype)
    given = codes(np.random.default_rng(0), dtype, (3, 12)).astype(dtype)
    found_codes = run(CONVERTER.convert(b.build(), "integer"), given).outputs["y"]
    assert np.array_equal(found_codes, in_float(b.build(), given))


@st.composite
def products(draw: st.DrawFn) -> Product:
    form = draw(st.sampled_from(FORMS))
    packed = form == "MatMulNBits"
    length = 16 if packed else draw(st.integers(1, 9))
    depth = draw(st.integers(1, 3 * length + 2))
    columns = draw(st.integers(1, 4))
    fields: dict[str, Any] = {
        "x": draw(st.sampled_from(("uint8", "int8", "uint16", "int16"))),
        "w": draw(st.sampled_from(("uint4", "uint8") if packed else ("uint4", "int4", "uint8", "int8"))),
        "y": draw(st.sampled_from(("uint8", "int8", "uint16", "int16"))),
        "rows": draw(st.integers(1, 3)),
        "powers": draw(st.booleans()),
        "depth": depth,
        "columns": columns,
        "length": length,
    }
    made = product(draw(st.integers(0, 2**32)), form, **fields)
    if draw(st.booleans()):
        made.zero = None
    spread = draw(st.integers(0, 12))
    exponents = draw(st.lists(st.integers(-spread, 0), min_size=made.scale.size, max_size=made.scale.size))
    made.scale = made.scale * np.float32(2.0) ** np.reshape(exponents, made.scale.shape).astype(np.float32)
    if form in BIASED and draw(st.booleans()):
        made.bias = np.random.default_rng(depth).normal(0, 20, columns).astype(np.float32)
    return made


def check_drawn(made: Product, seed: int) -> None:
    """Refused is only what has very different scales, or wide operands."""
    x, reason = inputs(made, seed), ""
    try:
        codes_of_network = found(made, x)
    except ConversionError as error:
        reason = str(error)
    if reason:
        spread = np.log2(made.scale.max(axis=0) / made.scale.min(axis=0)).max()
        operands = sum(np.log2(LIMITS[name][1] - LIMITS[name][0] + 1) for name in (made.x, made.w))
        assert "sums must fit 64 bits" in reason
        assert spread + 25 + operands + np.log2(made.depth) > 63
        return
    assert np.array_equal(codes_of_network, made.codes(x))
    differing(made, x)


@some
@given(made=products(), seed=st.integers(0, 99))
def test_drawn_products(made: Product, seed: int) -> None:
    check_drawn(made, seed)


@pytest.mark.sweep
@settings(some, max_examples=3000)
@given(made=products(), seed=st.integers(0, 99))
def test_many_drawn_products(made: Product, seed: int) -> None:
    check_drawn(made, seed)
