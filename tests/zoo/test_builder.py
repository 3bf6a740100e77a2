"""The model builder and the LiteRT runner, checked against sums done here in Python ints."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from . import litert
from .tflite_builder import ModelBuilder, encode, make_options, options_table

# --- the arithmetic of the reference kernels, by hand --------------------------------------------


def exact(scale: float) -> Fraction:
    """The rational which the file holds for a scale: its nearest float32."""
    return Fraction(float(np.float32(scale)))


def round_half_away(value: Fraction) -> int:
    magnitude = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return magnitude if value >= 0 else -magnitude


def rescale(acc: int, ratio: Fraction) -> int:
    """acc * ratio with a 31-bit multiplier, rounded twice: at 2**31, then at the shift."""
    exponent = 0
    while ratio >= 1:
        ratio, exponent = ratio / 2, exponent + 1
    while ratio < Fraction(1, 2):
        ratio, exponent = ratio * 2, exponent - 1
    multiplier = round_half_away(ratio * 2**31)
    high = (acc * 2 ** max(exponent, 0) * multiplier + 2**30) >> 31
    return round_half_away(Fraction(high, 2 ** max(-exponent, 0)))


def clamp(value: int, low: int = -128, high: int = 127) -> int:
    return min(max(value, low), high)


def values(seed: int, shape: tuple[int, ...], low: int = -128, high: int = 127) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True)


# --- operators -----------------------------------------------------------------------------------

CONV_X_SCALE, CONV_X_ZERO = 0.05, -3
CONV_W_SCALES = [0.011, 0.0021, 0.03]
CONV_Y_SCALE, CONV_Y_ZERO = 0.4, -20


def conv_model(weights: np.ndarray, bias: np.ndarray, weight_type: str) -> bytes:
    m = ModelBuilder()
    x = m.input("x", (1, 5, 5, 2), "int8", CONV_X_SCALE, CONV_X_ZERO)
    w = m.constant("w", weights, weight_type, CONV_W_SCALES, axis=0)
    b = m.constant("b", bias, "int32", [CONV_X_SCALE * s for s in CONV_W_SCALES])
    y = m.tensor("y", (1, 2, 3, 3), "int8", CONV_Y_SCALE, CONV_Y_ZERO)
    m.operator(
        "CONV_2D",
        [x, w, b],
        [y],
        version=3,
        padding="VALID",
        stride_h=2,
        stride_w=1,
        fused_activation_function="RELU",
    )
    m.output(y)
    return m.build()


def conv_by_hand(x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> list[int]:
    """A 3x3 convolution, stride 2 by 1, no padding, with RELU."""
    out = []
    for row in range(2):
        for column in range(3):
            for channel in range(3):
                acc = int(bias[channel])
                for i in range(3):
                    for j in range(3):
                        for k in range(2):
                            tap = int(x[0, 2 * row + i, column + j, k]) - CONV_X_ZERO
                            acc += tap * int(w[channel, i, j, k])
                ratio = exact(CONV_X_SCALE) * exact(CONV_W_SCALES[channel]) / exact(CONV_Y_SCALE)
                out.append(clamp(rescale(acc, ratio) + CONV_Y_ZERO, low=CONV_Y_ZERO))
    return out


@pytest.mark.parametrize(("weight_type", "limit"), [("int8", 127), ("int4", 7)])
def test_conv_is_the_sum_by_hand(weight_type: str, limit: int) -> None:
    x = values(1, (1, 5, 5, 2))
    w = values(2, (3, 3, 3, 2), -limit, limit)
    bias = values(3, (3,), -2000, 2000)
    got = litert.run(conv_model(w, bias, weight_type), {"x": x})["y"]
    expected = conv_by_hand(x, w, bias)
    assert got.ravel().tolist() == expected
    assert len(set(expected)) > 3, "the case must not be all clamped"


@pytest.mark.parametrize(("weight_type", "limit"), [("int8", 127), ("int4", 7), ("int2", 1)])
def test_dense_is_the_sum_by_hand(weight_type: str, limit: int) -> None:
    """Odd rows, so that packed rows begin inside a byte; no bias tensor."""
    x_scale, x_zero, w_scale, y_scale, y_zero = 0.5, 11, 0.5 / limit, 2.0, -7
    x = values(4, (2, 7))
    w = values(5, (3, 7), -limit, limit)
    m = ModelBuilder()
    tx = m.input("x", x.shape, "int8", x_scale, x_zero)
    tw = m.constant("w", w, weight_type, w_scale)
    ty = m.tensor("y", (2, 3), "int8", y_scale, y_zero)
    m.operator("FULLY_CONNECTED", [tx, tw, None], [ty], version=4)
    m.output(ty)
    ratio = exact(x_scale) * exact(w_scale) / exact(y_scale)
    expected = []
    for row in x.tolist():
        for neuron in w.tolist():
            acc = sum((a - x_zero) * b for a, b in zip(row, neuron, strict=True))
            expected.append(clamp(round_half_away(acc * ratio) + y_zero))
    assert litert.run(m.build(), [x])["y"].ravel().tolist() == expected
    assert len(set(expected)) > 3, "the case must not be all clamped"


def test_add_is_the_sum_by_hand() -> None:
    scales, zeros = [0.1, 0.03], [5, -90]
    y_scale, y_zero = 0.11, -4
    a, b = values(6, (1, 64)), values(7, (1, 64))
    m = ModelBuilder()
    quantized = zip("ab", scales, zeros, strict=True)
    inputs = [m.input(name, a.shape, "int8", scale, zero) for name, scale, zero in quantized]
    y = m.tensor("y", a.shape, "int8", y_scale, y_zero)
    m.operator("ADD", inputs, [y], version=2)
    m.output(y)
    twice_largest = 2 * max(map(exact, scales))
    expected = []
    for pair in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        total = sum(
            rescale((q - zero) * 2**20, exact(scale) / twice_largest)
            for q, zero, scale in zip(pair, zeros, scales, strict=True)
        )
        out = rescale(total, twice_largest / (2**20 * exact(y_scale)))
        expected.append(clamp(out + y_zero))
    assert litert.run(m.build(), {"a": a, "b": b})["y"].ravel().tolist() == expected


def test_an_operator_of_the_second_options_union_runs() -> None:
    """STABLEHLO_PAD: its options are in BuiltinOptions2, its code is above 127."""
    m = ModelBuilder()
    x = m.input("x", (2, 2), "int32")
    fill = m.constant("fill", np.array(7), "int32")
    y = m.tensor("y", (3, 5), "int32")
    m.operator(
        "STABLEHLO_PAD",
        [x, fill],
        [y],
        edge_padding_low=[1, 0],
        edge_padding_high=[0, 2],
        interior_padding=[0, 1],
    )
    m.output(y)
    got = litert.run(m.build(), [[[1, 2], [3, 4]]])["y"]
    assert got.tolist() == [[7, 7, 7, 7, 7], [1, 7, 2, 7, 7], [3, 7, 4, 7, 7]]


# --- the file ------------------------------------------------------------------------------------


def read_back(data: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))


def test_file_holds_what_was_declared() -> None:
    m = ModelBuilder("a description")
    x = m.input("x", (1, 4), "int16", 0.5)
    w = m.constant("w", [[1, -2, 3, -4]], "int4", [0.25], [3], axis=1)
    y = m.tensor("y", (1, 1), "int16", 0.5, shape_signature=(-1, 1))
    z = m.tensor("z", (1, 1), "int16", 0.5)
    m.operator("FULLY_CONNECTED", [x, w, None], [y], version=7, keepNumDims=True)
    m.operator("GELU", [y], [z], version=2, approximate=True)
    m.operator("GELU", [z], [y], version=2)
    m.output(z, y)
    data = m.build()
    model = read_back(data)
    graph = model.subgraphs[0]
    assert data[4:8] == b"TFL3"
    assert model.version == 3
    assert model.buffers[0].data is None
    assert [(c.builtinCode, c.deprecatedBuiltinCode, c.version) for c in model.operatorCodes] == [
        (schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOperator.FULLY_CONNECTED, 7),
        (schema.BuiltinOperator.GELU, 127, 2),
    ]
    assert [op.opcodeIndex for op in graph.operators] == [0, 1, 1]
    assert graph.operators[0].inputs.tolist() == [0, 1, -1]
    assert graph.operators[0].builtinOptions.keepNumDims is True
    assert [op.builtinOptions.approximate for op in graph.operators[1:]] == [True, False]
    assert graph.inputs.tolist() == [0]
    assert graph.outputs.tolist() == [3, 2]
    assert graph.tensors[2].shapeSignature.tolist() == [-1, 1]
    packed = graph.tensors[1]
    assert packed.type == schema.TensorType.INT4
    assert packed.quantization.scale.tolist() == [0.25]
    assert packed.quantization.zeroPoint.tolist() == [3]
    assert packed.quantization.quantizedDimension == 1
    assert bytes(model.buffers[packed.buffer].data) == b"\xe1\xc3"


def test_every_buffer_starts_at_a_multiple_of_16_bytes() -> None:
    m = ModelBuilder()
    sizes = (1, 5, 16, 33)
    for size in sizes:
        m.constant(f"c{size}", np.arange(size), "int8")
    data = m.build()
    model = schema.Model.GetRootAs(data)
    assert model.BuffersLength() == 1 + len(sizes)
    for index, size in enumerate(sizes, start=1):
        buffer = model.Buffers(index)
        assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0, f"buffer {index}"
        assert buffer.DataAsNumpy().tolist() == list(range(size))


@pytest.mark.parametrize(
    ("dtype", "given", "packed"),
    [
        ("int4", [1, -2, 3], "e103"),
        ("int4", [[-8, 7], [0, -1]], "78f0"),
        ("int2", [1, -2, 0, -1, 1], "c901"),
        ("uint4", [15, 1], "1f"),
        ("int16", [-2, 258], "feff0201"),
        ("bool", [True, False], "0100"),
        ("float32", 1.0, "0000803f"),
    ],
)
def test_encode(dtype: str, given: object, packed: str) -> None:
    stored, data = encode(given, dtype)
    assert data.hex() == packed
    assert stored.tolist() == given


@pytest.mark.parametrize(
    ("dtype", "given"),
    [("int4", [8]), ("int4", [-9]), ("int2", [2]), ("uint8", [-1]), ("int8", [1.0]), ("bool", [1])],
)
def test_encode_refuses_what_the_type_cannot_hold(dtype: str, given: list[object]) -> None:
    with pytest.raises(ValueError, match=f"w: values of {dtype} must"):
        encode(given, dtype, where="w")


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "table", "union"),
    [
        ("CONV_2D", "Conv2DOptions", "builtinOptions"),
        ("MAX_POOL_2D", "Pool2DOptions", "builtinOptions"),
        ("REDUCE_MAX", "ReducerOptions", "builtinOptions"),
        ("MINIMUM", "MaximumMinimumOptions", "builtinOptions"),
        ("L2_NORMALIZATION", "L2NormOptions", "builtinOptions"),
        ("PADV2", "PadV2Options", "builtinOptions"),
        ("BATCH_MATMUL", "BatchMatMulOptions", "builtinOptions"),
        ("REDUCE_WINDOW", "ReduceWindowOptions", "builtinOptions2"),
        ("STABLEHLO_PAD", "StablehloPadOptions", "builtinOptions2"),
    ],
)
def test_options_table(op: str, table: str, union: str) -> None:
    found = options_table(op)
    assert found is not None
    name, number, field = found
    assert (name, field) == (table, union)
    members = schema.BuiltinOptions if union == "builtinOptions" else schema.BuiltinOptions2
    assert number == getattr(members, table)


def test_logistic_has_no_options() -> None:
    assert options_table("LOGISTIC") is None


def test_options_by_either_spelling_and_by_name_or_number() -> None:
    by_name = make_options("SHAPE", {"out_type": "INT64"})
    by_number = make_options("SHAPE", {"outType": schema.TensorType.INT64})
    assert by_name is not None
    assert by_number is not None
    assert by_name[0].outType == by_number[0].outType == schema.TensorType.INT64


@pytest.mark.parametrize(
    ("op", "options", "message"),
    [
        ("CONV_2D", {"stride": 1}, "CONV_2D: option must be one of padding, strideW"),
        ("CONV_2D", {"padding": "FULL"}, "padding must be one of SAME, VALID, not 'FULL'"),
        ("CONV_2D", {"stride_w": 1}, "strideH must be given"),
        ("LOGISTIC", {"axis": 1}, "LOGISTIC has no options, but got axis"),
    ],
)
def test_make_options_refuses(op: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_options(op, options)


def test_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'CONV2D'"):
        ModelBuilder().operator("CONV2D", [], [])


# --- the runner ----------------------------------------------------------------------------------


def doubling_chain(names: list[str]) -> bytes:
    m = ModelBuilder()
    last = m.input(names[0], (4,), "int8", 0.5)
    for name in names[1:]:
        following = m.tensor(name, (4,), "int8", 0.5)
        m.operator("ADD", [last, last], [following], version=2)
        last = following
    m.output(last)
    return m.build()


@pytest.mark.parametrize("resolver", ["ref", "no-delegates", "default"])
def test_all_tensors_are_kept_under_keys_of_their_own(resolver: litert.Resolver) -> None:
    model = doubling_chain(["a", "", "b", "", "b", "a#0"])
    got = litert.run(model, {"a": [1, 2, 0, -1]}, resolver, "all")
    assert {key: value.tolist() for key, value in got.items()} == {
        "a": [1, 2, 0, -1],
        "#1": [2, 4, 0, -2],
        "b#2": [4, 8, 0, -4],
        "#3": [8, 16, 0, -8],
        "b#4": [16, 32, 0, -16],
        "a#0": [32, 64, 0, -32],
    }


def test_a_name_which_looks_like_a_key_hides_nothing() -> None:
    session = litert.Session(doubling_chain(["a", "a", "a#1"]), keep="all")
    assert session.keys == ["a#0", "a#1'", "a#1"]
    assert session.input_keys == ["a#0"]
    assert session.output_keys == ["a#1"]
    assert [v.tolist()[0] for v in session.run([[1, 0, 0, 0]]).values()] == [1, 2, 4]


def test_only_outputs_are_kept_unless_asked() -> None:
    assert list(litert.run(doubling_chain(["a", "b", "c"]), [[0, 0, 0, 0]])) == ["c"]


def test_a_session_runs_again_and_keeps_earlier_results() -> None:
    session = litert.Session(doubling_chain(["a", "b"]))
    first = session.run([[1, 2, 3, 4]])["b"]
    second = session.run([[-1, -2, -3, -4]])["b"]
    assert first.tolist() == [2, 4, 6, 8]
    assert second.tolist() == [-2, -4, -6, -8]


def test_packed_constants_come_back_one_element_each() -> None:
    m = ModelBuilder()
    x = m.input("x", (5,), "int8", 1.0)
    w = m.constant("w", [1, -8, 7, 0, -1], "int4", 1.0)
    y = m.tensor("y", (5,), "float32")
    m.operator("CAST", [w], [y], in_data_type="INT4", out_data_type="FLOAT32")
    m.output(y)
    got = litert.run(m.build(), [np.zeros(x.shape)], keep="all")
    assert got["w"].tolist() == got["y"].tolist() == [1, -8, 7, 0, -1]


def test_refused_operator() -> None:
    m = ModelBuilder()
    x = m.input("x", (4,), "int8", 1.0)
    m.operator("ADD", [x, x], [m.tensor("y", (4,), "int8", 1.0)], version=99)
    with pytest.raises(litert.RuntimeRefused, match="builtin opcode 'ADD' version '99'") as caught:
        litert.Session(m.build())
    assert caught.value.stage == "load"


def test_refused_types() -> None:
    m = ModelBuilder()
    x = m.input("x", (4,), "int8", 1.0)
    c = m.constant("c", [1, 2, 3, 4], "int16", 1.0)
    y = m.tensor("y", (4,), "int8", 1.0)
    m.operator("ADD", [x, c], [y], version=2)
    m.output(y)
    with pytest.raises(litert.RuntimeRefused, match=r"ADD") as caught:
        litert.run(m.build(), [[0, 0, 0, 0]])
    assert caught.value.stage == "allocate"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"b": [0, 0, 0, 0]}, "inputs must be"),
        ([], "there must be 1 inputs, not 0"),
        ([[0, 0, 0]], "a: shape must be"),
        ([[0, 0, 0, 128]], "a: values must be exact in int8"),
        ([[0, 0, 0, 0.5]], "a: values must be exact in int8"),
        ([[0, 0, 0, math.nan]], "a: values must be exact in int8"),
    ],
)
def test_inputs_which_do_not_fit_are_refused(inputs: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        litert.run(doubling_chain(["a", "b"]), inputs)  # type: ignore[arg-type]
