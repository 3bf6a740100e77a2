"""What a number is: formats, and the specification of a tensor of them."""

from intsim.formats.integer import IntFormat
from intsim.formats.real import RealFormat
from intsim.formats.tensor import Quantization, TensorSpec

__all__ = ["IntFormat", "Quantization", "RealFormat", "TensorSpec"]
