"""What a number is: formats, and the specification of a tensor of them."""

from intsim.formats.bipolar import Bipolar
from intsim.formats.block import BlockFormat, BlockSpecials, Level
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.codebook import Codebook
from intsim.formats.discrete import Discrete
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.integer import IntFormat
from intsim.formats.minifloat import Minifloat, NanCodes
from intsim.formats.packing import Fields, Part, Parts, SignedTriples, Trits, pack, unpack
from intsim.formats.power_of_two import PowerOfTwo
from intsim.formats.real import RealFormat
from intsim.formats.tensor import AnyDiscrete, Quantization, TensorSpec, WeightFormat
from intsim.formats.ternary import Ternary, TernaryCoding

__all__ = [
    "AnyDiscrete",
    "Bipolar",
    "BlockFormat",
    "BlockSpecials",
    "Blocks",
    "Codebook",
    "Discrete",
    "Dyadic",
    "Fields",
    "FixedPoint",
    "IntFormat",
    "Kind",
    "Level",
    "Minifloat",
    "NanCodes",
    "Part",
    "Parts",
    "PowerOfTwo",
    "Quantization",
    "RealFormat",
    "Shared",
    "SignedTriples",
    "TensorSpec",
    "Ternary",
    "TernaryCoding",
    "Trits",
    "WeightFormat",
    "pack",
    "unpack",
]
