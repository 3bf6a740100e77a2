"""What the default resolver's vectors do, on tensors long enough to meet them."""

from __future__ import annotations

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim.errors import ConversionError
from tests.converters.agree import assert_agrees
from tests.zoo.tflite_builder import ModelBuilder


def sum_of_two(shape: tuple[int, ...], seed: int, op: str = "ADD") -> bytes:
    """int16, at scales of which one operand is shifted right."""
    rng = np.random.default_rng(seed)
    larger = float(np.float32(rng.uniform(1e-4, 6e-4)))
    m = ModelBuilder()
    a = m.input("a", shape, "int16", larger)
    b = m.input("b", shape, "int16", float(np.float32(larger * rng.uniform(0.2, 0.9))))
    y = m.tensor("y", shape, "int16", float(np.float32(larger * rng.uniform(1.0, 2.0))))
    m.operator(op, [a, b], [y], version=2, fused_activation_function="NONE", pot_scale_int16=False)
    m.output(y)
    return m.build()


@pytest.mark.parametrize("op", ["ADD", "SUB"])
@pytest.mark.parametrize("seed", range(3))
def test_sums_of_16_bits_on_many_elements(op: str, seed: int) -> None:
    data = sum_of_two((1, 16, 20000), seed, op)
    assert assert_agrees(data, dialect="xnnpack", engine="fast", count=2) == 5 * 320000


@pytest.mark.parametrize("seed", range(2))
def test_those_of_the_reference_kernels_are_others(seed: int) -> None:
    """So the test above can fail."""
    data = sum_of_two((1, 16, 20000), seed)
    with pytest.raises(AssertionError, match="elements differ"):
        assert_agrees(data, dialect="litert-ref", resolver="default", engine="fast", count=2)


def test_a_size_that_mixes_both_rules_is_refused() -> None:
    assert assert_agrees(sum_of_two((1, 3, 5), 0), dialect="xnnpack") > 0  # all left over
    with pytest.raises(ConversionError, match=r"must have a multiple of 16 elements .*, not 17\. \[E8\]"):
        CONVERTER.convert(sum_of_two((1, 17), 0), "xnnpack")
