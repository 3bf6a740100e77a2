"""Accumulators of real hardware and runtimes, by name: `ACCUMULATORS`."""

from __future__ import annotations

from dataclasses import dataclass

from intsim.arithmetic.accumulate import Accumulator, BiasPlace, Topology, ZeroPointPlace
from intsim.arithmetic.overflow import Overflow
from intsim.formats import IntFormat

_ALL = 2**40  # a tile that no sum outgrows: the outer register is written once


@dataclass(frozen=True)
class Preset:
    """An accumulator that exists.

    name : as a datapath file says it
    summary : what it does, in one line
    source : where that was read
    accumulator : Accumulator
    """

    name: str
    summary: str
    source: str
    accumulator: Accumulator


ACCUMULATORS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "wrap32",
            "32 bits, two's complement wrap; the order does not matter",
            "x86 VPDPBUSD, Arm SDOT, every C int32 accumulator built with wrapping arithmetic",
            Accumulator(IntFormat(32), Overflow.WRAP),
        ),
        Preset(
            "sat32",
            "32 bits, saturated after every product",
            "a saturating multiply-accumulate of one product at a time; for VPDPBUSDS, which adds four"
            " products exactly and saturates once, set tile = 4",
            Accumulator(IntFormat(32), Overflow.SATURATE),
        ),
        Preset(
            "wrap48",
            "48 bits, two's complement wrap, bias preloaded",
            "AMD UG579, UltraScale Architecture DSP Slice: the DSP48E2's 48-bit P register, bias through C",
            Accumulator(IntFormat(48), Overflow.WRAP, bias=BiasPlace.FIRST),
        ),
        Preset(
            "dsp48-pattern",
            "48 bits, an overflow stops the run, as a design that watches the DSP's overflow flags does",
            "AMD UG579: OVERFLOW and UNDERFLOW of the DSP48E2's pattern detector",
            Accumulator(IntFormat(48), Overflow.TRAP, bias=BiasPlace.FIRST),
        ),
        Preset(
            "nvdla-34",
            "64 products summed exactly, added into 34 bits that saturate; the end saturates to 32 bits",
            "nvdla/hw, vmod/nvdla/cacc/NV_NVDLA_CACC_CALC_int8.v (22-bit sums of 64 int8 products in, 34-bit"
            " partial sum, 32-bit result) with cfg_truncate = 0",
            Accumulator(
                IntFormat(32),
                Overflow.SATURATE,
                tile=_ALL,
                inner=Accumulator(IntFormat(34), Overflow.SATURATE, tile=64),
            ),
        ),
        Preset(
            "vpmaddubsw-sat16-pairs",
            "neighbouring products added in pairs into 16 bits that saturate, pairs into 32 bits that wrap;"
            " zero points corrected afterwards",
            "x86 before VNNI: VPMADDUBSW then VPMADDWD by ones, as in ONNX Runtime's MLAS U8S8 kernels",
            Accumulator(
                IntFormat(32),
                Overflow.WRAP,
                tile=2,
                inner=Accumulator(IntFormat(16), Overflow.SATURATE),
                zero_point=ZeroPointPlace.AFTER,
            ),
        ),
        Preset(
            "tree16-sat20",
            "a tree of 16 products, each adder of 20 bits, into a 20-bit register; saturating throughout",
            "the shape of a 16-lane processing element in an FPGA dataflow accelerator",
            Accumulator(
                IntFormat(20),
                Overflow.SATURATE,
                tile=16,
                inner=Accumulator(IntFormat(20), Overflow.SATURATE, topology=Topology.TREE),
            ),
        ),
    )
}
"""Every named accumulator."""
