"""What a dot product of blocks means: soft floats, alignments, registers between blocks, and presets."""

from intsim.arithmetic.blocks.accumulator import BlockAccumulator, ScaleArithmetic, ScaleOrder, ScalePlace
from intsim.arithmetic.blocks.align import Alignment, Anchor, Join
from intsim.arithmetic.blocks.dot import block_dot
from intsim.arithmetic.blocks.ggml_k import q4_k_dot
from intsim.arithmetic.blocks.operand import Operand, operand, unscaled
from intsim.arithmetic.blocks.presets import BLOCK_ACCUMULATORS, BlockPreset
from intsim.arithmetic.blocks.register import FixedRegister, FloatRegister, Kulisch
from intsim.arithmetic.blocks.soft_float import BF16, FP16, FP24, FP32, FloatOverflow, SoftFloat, Tiny
from intsim.arithmetic.blocks.widths import block_sum_bits, kulisch_bits, product_bits

__all__ = [
    "BF16",
    "BLOCK_ACCUMULATORS",
    "FP16",
    "FP24",
    "FP32",
    "Alignment",
    "Anchor",
    "BlockAccumulator",
    "BlockPreset",
    "FixedRegister",
    "FloatOverflow",
    "FloatRegister",
    "Join",
    "Kulisch",
    "Operand",
    "ScaleArithmetic",
    "ScaleOrder",
    "ScalePlace",
    "SoftFloat",
    "Tiny",
    "block_dot",
    "block_sum_bits",
    "kulisch_bits",
    "operand",
    "product_bits",
    "q4_k_dot",
    "unscaled",
]
