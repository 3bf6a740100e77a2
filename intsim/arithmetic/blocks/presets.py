"""Block accumulators of real hardware and software, by name (`BLOCK_ACCUMULATORS`) or by parameters."""

from __future__ import annotations

from dataclasses import dataclass

from intsim.arithmetic.blocks.accumulator import BlockAccumulator, ScaleArithmetic, ScaleOrder, ScalePlace
from intsim.arithmetic.blocks.align import Alignment, Join
from intsim.arithmetic.blocks.register import FloatRegister
from intsim.arithmetic.blocks.soft_float import FP32, FloatOverflow, SoftFloat
from intsim.arithmetic.rounding import Rounding
from intsim.errors import SpecError
from intsim.formats.minifloat import ieee

MMA_SIM = "microsoft/MMA-Sim, arXiv 2511.10909"
GGML = "ggml, ggml-cpu/quants.c, ggml_vec_dot_*_generic, without contraction to fused operations"
MICAS = "KULeuven-MICAS/Precision-Scalable_MX, L2_hybrid.sv; arXiv 2505.22404"


@dataclass(frozen=True)
class BlockPreset:
    """A block accumulator that exists.

    name : as it is asked for
    summary : what it does, in one line
    source : where that was read
    accumulator : BlockAccumulator
    """

    name: str
    summary: str
    source: str
    accumulator: BlockAccumulator


def tensor_core(fraction_bits: int, group: int, mantissa_bits: int = 23, exact: int = 1) -> BlockAccumulator:
    """The fused dot products of tensor cores, chained.

    Every `group` terms, of `exact` products each, are aligned with the register and cut toward zero to
    `fraction_bits`; the sum is cut toward zero to a float of 8 exponent bits and `mantissa_bits`.

    Notes
    -----
    Tensor cores take no notice of the sign of E4M3 scales; here scales are what their format says.
    """
    held = SoftFloat(ieee(8, mantissa_bits), Rounding.TOWARD_ZERO, overflow=FloatOverflow.INFINITY)
    return BlockAccumulator(
        exact=exact,
        alignment=Alignment(fraction_bits, group=group),
        register=FloatRegister(held, aligned=True),
    )


# Bits below the point in the 10-bit products, and the offset between the exponents of sum and register.
_POINT = {
    "e5m2": (8, 3),
    "e4m3": (6, 5),
    "e3m2": (4, 7),
}


def truncating_hybrid(element: str, mantissa_bits: int = 23) -> BlockAccumulator:
    """KU Leuven's hybrid MAC: four products, shifted right arithmetically, then aligned with the register.

    Parameters
    ----------
    element : e5m2, e4m3 or e3m2: in its FP8 mode the design keeps fewer bits below a narrower significand
    mantissa_bits : M_out_width, 16 to 23: the register's mantissa, and what else follows from it

    Notes
    -----
    The design's exponents wrap at their ends and it has no subnormals, infinities or NaN; here they are those
    of the register's float. A product that is zero has no exponent here (rule G3). Where the register is the
    larger side, the file gives the sum an exponent that is not the place its shifts put it in; what is here
    is the value of the shifted words.
    """
    if element not in _POINT:
        raise SpecError(f"element must be one of {', '.join(_POINT)}, not {element!r}")
    if not 16 <= mantissa_bits <= 23:
        raise SpecError(f"mantissa_bits must be 16 to 23, not {mantissa_bits}")
    point, offset = _POINT[element]
    fraction = point + mantissa_bits - 8
    return BlockAccumulator(
        exact=1,
        alignment=Alignment(fraction, Rounding.FLOOR, group=4),
        register=FloatRegister(
            SoftFloat(ieee(8, mantissa_bits), Rounding.TOWARD_ZERO),
            join=Join(
                register_bits=fraction + mantissa_bits + 2,
                drop_sum=mantissa_bits + 1 + offset,
                drop_register=2 * mantissa_bits + 7 - offset,
            ),
        ),
    )


def mxdotp(group: int = 8) -> BlockAccumulator:
    """MXDOTP: `group` products in one fixed-point word with the binary32 register, rounded once.

    Notes
    -----
    The word (95 bits for 8 products: 1 of sign, 24 of the register, 1 between, 69 of the products) and the 24
    bits and the sticky bit below it lose nothing that a rounding to nearest looks at, so the word is an exact
    addition. Of zero sums, the sign is IEEE 754's.
    """
    return BlockAccumulator(exact=group, register=FloatRegister(FP32))


def ggml(order: ScaleOrder) -> BlockAccumulator:
    """ggml's portable kernels: integer sums of blocks, then binary32 in the order that the C code has."""
    return BlockAccumulator(
        scales=ScalePlace.SUM,
        scale_arithmetic=ScaleArithmetic(FP32, order),
        register=FloatRegister(FP32),
    )


BLOCK_ACCUMULATORS: dict[str, BlockPreset] = {
    preset.name: preset
    for preset in (
        BlockPreset(
            "exact-fp32",
            "everything exact, one rounding to binary32, to nearest even",
            "OCP Microscaling Formats 1.0, sections 6.1 and 6.2, without the freedom they leave",
            BlockAccumulator(output=FP32, outer=FP32),
        ),
        BlockPreset(
            "block-fp32",
            "exact block sums, each rounded to binary32 and added in binary32, one after another",
            "the block sums of Imperial's MX-for-FPGA (Samson et al. 2024), in a chain",
            BlockAccumulator(register=FloatRegister(FP32, entering=FP32), outer=FP32),
        ),
        BlockPreset(
            "product-fp32",
            "every scaled product rounded to binary32 and added in binary32, one after another",
            "decoded to float32 and added in order: emulation by floats (microsoft/microxcaling)",
            BlockAccumulator(exact=1, register=FloatRegister(FP32, entering=FP32), outer=FP32),
        ),
        BlockPreset(
            "mxdotp",
            "8 products in a 95-bit word with the binary32 register, one rounding to nearest even",
            "pulp-platform/cvfpu, src/mxdotp; Islamoglu et al. 2025, arXiv 2505.13159",
            mxdotp(),
        ),
        BlockPreset(
            "hybrid-e4m3",
            "4 products cut to the largest exponent toward minus infinity, then aligned with the register",
            f"{MICAS}, E4M3, M_out_width 23",
            truncating_hybrid("e4m3"),
        ),
        BlockPreset(
            "hybrid-e5m2",
            "4 products cut to the largest exponent toward minus infinity, then aligned with the register",
            f"{MICAS}, E5M2, M_out_width 23",
            truncating_hybrid("e5m2"),
        ),
        BlockPreset(
            "tensor-ada-fp8",
            "16 FP8 products and the register cut to 13 bits toward zero, held in 14 bits of precision",
            f"{MMA_SIM}, Ada Lovelace, m16n8k32 in halves",
            tensor_core(13, 16, mantissa_bits=13),
        ),
        BlockPreset(
            "tensor-hopper-fp8",
            "32 FP8 products and the register cut to 13 bits toward zero, held in 14 bits of precision",
            f"{MMA_SIM}, Hopper, wgmma with k32",
            tensor_core(13, 32, mantissa_bits=13),
        ),
        BlockPreset(
            "tensor-ampere",
            "8 products and the binary32 register cut to 24 bits toward zero",
            f"{MMA_SIM}, Ampere, m16n8k16 in halves",
            tensor_core(24, 8),
        ),
        BlockPreset(
            "tensor-blackwell-mxfp8",
            "32 scaled products and the binary32 register cut to 25 bits toward zero",
            f"{MMA_SIM}, Blackwell, kinds mxf8f6f4",
            tensor_core(25, 32),
        ),
        BlockPreset(
            "tensor-blackwell-mxfp4",
            "4 scaled exact sums of 16 and the binary32 register cut to 35 bits toward zero",
            f"{MMA_SIM}, Blackwell, kinds mxf4 and mxf4nvf4",
            tensor_core(35, 4, exact=16).replace(outer=FP32),
        ),
        BlockPreset(
            "matrix-cdna3",
            "8 products cut to 24 bits toward zero, then sum and register to 31 and 24 toward minus infinity",
            f"{MMA_SIM}, CDNA3, MFMA of float16 and bfloat16; one rounding to nearest even",
            BlockAccumulator(
                exact=1,
                alignment=Alignment(24, group=8),
                register=FloatRegister(FP32, join=Join(sum_bits=31, register_bits=24)),
            ),
        ),
        BlockPreset(
            "ggml-sum-first",
            "integer block sums, (sum * a) * b and the total in binary32: q4_0 x q8_0",
            GGML,
            ggml(ScaleOrder.SUM_FIRST),
        ),
        BlockPreset(
            "ggml-scales-first",
            "integer block sums, sum * (a * b) and the total in binary32: q8_0, mxfp4, nvfp4, tq2_0 ...",
            GGML,
            ggml(ScaleOrder.SCALES_FIRST),
        ),
    )
}
"""Every named block accumulator."""
