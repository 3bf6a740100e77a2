"""The dialect ``tflm`` against TensorFlow Lite Micro itself, operator by operator.

Scales are often fractions: their quotients lie beside ties, where a float32 product in place of a float64
one shows. The networks are in ``tests/zoo``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from intsim_converters.tflite import CONVERTER

from intsim.engine import run
from tests.converters import tflm_models, tflm_moves, tflm_sums
from tests.converters.agree import assert_agrees
from tests.zoo import tflm
from tests.zoo.tflite_builder import ModelBuilder

OPERATORS = {**tflm_models.MODELS, **tflm_moves.MODELS, **tflm_sums.MODELS}
CODES = np.arange(-128, 128, dtype=np.int8)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_integer_is_the_runtimes(name: str) -> None:
    @settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
    @given(OPERATORS[name])
    def check(data: bytes) -> None:
        assert assert_agrees(data, dialect="tflm") > 0

    check()


def model(op: str, shape: tuple[int, ...], twelfths: tuple[int, int, int]) -> bytes:
    """The operator on all codes, times a constant 1 where it has a second operand, at zero points 0."""
    x_scale, one_scale, y_scale = (float(np.float32(n / 12)) for n in twelfths)
    m = ModelBuilder()
    inputs = [m.input("x", shape, "int8", x_scale, 0)]
    if op in ("PRELU", "MUL", "FULLY_CONNECTED", "BATCH_MATMUL"):
        ones = np.ones((1,) * (len(shape) - (op == "PRELU")), int)
        inputs.append(m.constant("one", ones, "int8", one_scale, 0))
    options: dict[str, Any] = {"alpha": one_scale} if op == "LEAKY_RELU" else {}
    y = m.tensor("y", shape, "int8", y_scale, 0)
    m.operator(op, inputs, [y], version={"PRELU": 1, "FULLY_CONNECTED": 4}.get(op, 2), **options)
    m.output(y)
    return m.build()


@pytest.mark.parametrize(
    ("op", "shape", "twelfths"),
    [
        ("ABS", (1, 256), (9, 4, 4)),
        ("BATCH_MATMUL", (1, 256, 1), (9, 4, 4)),
        ("FULLY_CONNECTED", (256, 1), (9, 4, 4)),
        ("LEAKY_RELU", (1, 256), (9, 4, 4)),
        ("MUL", (1, 256), (3, 13, 8)),
        ("PRELU", (1, 1, 1, 256), (9, 4, 4)),
        ("RELU", (1, 256), (9, 4, 4)),
    ],
)
def test_scales_are_multiplied_in_float64(
    op: str, shape: tuple[int, ...], twelfths: tuple[int, int, int]
) -> None:
    """Scales at which TensorFlow Lite Micro and LiteRT's reference kernels part ways."""
    data = model(op, shape, twelfths)
    wanted = tflm.Session(data).run({"x": CODES.reshape(shape)})["y"].ravel()
    found = {}
    for dialect in ("tflm", "litert-ref"):
        network = CONVERTER.convert(data, dialect)
        samples = CODES.reshape(-1, *network.inputs[0].spec.shape)
        found[dialect] = run(network, samples).output.ravel()
    assert np.array_equal(found["tflm"], wanted)
    assert np.count_nonzero(found["litert-ref"] != wanted) > 0
