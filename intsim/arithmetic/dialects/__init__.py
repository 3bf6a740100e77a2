"""The named requantizations of other tools: `DIALECTS`, by name."""

from intsim.arithmetic.dialects import tflite
from intsim.arithmetic.dialects.base import (
    Dialect,
    ratio_float32,
    ratio_float32_product,
    ratio_float64,
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (*tflite.DIALECTS,)}
"""Every dialect by name."""

__all__ = ["DIALECTS", "Dialect", "ratio_float32", "ratio_float32_product", "ratio_float64"]
