"""TensorFlow Lite and LiteRT files to networks.

A lowering for one more family of operators: see the recipe in `lowering`, write ``lower_<family>.py``,
and import it here.
"""

from intsim_converters.tflite import (
    lower_activations,
    lower_arguments,
    lower_batch_matmul,
    lower_contraction,
    lower_doors,
    lower_elementwise,
    lower_joining,
    lower_movement,
    lower_pooling,
    lower_reduce,
    lower_resize,
    lower_slicing,
    lower_softmax,
    lower_tables,
    lower_transpose_conv,
)
from intsim_converters.tflite.batch import (
    BatchLayout,
    batch_layout,
    from_sample_batch,
    to_sample_batch,
)
from intsim_converters.tflite.convert import CONVERTER, TfliteConverter
from intsim_converters.tflite.reader import read_model

LOWERED = (
    lower_activations,
    lower_arguments,
    lower_batch_matmul,
    lower_contraction,
    lower_doors,
    lower_elementwise,
    lower_joining,
    lower_movement,
    lower_pooling,
    lower_reduce,
    lower_resize,
    lower_slicing,
    lower_softmax,
    lower_tables,
    lower_transpose_conv,
)
"""The modules that register lowerings, by being imported."""

__all__ = [
    "CONVERTER",
    "LOWERED",
    "BatchLayout",
    "TfliteConverter",
    "batch_layout",
    "from_sample_batch",
    "read_model",
    "to_sample_batch",
]
