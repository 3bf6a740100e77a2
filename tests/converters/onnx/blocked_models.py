"""Products with weights that have scales in blocks: their models, and their integers by fractions."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import onnxruntime

from tests.converters.onnx.builder import LIMITS, MICROSOFT, OnnxBuilder

FORMS = ("MatMul", "transposed", "Gemm", "Gemm transB", "Conv", "signal", "MatMulNBits")


def real(value: Any) -> Fraction:
    """A float as the number that it is."""
    return Fraction(float(value))


@dataclass
class Product:
    """Codes between one DequantizeLinear and one QuantizeLinear, multiplied with (K, N) in blocks of K.

    form : one of FORMS
    x, w, y : element types
    scale, zero : of the weights, (G, N)
    bias : floats, or integers with their scale and zero point; none where absent
    """

    form: str
    x: str
    w: str
    y: str
    weights: np.ndarray
    scale: np.ndarray
    zero: np.ndarray | None
    length: int
    rows: int = 3
    x_scale: Any = np.float32(0.03)
    x_zero: int = 0
    y_scale: Any = np.float32(0.5)
    y_zero: int = 0
    bias: Any = None
    bias_meaning: tuple[Any, int] | None = None
    alpha: float = 1.0
    beta: float = 1.0
    relu: bool = False
    kind: str = field(default="float32")

    @property
    def depth(self) -> int:
        return int(self.weights.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input, as the file has it."""
        if self.form == "Conv":
            return 1, self.depth, self.rows, 2
        return (1, self.depth, self.rows) if self.form == "signal" else (self.rows, self.depth)

    def build(self) -> bytes:
        b = OnnxBuilder()
        x = b.dequantize(b.input("x", self.shape, self.x), self._meaning(b, "x"), "x_real")
        bias = [self._bias(b)] if self.bias is not None else []
        if self.form == "MatMulNBits":
            sums = self._packed(b, x, bias)
        else:
            sums = self._fused(b, x, bias)
        if self.relu:
            sums = b.node("Relu", [sums])
        b.output(b.quantize(sums, self._meaning(b, "y"), "y"), self.y)
        return b.build()

    def _meaning(self, b: OnnxBuilder, name: str) -> list[str]:
        scale, zero = getattr(self, f"{name}_scale"), getattr(self, f"{name}_zero")
        return [
            b.constant(f"{name}_scale", scale, self.kind),
            b.constant(f"{name}_zero", zero, getattr(self, name)),
        ]

    def _bias(self, b: OnnxBuilder) -> str:
        if self.bias_meaning is None:
            return b.constant("bias", self.bias, self.kind)
        scale, zero = self.bias_meaning
        meaning = [b.constant("bias_scale", scale, self.kind), b.constant("bias_zero", zero, "int32")]
        return b.dequantize(b.constant("bias_codes", self.bias, "int32"), meaning, axis=0)

    def _fused(self, b: OnnxBuilder, x: str, bias: list[str]) -> str:
        rows_first = self.form in ("transposed", "Gemm transB", "Conv", "signal")
        parts = [part for part in (self.weights, self.scale, self.zero) if part is not None]
        if rows_first:
            parts = [part.T for part in parts]
        if self.form in ("Conv", "signal"):
            parts = [part.reshape(*part.shape, *(1,) * (len(self.shape) - 2)) for part in parts]
        names = [
            b.constant(name, part, dtype)
            for name, part, dtype in zip(
                ("w", "w_scale", "w_zero"), parts, (self.w, self.kind, self.w), strict=False
            )
        ]
        w = b.node("DequantizeLinear", names, axis=1 if rows_first else 0, block_size=self.length)
        if self.form == "transposed":
            w = b.node("Transpose", [w], perm=[1, 0])
        if self.form.startswith("Gemm"):
            turned = int(self.form == "Gemm transB")
            return b.node("Gemm", [x, w, *bias], transB=turned, alpha=self.alpha, beta=self.beta)
        return b.node("Conv" if rows_first and self.form != "transposed" else "MatMul", [x, w, *bias])

    def _packed(self, b: OnnxBuilder, x: str, bias: list[str]) -> str:
        bits = int(self.w.removeprefix("uint"))
        groups, columns = self.scale.shape
        codes = np.zeros((columns, groups * self.length), np.uint8)
        codes[:, : self.depth] = self.weights.T
        names = [
            x,
            b.constant("w", pack(codes, bits).reshape(columns, groups, -1), "uint8"),
            b.constant("w_scale", self.scale.T, self.kind),
            "" if self.zero is None else b.constant("w_zero", pack(self.zero.T, bits), "uint8"),
            "",
            *bias,
        ]
        attributes = {"K": self.depth, "N": columns, "bits": bits, "block_size": self.length}
        return b.node("MatMulNBits", names, domain=MICROSOFT, **attributes)

    # -- by fractions --

    def reals(self) -> np.ndarray:
        """What the weights stand for, (K, N) fractions."""
        zero = self.zero
        if zero is None:
            half = 1 << int(self.w.removeprefix("uint")) - 1 if self.form == "MatMulNBits" else 0
            zero = np.full(self.scale.shape, half)
        found = np.empty(self.weights.shape, object)
        for k, n in np.ndindex(*self.weights.shape):
            group = k // self.length
            found[k, n] = real(self.scale[group, n]) * (int(self.weights[k, n]) - int(zero[group, n]))
        return found

    def bias_reals(self) -> np.ndarray:
        found = [Fraction(0)] * self.weights.shape[1]
        if self.bias is not None:
            codes = np.broadcast_to(np.asarray(self.bias), len(found))
            scale, zero = self.bias_meaning or (1.0, 0)
            scales, zeros = (np.broadcast_to(np.asarray(part), len(found)) for part in (scale, zero))
            parts = zip(codes, scales, zeros, strict=True)
            found = [real(self.beta) * real(s) * (real(c) - int(z)) for c, s, z in parts]
        return np.array(found, object)

    def quotients(self, x: np.ndarray, magnitude: bool = False) -> np.ndarray:
        """The exact real outputs over the scale of the output, rows first; or those of the magnitudes."""
        rows = np.moveaxis(x, 1, -1).reshape(-1, self.depth)
        centred = (rows.astype(object) - self.x_zero) * (real(self.x_scale) * real(self.alpha))
        parts = centred, self.reals(), self.bias_reals()
        if magnitude:
            parts = tuple(abs(part) for part in parts)
        return np.asarray((parts[0] @ parts[1] + parts[2]) / real(self.y_scale))

    def codes(self, x: np.ndarray) -> np.ndarray:
        """The output's codes, of the file's shape."""
        low, high = LIMITS[self.y]
        low = max(low, self.y_zero) if self.relu else low
        limit = np.frompyfunc(lambda v: max(low, min(high, round(v) + self.y_zero)), 1, 1)
        found = limit(self.quotients(x)).astype(self.y)
        return self.as_file(found)

    def as_file(self, rows: np.ndarray) -> np.ndarray:
        if len(self.shape) == 2:
            return rows
        return np.moveaxis(rows.reshape(1, *self.shape[2:], -1), -1, 1)

    def undecided(self, x: np.ndarray) -> np.ndarray:
        """Whether float32's largest error, in any order of additions, reaches from a quotient to a tie."""
        unit = Fraction(1, 1 << 24)
        steps = self.depth + 8  # both operands, product, additions, alpha, beta, bias, quotient
        slack = self.quotients(x, magnitude=True) * (steps * unit / (1 - steps * unit))
        distance = np.frompyfunc(lambda v: abs(v - (v.__floor__() + Fraction(1, 2))), 1, 1)
        return self.as_file(np.asarray(distance(self.quotients(x)) <= slack, dtype=bool))


def pack(rows: np.ndarray, bits: int) -> np.ndarray:
    """Rows of elements as rows of bytes, the first element in the lowest bits."""
    per = 8 // bits
    filled = np.zeros((len(rows), -(-rows.shape[1] // per) * per), np.uint8)
    filled[:, : rows.shape[1]] = rows
    places = np.arange(per, dtype=np.uint8) * np.uint8(bits)
    return np.bitwise_or.reduce(filled.reshape(len(rows), -1, per) << places, axis=-1)


def in_float(data: bytes, x: np.ndarray, name: str = "y") -> np.ndarray:
    """A tensor by ONNX Runtime, every operator as it stands in the file."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([name], {"x": x})[0])
