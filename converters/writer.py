"""Write quantized networks as intsim network files, with numpy and h5py alone.

For training environments: copy this one file there. It needs Python 3.9 or later and nothing of intsim.
A mistake is refused by the call that makes it, as ``node.field: must be ..., not ...``, and a file is written
whole or not at all. Only what takes arithmetic to know (that a softmax's `rescale` turns 0 into 0) is left to
``intsim check-model``.

>>> w = NetworkWriter(source="my training loop, epoch 12")
>>> x = w.input("image", shape=(8, 8, 1), format="int8", scale=0.1, zero_point=0)
>>> a = w.conv2d("conv1", x, weight=np.ones((4, 3, 3, 1), int), bias=[0, 1, 2, 3], padding=1)
>>> q = w.requantize("relu1", a, multiplier=77, shift=10, rounding="half_up", lo=0, hi=127, format="int8")
>>> p = w.max_pool2d("pool1", q, kernel=2, stride=2)
>>> f = w.reshape("flat", p, shape=(64,))
>>> narrow = {"format": "int16", "overflow": "saturate"}
>>> d = w.dense("fc", f, weight=np.ones((10, 64), int), weight_format="int4", accumulator=narrow)
>>> w.output(d)
>>> w.save("net.h5")
>>> w.shape(d), w.format(d)
((10,), 'int16')

Nothing is fused, as in hardware: `conv2d` and `dense` give sums, in the accumulator's register; `requantize`
makes codes of them. Every op of intsim is there by `NetworkWriter.node`: `OPS` below lists them with their
fields, and `RECORDS` the records that fields are made of. What they compute is told by ``intsim ops NAME``.
Behind these tables comes `NetworkWriter`, and behind it how values are checked, how they are written, and the
ops' rules.

Axes are H W C (there is no batch axis), weights K H W C. From PyTorch's N C H W: a convolution's weight is
``weight.transpose(0, 2, 3, 1)``, and a layer behind a flattened (C, H, W) needs its columns in H W C order:
``weight.reshape(-1, C, H, W).transpose(0, 2, 3, 1).reshape(-1, H * W * C)``.

Blocks under shared scales, as mxfp4 or nvfp4, run along the last axis. A tensor of them is several tensors:
the elements, then for each level of the format, the innermost first, its scale, zero, offset and
offset_scale, as far as it has them. They hold codes (of fixed-point formats integers), and so do the fields
``weight`` and ``weight_scales``: whoever trained the blocks made them, this file makes none of numbers.

>>> w = NetworkWriter()
>>> x = w.input("x", (64,), "bfloat16")
>>> planes = w.node("q", "block_quantize", [x], outputs=["qx", "sx"], format="mxfp4", input_format="bfloat16")
>>> codes, scales = np.ones((10, 64), int), np.full((10, 2), 127)
>>> blocks = {"weight": codes, "weight_scales": [scales], "weight_format": "mxfp4", "input_format": "mxfp4"}
>>> y = w.node("fc", "block_dense", planes, accumulator={"output": {"format": "bfloat16"}}, **blocks)
>>> [(w.shape(name), w.format(name)) for name in (*planes, y)]
[((64,), 'e2m1'), ((2,), 'e8m0'), ((10,), 'bfloat16')]

The file
--------
HDF5. A text is a string of fixed length in UTF-8; integers are int64 (uint64 from 2**63 on); several of
either have one axis. An attribute of more than 32 KiB is written as a dataset of its name.

===================================  ==================  =====================================================
group                                attribute           what it is
===================================  ==================  =====================================================
``/``                                format              text, "intsim-network"
..                                   format_version      integer, 1
..                                   writer, source      texts: the program; where the network comes from
..                                   outputs             texts, names of the tensors that the network gives
``/inputs/NAME``                     position            integer, place among the inputs, from 0
..                                   shape               integers, one sample's sizes
..                                   format              text, as "int8", "uint4", "float32"
``/inputs/NAME/quantization``        scale, zero_point   datasets of one axis, float64 and int64
(optional: an annotation)            axis                integer, axis of the sample that they run along; left
..                                                       out for one value. real = scale * (q - zero_point)
``/nodes/NAME``                      position            integer, place among the nodes, from 0
..                                   op, op_version      text and integer
..                                   inputs              texts, names of the tensors that it reads
..                                   outputs             texts; left out for one tensor of the node's name
..                                   and all fields      as `OPS` says, those with defaults too
``/nodes/NAME/output_quantization``  groups 0, 1, ...    by output, each as ``quantization`` above
===================================  ==================  =====================================================

In NAME, ``%``, ``/`` and ``.`` are written ``%25``, ``%2F`` and ``%2E``. A field is kept as its kind says:

===================================  ====================================  ===================================
kind                                 what you give                         what is written
===================================  ====================================  ===================================
integer                              int                                   attribute, integer
boolean                              bool                                  attribute, enum FALSE = 0, TRUE = 1
format, weight format, ...           "int8", "bipolar", ... (`FORMATS`);   attribute, text
..                                   or a dict of one in `RECORDS`         the same where it has a name, or
..                                                                         else group of fields, and ``type``
rounding, overflow, ...              one of the names in `CHOICES`         attribute, text
pair                                 (down, across), or one int for both   attribute, integers, shape (2,)
padding                              ((above, below), (left, right)),      attribute, integers, shape (2, 2)
..                                   or one int for all four
pairs                                a list of (before, after)             attribute, integers, shape (n, 2)
integers                             a list of ints                        attribute, integers, shape (n,)
order                                "hwc", or a list of ints              attribute, text or integers
array, vector, value or vector       integers; any axes, one, none or one  dataset, int64
real value, real vector, ...         numpy float32 or float64              dataset, the same type
codes in FORMAT                      integers; FORMAT is a format, or a    dataset, the narrowest type that
..                                   field that holds one                  has the format's integers
packed in FORMAT                     the same                              the same; of 1, 2, 4 or 6 bits: a
..                                                                         group, see below
codes                                integers of the format that other     dataset, the narrowest type that
..                                   fields tell                           has the format's integers
Accumulator, ...                     a dict of the fields in `RECORDS`     group of fields
A | B                                a dict that says its "type", too      group of fields and text ``type``
list of A | B, list of codes         a list of such                        group of entries 0, 1, ...
===================================  ====================================  ===================================

A field that is None is left out of the file. Packed are codes of a format's bits, the low bits first in a
stream of bytes: the group has the text ``packing`` ("bits", "two-bit", "nibbles" or "six-bit"), the integers
``shape``, and the dataset ``bytes`` of uint8. The code of an integer is its low bits; of "bipolar", 1 for +1
and 0 for -1; of "ternary", 0 to 2 for -1 to +1; of a codebook, its place. "six-bit" has groups of four codes.
"""

from __future__ import annotations

import difflib
import functools
import io
import math
import os
import re
import secrets
from typing import Any, NamedTuple

import h5py
import numpy as np


class WriterError(ValueError):
    """What is wrong with a network, in the words of whoever writes it."""


class _Required:
    def __repr__(self):
        return "REQUIRED"


REQUIRED = _Required()


class Field(NamedTuple):
    """A field of an op or of a record."""

    kind: str
    meaning: str
    default: Any = REQUIRED  # None: may be left out
    low: int = -(2**63)  # for integers, alone or in arrays
    high: int = 2**64 - 1


# ---- What there is to say: choices, records, ops -------------------------------------------------------

CHOICES = {
    "rounding": (
        *("floor", "ceil", "toward_zero", "away_from_zero"),
        *("half_up", "half_down", "half_away", "half_toward_zero", "half_even", "half_odd"),
        "stochastic",
    ),
    "overflow": ("wrap", "saturate", "trap"),
    "topology": ("chain", "tree"),
    "bias place": ("first", "last"),
    "zero point place": ("subtract", "preload", "after"),
    "compare": ("at_least", "above"),
    "border": ("constant", "reflect", "symmetric"),
    "ternary coding": ("offset", "offset_two", "twos_complement", "plus_minus"),
    "nan codes": ("none", "top_code", "top_exponent", "minus_zero"),
    "group scales": ("sum", "weight"),
    "scale mode": ("floor", "ceil", "rceil", "even"),
    "beyond": ("saturate", "special", "trap"),
    "block specials": ("refuse", "nan_scale", "elements"),
    "scale place": ("term", "sum"),
    "scale order": ("sum_first", "scales_first"),
    "tiny": ("keep", "before", "after"),
    "float overflow": ("ieee", "infinity", "largest", "trap"),
    "anchor": ("operands", "leading"),
    "float function": ("add", "subtract", "multiply", "maximum", "minimum"),
}

STEPS = "Add | ShiftLeft | Multiply | ShiftRight | Clamp | Scale | Thresholds | Table | Slice"
_INTO = {"into": Field("Register", "register that holds the step's result; None: exact", None)}

RECORDS = {
    "Register": {
        "format": Field("format", "width and signedness"),
        "overflow": Field("overflow", "of what does not fit", "wrap"),
    },
    "Accumulator": {
        "format": Field("format", "the register that a sum is made in", "int32"),
        "overflow": Field("overflow", "applied after every addition", "wrap"),
        "order": Field("order", "reduction axes outermost first, or every term's place", "hwc"),
        "topology": Field("topology", "terms one after another, or in pairs and pairs of pairs", "chain"),
        "tile": Field("integer", "consecutive terms that inner sums before they enter; None: 1", None, 1),
        "inner": Field("Accumulator", "the register of one tile; None: exact", None),
        "bias": Field("bias place", "loaded before the terms, or added after them", "last"),
        "zero_point": Field("zero point place", "when zero points enter the sum", "subtract"),
    },
    "Add": {**_INTO, "values": Field("value or vector", "added", 0)},
    "ShiftLeft": {**_INTO, "bits": Field("value or vector", "value * 2**bits", 0, 0, 62)},
    "Multiply": {**_INTO, "multipliers": Field("value or vector", "value * multipliers", 1)},
    "ShiftRight": {
        **_INTO,
        "bits": Field("value or vector", "value / 2**bits", 0, 0, 62),
        "rounding": Field("rounding", "of what is shifted out", "floor"),
        "seed": Field("integer", "of the rounding stochastic", 0, 0),
    },
    "Clamp": {
        **_INTO,
        "lo": Field("value or vector", "lower limit", 0),
        "hi": Field("value or vector", "upper limit", 0),
    },
    "Scale": {
        **_INTO,
        "factors": Field("real value or vector", "round((value + before) * factors + after)", np.float64(1)),
        "rounding": Field("rounding", "to an integer; not stochastic", "half_even"),
        "before": Field("real value or vector", "in the dtype of factors, which is the arithmetic's", None),
        "after": Field("real value or vector", "in the dtype of factors", None),
    },
    "Thresholds": {
        **_INTO,
        "values": Field("array", "ascending; one list, or one row per channel; the step counts them", (0,)),
        "compare": Field("compare", "whether a value counts the threshold that it equals", "at_least"),
    },
    "Table": {
        **_INTO,
        "entries": Field("vector", "entries[value - first]", (0,)),
        "first": Field("integer", "the value of the first entry", 0),
    },
    "Slice": {
        **_INTO,
        "hi": Field("integer", "highest bit kept", 7, 0, 62),
        "lo": Field("integer", "lowest bit kept", 0, 0, 62),
        "signed": Field("boolean", "whether bit hi is the result's sign", True),
    },
    "Requantization": {
        "steps": Field(f"list of {STEPS}", "applied in order; vectors run along the last axis"),
        "format": Field("format", "of the code", "int8"),
        "overflow": Field("overflow", "of what the code's register does not hold", "saturate"),
    },
    "Between": {
        "low": Field("vector", "for each output row, the one input row that it lies between", low=0),
        "high": Field("vector", "the other input row", low=0),
        "weight": Field("vector", "the other row's parts of 2**weight_bits", low=0),
    },
    "FixedPointSoftmax": {
        "rescale": Field("Requantization", "of code - largest code, to Q5.26; 0 to 0"),
        "diff_min": Field("integer", "the least difference that is looked at", low=-(2**31), high=0),
    },
    "TableSoftmax": {
        "rescale": Field("Requantization", "of code - largest code, so that -65535 stands for -10"),
        "exponential": Field("codes in int16", "513: exp on [-10, 0] times 2**15", low=0),
        "reciprocal": Field("codes in int16", "513: 1 / (1 + x) on [0, 1] times 2**15"),
    },
    "FloatSoftmax": {
        "table": Field("real vector", "float32, exp for every difference up to 0"),
        "scale": Field("real value", "float32, what a code of the output stands for"),
        "zero_point": Field("integer", "of the output", 0),
        "rounding": Field("rounding", "to an integer; not stochastic", "half_away"),
    },
    "QuotientSoftmax": {
        "table": Field("real vector", "float32, exp for every difference up to 0"),
        "multiplier": Field("real value", "float32, how many codes of the output stand for 1"),
        "zero_point": Field("integer", "of the output", 0, -(2**24), 2**24),
    },
    "Quantization": {
        "scale": Field("real vector", "float64, positive, one or one per index of axis"),
        "zero_point": Field("vector", "as many"),
        "axis": Field("integer", "of the sample, that they run along", None, 0),
    },
    "Bipolar": {
        "positive": Field("integer", "the bit that stands for +1", 1, 0, 1),
        "zero": Field("integer", "what a zero becomes, 1 or -1", 1, -1, 1),
    },
    "Ternary": {"coding": Field("ternary coding", "which two bits stand for what", "offset")},
    "Codebook": {
        "values": Field(
            "vector", "the integers that codes 0, 1, ... stand for", low=1 - 2**53, high=2**53 - 1
        ),
        "exponent": Field("integer", "of the power of two that one counts", 0, -4096, 4096),
    },
    "FixedPoint": {
        "bits": Field("integer", "width", low=1, high=32),
        "signed": Field("boolean", "two's complement, or unsigned", True),
        "exponent": Field("integer", "of the power of two that one counts", 0, -4096, 4096),
        "offset": Field("integer", "the code that stands for 0", 0, 1 - 2**32, 2**32 - 1),
    },
    "Minifloat": {
        "exponent_bits": Field("integer", "of the exponent field", low=0, high=11),
        "mantissa_bits": Field("integer", "without the leading 1", low=0, high=52),
        "bias": Field("integer", "field minus bias is the exponent", low=-4096, high=4096),
        "infinities": Field("boolean", "whether there are infinities", False),
        "nan": Field("nan codes", "which codes are NaN", "none"),
        "subnormals": Field("boolean", "whether exponent field 0 has small values", True),
        "signed": Field("boolean", "whether there is a sign bit", True),
        "signed_zero": Field("boolean", "whether minus zero is a value", True),
    },
    "PowerOfTwo": {
        "bits": Field("integer", "width", low=1, high=11),
        "bias": Field("integer", "the code of 1", 0, -4096, 4096),
        "nan": Field("boolean", "whether the top code is NaN", False),
        "down": Field("boolean", "whether larger codes are smaller", False),
    },
    "BlockFormat": {
        "element": Field("element format", "of an element"),
        "levels": Field("list of Level", "what is shared, from the innermost outward"),
        "packing": Field("Fields | Trits | SignedTriples | Parts", "how elements lie in memory", None),
        "symmetric": Field("boolean", "never write the lowest fixed-point code", False),
        "specials": Field("block specials", "what writing does with NaN and infinities", "refuse"),
    },
    "Level": {
        "size": Field("integer", "elements that share; 0 for all of a tensor or channel", low=0),
        "scale": Field("scale format", "what the elements are multiplied with"),
        "zero": Field("number format", "taken from elements before the scale", None),
        "offset": Field("number format", "taken from values after the scale", None),
        "offset_scale": Field("scale format", "of inner levels' offsets, where it is not scale", None),
    },
    "Fields": {
        "bits": Field("integer", "of a code", low=1, high=32),
        "order": Field("integers", "the element that each field of a word holds, low bits first", low=0),
        "words": Field("integer", "of a group: how far apart the elements of a word are", 1, 1),
        "bytes": Field("integer", "of a word", 1, 1, 8),
        "big_endian": Field("boolean", "the most significant byte of a word comes first", False),
    },
    "Trits": {
        "digits": Field("integer", "codes in a byte", low=1, high=5),
        "words": Field("integer", "bytes of a group: how far apart the codes of a byte are", 1, 1),
        "scaled": Field("boolean", "the byte is the number times 256 / 243, rounded up", False),
        "least_first": Field("boolean", "the first code is the least significant digit", False),
    },
    "SignedTriples": {},
    "Part": {
        "count": Field("integer", "elements, whole groups of the packing", low=1),
        "packing": Field("Fields | Trits", "how they are packed"),
    },
    "Parts": {"parts": Field("list of Part", "stretches one after another")},
    "SoftFloat": {
        "format": Field("float format", "of operands and results", "binary32"),
        "rounding": Field("rounding", "of every result; not stochastic", "half_even"),
        "tiny": Field("tiny", "what becomes of results below the smallest normal value", "keep"),
        "flush_inputs": Field("boolean", "subnormal operands count as zero", False),
        "overflow": Field("float overflow", "what becomes of results beyond the largest", "ieee"),
    },
    "Alignment": {
        "fraction_bits": Field("integer", "bits kept below the largest exponent", low=0, high=1024),
        "rounding": Field("rounding", "of what is cut off; not stochastic", "toward_zero"),
        "sticky": Field("boolean", "what is cut off sets the last place", False),
        "group": Field("integer", "terms aligned together; 0: those of a block", 0, 0),
        "anchor": Field("anchor", "where a term's exponent is taken from", "operands"),
    },
    "Join": {
        "sum_bits": Field("integer", "bits of the sum kept below the exponent; None: all", None, 0, 1024),
        "register_bits": Field("integer", "bits of the register kept below it", None, 0, 1024),
        "rounding": Field("rounding", "of what is cut off; not stochastic", "floor"),
        "drop_sum": Field("integer", "exponents by which a smaller sum is left out", None, 0, 1024),
        "drop_register": Field("integer", "exponents by which a smaller register is", None, 0, 1024),
    },
    "Kulisch": {},
    "FixedRegister": {
        "bits": Field("integer", "width, two's complement", low=1, high=4096),
        "fraction_bits": Field("integer", "bits below the point", low=-4096, high=4096),
        "overflow": Field("overflow", "applied after every addition", "wrap"),
        "rounding": Field("rounding", "of values before they enter; not stochastic", "floor"),
    },
    "FloatRegister": {
        "float": Field("SoftFloat", "the register, and the rounding of its sums", {}),
        "entering": Field("SoftFloat", "rounds values before they enter; None: exact", None),
        "topology": Field("topology", "values one after another, or in pairs and pairs of pairs", "chain"),
        "parts": Field("integer", "registers that share the values", 1, 1),
        "interleaved": Field("boolean", "every parts-th value is a part's", False),
        "aligned": Field("boolean", "the register is a term of every alignment", False),
        "join": Field("Join", "how group sum and register are aligned with each other", None),
    },
    "ScaleArithmetic": {
        "float": Field("SoftFloat", "rounds every product", {}),
        "order": Field("scale order", "which product is made first", "scales_first"),
    },
    "BlockAccumulator": {
        "exact": Field("integer", "products of a block added exactly to a term; 0: all", 0, 0),
        "alignment": Field("Alignment", "of groups of terms; None: none", None),
        "scales": Field("scale place", "what the scales multiply", "term"),
        "scale_arithmetic": Field("ScaleArithmetic", "a float; None: exact", None),
        "register": Field("Kulisch | FixedRegister | FloatRegister", "adds the blocks", {"type": "Kulisch"}),
        "output": Field("SoftFloat", "rounds the result; None: nothing does", None),
        "outer": Field("SoftFloat", "multiplies scales of whole tensors; None: none", None),
    },
}


def _minifloat(exponent_bits, mantissa_bits, bias, **fields):
    widths = {"exponent_bits": exponent_bits, "mantissa_bits": mantissa_bits, "bias": bias}
    return {"type": "Minifloat", **widths, **fields}


_IEEE = {"infinities": True, "nan": "top_exponent"}
_FNUZ = {"nan": "minus_zero", "signed_zero": False}


def _blocks(element, *levels, **fields):
    shared = [{"size": size, "scale": scale, **rest} for size, scale, rest in levels]
    return {"type": "BlockFormat", "element": element, "levels": shared, **fields}


def _mx(element, **fields):
    return _blocks(element, (32, "e8m0", {}), **fields)


def _micro(mantissa_bits):
    shift = {"type": "PowerOfTwo", "bits": 1, "down": True}
    return _blocks(_minifloat(0, mantissa_bits, 0), (2, shift, {}), (16, "e8m0", {}))


def _whole(bits, **fields):
    return {"type": "FixedPoint", "bits": bits, "signed": False, **fields}


def _groups(zero, packing):
    return _blocks(_whole(4), (128, "float16", {"zero": zero}), packing=packing)


def _nibbles(order, words=1, bytes=1):
    return {"type": "Fields", "bits": 4, "order": order, "words": words, "bytes": bytes}


def _trits(digits, words):
    return {"type": "Trits", "digits": digits, "words": words, "scaled": True}


_GPTQ, _AWQ = (_nibbles(order, bytes=4) for order in (tuple(range(8)), (0, 2, 4, 6, 1, 3, 5, 7)))
_TQ1_0 = [(160, _trits(5, 32)), (80, _trits(5, 16)), (16, _trits(4, 4))]
_TQ2_0 = {"type": "Fields", "bits": 2, "order": (0, 1, 2, 3), "words": 32}
_IQ4_NL = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

NAMED = {
    "bipolar": {"type": "Bipolar"},
    "bipolar-dabnn": {"type": "Bipolar", "zero": -1},
    "bipolar-larq": {"type": "Bipolar", "positive": 0},
    "ternary": {"type": "Ternary"},
    "ternary-gpu": {"type": "Ternary", "coding": "offset_two"},
    "ternary-twos": {"type": "Ternary", "coding": "twos_complement"},
    "ternary-planes": {"type": "Ternary", "coding": "plus_minus"},
    "iq4_nl": {"type": "Codebook", "values": _IQ4_NL},
    "e5m2": _minifloat(5, 2, 15, **_IEEE),
    "e4m3": _minifloat(4, 3, 7, nan="top_code"),
    "e3m2": _minifloat(3, 2, 3),
    "e2m3": _minifloat(2, 3, 1),
    "e2m1": _minifloat(2, 1, 1),
    "e8m0": {"type": "PowerOfTwo", "bits": 8, "bias": 127, "nan": True},
    "e4m3fnuz": _minifloat(4, 3, 8, **_FNUZ),
    "e5m2fnuz": _minifloat(5, 2, 16, **_FNUZ),
    "e4m3b11fnuz": _minifloat(4, 3, 11, **_FNUZ),
    "e3m4": _minifloat(3, 4, 3, **_IEEE),
    "e4m3-ieee": _minifloat(4, 3, 7, **_IEEE),
    "binary32": _minifloat(8, 23, 127, **_IEEE),
    "float16": _minifloat(5, 10, 15, **_IEEE),
    "bfloat16": _minifloat(8, 7, 127, **_IEEE),
    "tf32": _minifloat(8, 10, 127, **_IEEE),
    "mxfp8-e5m2": _mx("e5m2"),
    "mxfp8-e4m3": _mx("e4m3"),
    "mxfp6-e3m2": _mx("e3m2"),
    "mxfp6-e2m3": _mx("e2m3"),
    "mxfp4": _mx("e2m1"),
    "mxint8": _mx({"type": "FixedPoint", "bits": 8, "exponent": -6}, symmetric=True),
    "mx9": _micro(7),
    "mx6": _micro(4),
    "mx4": _micro(2),
    "nvfp4": _blocks("e2m1", (16, "e4m3", {}), (0, "binary32", {})),
    "vs-quant": _blocks(
        {"type": "FixedPoint", "bits": 4}, (16, _whole(4), {}), (0, "float16", {}), symmetric=True
    ),
    "gptq": _groups(_whole(4, offset=-1), _GPTQ),
    "gptq-v2": _groups(_whole(4), _GPTQ),
    "awq": _groups(_whole(4), _AWQ),
    "qserve": _blocks(_whole(4), (128, _whole(8), {"offset": _whole(8)}), (0, "float16", {})),
    "q4_0": _blocks(_whole(4, offset=8), (32, "float16", {}), packing=_nibbles((0, 1), 16)),
    "q8_0": _blocks({"type": "FixedPoint", "bits": 8}, (32, "float16", {})),
    "q4_k": _blocks(
        _whole(4),
        (32, _whole(6), {"offset": _whole(6)}),
        (256, "float16", {"offset_scale": "float16"}),
        packing=_nibbles((0, 1), 32),
    ),
    "tq1_0": _blocks(
        "ternary",
        (256, "float16", {}),
        packing={"type": "Parts", "parts": [{"count": n, "packing": trits} for n, trits in _TQ1_0]},
    ),
    "tq2_0": _blocks("ternary", (256, "float16", {}), packing=_TQ2_0),
}
"""The formats beside int1 to int64 and uint1 to uint64 that have a name."""

FORMATS = {"format": ("IntFormat",), "real format": ("RealFormat",), "sign format": ("Bipolar", "Ternary")}
FORMATS["weight format"] = (*FORMATS["format"], *FORMATS["sign format"], "Codebook")
FORMATS["whole format"] = (*FORMATS["weight format"], "FixedPoint")
FORMATS["zero format"] = (*FORMATS["format"], "FixedPoint")
FORMATS["code format"] = (*FORMATS["format"], "Minifloat")
FORMATS["tensor format"] = (*FORMATS["whole format"], "Minifloat", "PowerOfTwo")
FORMATS["input format"] = (*FORMATS["tensor format"], *FORMATS["real format"])
FORMATS["float format"], FORMATS["block format"] = ("Minifloat",), ("BlockFormat",)
FORMATS["number format"] = ("Minifloat", "FixedPoint")
FORMATS["scale format"] = ("PowerOfTwo", *FORMATS["number format"])
FORMATS["element format"] = ("FixedPoint", "Minifloat", *FORMATS["sign format"], "Codebook")
FORMATS["block or number format"] = (*FORMATS["block format"], *FORMATS["number format"])
"""The kinds of fields that hold a number format, and which formats those are."""

_ANY_FORMAT = " | ".join(name for name in (*FORMATS["tensor format"], "BlockFormat") if name in RECORDS)

_INT8 = Field("format", "of the output", "int8")
_CODES = Field("code format", "of the output", "int8")
_AXIS = Field("integer", "of a sample, from 0", low=0)
_AXES = Field("integers", "of a sample, ascending", low=0)
_ZERO_POINT = Field("integer", "the input's", 0)
_REGISTER = {"register": Field("Register", "holds the exact result", {"format": "int32"})}
_ACCUMULATOR = {"accumulator": Field("Accumulator", "how each sum is made", {})}
_KEEPDIMS = {"keepdims": Field("boolean", "keep what is reduced, with size 1", False)}
_STRIDE = {
    "stride": Field("pair", "down, across", (1, 1), 1, 2**16),
    "dilation": Field("pair", "down, across", (1, 1), 1, 2**16),
}
_PADDING = {"padding": Field("padding", "adds nothing to sums and maxima", ((0, 0), (0, 0)), 0, 2**16)}
_POOL = {"kernel": Field("pair", "taps down, across", low=1, high=2**16), **_STRIDE, **_PADDING}
_GROUPS = {"groups": Field("integer", "that the channels are split into", 1, 1)}
_WEIGHTED = {
    "weight_format": Field("weight format", "of the weights", "int8"),
    "bias": Field("value or vector", "added to every sum, one or one per output channel", 0),
    "input_zero_point": _ZERO_POINT,
    "weight_zero_point": Field("value or vector", "one or one per output channel", 0),
}
_BRANCHES = {
    "positive": Field("Requantization", "of x - zero point, where that is 0 or more"),
    "negative": Field("Requantization", "of x - zero point (times the slope), where that is below 0"),
}
_ARGUMENT = {
    "axis": _AXIS,
    **_KEEPDIMS,
    "last": Field("boolean", "of equal elements the last", False),
    "format": Field("format", "of the output", "int32"),
}
_DOOR = {
    "scale": Field("real value or vector", "positive, one or one per index of axis"),
    "zero_point": Field("value or vector", "one, or as many as scale", 0, 1 - 2**33, 2**33 - 1),
    "axis": Field("integer", "of the sample, that several scales run along", None, 0),
}


def _weight(shape):
    return {"weight": Field("packed in weight_format", f"shape {shape}")}


_INPUT = {
    "shape": Field("integers", "one sample's sizes", low=1),
    "format": Field("input format", "of the numbers"),
}

OPS = {
    "add": _REGISTER,
    "arg_max": _ARGUMENT,
    "arg_min": _ARGUMENT,
    "avg_pool2d": {
        **_POOL,
        "rounding": Field("rounding", "of the quotient; not stochastic", "half_away"),
        "zero_point": Field("integer", "taken off before the division, put back after it", 0),
        "count_padding": Field("boolean", "whether taps outside the image count", False),
    },
    "batch_matmul": {
        "x_zero_point": Field("integer", "the first input's", 0),
        "y_zero_point": Field("integer", "the second input's", 0),
        "transpose_x": Field("boolean", "swap the last two axes of the first input", False),
        "transpose_y": Field("boolean", "swap the last two axes of the second input", False),
        **_ACCUMULATOR,
    },
    "block_dense": {
        "weight": Field("packed in weight_format.element", "shape (K, C)"),
        "weight_scales": Field("list of codes", "of levels' scales, shape (K, blocks); of size 0, 1 or K"),
        "weight_format": Field("block format", "of the weights"),
        "input_format": Field("block or number format", "of the input; None: integers as they are", None),
        "outer": Field("vector", "the input's scales of levels of size 0; None: planes", None),
        "bias": Field("codes", "of the output's float, one or one per output channel", None),
        "accumulator": Field("BlockAccumulator", "how each sum is made", {"output": {}, "outer": {}}),
    },
    "block_dequantize": {
        "format": Field("block format", "of the blocks"),
        "outer": Field("vector", "scales of levels of size 0; None: planes", None),
        "output": Field("SoftFloat", "rounds every value", {}),
        "real": Field("boolean", "give float32 in place of codes of binary32", False),
    },
    "block_quantize": {
        "format": Field("block format", "of the blocks"),
        "input_format": Field("number format", "of the input; None: integers as they are, or reals", None),
        "mode": Field("scale mode", "of power-of-two scales", "floor"),
        "rounding": Field("rounding", "of elements; not stochastic", "half_even"),
        "beyond": Field("beyond", "of power-of-two scales above the largest", "saturate"),
        "per_row": Field("boolean", "an outer scale for every row, not one", False),
        "outer": Field("vector", "the outer scale's code; None: it follows from the values", None),
    },
    "clamp": {"lo": Field("integer", "lower limit"), "hi": Field("integer", "upper limit")},
    "concat": {"axis": _AXIS},
    "constant": {
        "values": Field("packed in format", "one sample"),
        "format": Field("tensor format", "of the output", "int8"),
    },
    "conv2d": {
        **_weight("(K, KH, KW, C / groups)"),
        **_WEIGHTED,
        **_STRIDE,
        **_PADDING,
        **_GROUPS,
        **_ACCUMULATOR,
    },
    "dense": {**_weight("(K, C)"), **_WEIGHTED, **_ACCUMULATOR},
    "depth_to_space": {"block": Field("integer", "side of a block", low=1)},
    "depthwise_conv2d": {
        **_weight("(C, M, KH, KW), for C * M outputs"),
        **_WEIGHTED,
        **_STRIDE,
        **_PADDING,
        **_ACCUMULATOR,
    },
    "dequantize": {
        **_DOOR,
        "format": Field("real format", "of the output", "float32"),
        "input_format": Field("float format", "of an input that holds codes; None: integers", None),
    },
    "embedding_lookup": {"table": Field("packed in format", "one row per index"), "format": _INT8},
    "float_avg_pool2d": {
        **_POOL,
        "table": Field("real vector", "float32, what each code stands for, from the smallest on"),
        "scale": Field("real value", "float32, what a code of the output stands for"),
        "zero_point": Field("integer", "of the output", 0),
        "count_padding": Field("boolean", "whether taps outside the image count", False),
        "input_format": Field("format", "of the input, at most 16 bits", "int8"),
        "format": _INT8,
    },
    "float_elementwise": {
        "function": Field("float function", "what is done with the two"),
        "lhs_scale": Field("real value", "float32, what a code of the first input stands for"),
        "rhs_scale": Field("real value", "float32, what a code of the second input stands for"),
        "scale": Field("real value", "float32, what a code of the output stands for"),
        "lhs_zero_point": Field("integer", "of the first input", 0),
        "rhs_zero_point": Field("integer", "of the second input", 0),
        "zero_point": Field("integer", "of the output", 0),
        "format": _INT8,
    },
    "gather": {"axis": _AXIS, "indices": Field("array", "places; None: the second input", None, 0)},
    "group_dense": {
        **_weight("(K, C)"),
        "scale": Field("packed in scale_format", "shape (K, G) for the G groups of C"),
        "group": Field("integer", "elements of a group", low=1),
        "zero": Field("packed in zero_format", "taken from weights, one or (K, G)", 0),
        "offset": Field("packed in offset_format", "taken from scaled weights, one or (K, G)", 0),
        "weight_format": Field("whole format", "of weights", "uint4"),
        "scale_format": Field("format", "of scales", "uint8"),
        "zero_format": Field("zero format", "of zeros", "uint4"),
        "offset_format": Field("zero format", "of offsets", "uint8"),
        "bias": Field("value or vector", "added to every sum, one or one per output channel", 0),
        "input_zero_point": _ZERO_POINT,
        "scales": Field("group scales", "what a scale multiplies: the sum of a group, or its weights", "sum"),
        "weight_register": Field("Register", "holds scaled weights; None: exact", None),
        "scale_product": Field("Requantization", "of the product of both scales; None: exact", None),
        **_ACCUMULATOR,
    },
    "hard_swish": {
        "output_multiplier": Field("integer", "of 16 bits", low=0, high=2**15 - 1),
        "output_shift": Field("integer", "to the right", low=0, high=15),
        "relu_multiplier": Field("integer", "of 16 bits", low=0, high=2**15 - 1),
        "relu_shift": Field("integer", "to the left where above 0", low=-15, high=31),
        "input_zero_point": Field("integer", "the input's", 0, -(2**15), 2**15 - 1),
        "output_zero_point": Field("integer", "the output's", 0, -(2**15), 2**15 - 1),
        "format": _INT8,
    },
    "l2_normalization": {
        "input_zero_point": Field("integer", "the input's", 0, -(2**31), 2**31 - 1),
        "output_zero_point": Field("integer", "the output's", 0, -(2**31), 2**31 - 1),
        "format": _INT8,
        "output_bits": Field("integer", "fraction bits of the output", 7, 0, 15),
        "scaled_first": Field("boolean", "scale before the product", False),
        "single_rounding": Field("boolean", "round the product once", False),
    },
    "leaky_relu": {**_BRANCHES, "input_zero_point": _ZERO_POINT},
    "log_softmax": {
        "rescale": Field("Requantization", "of code - largest code, to Q5.26; 0 to 0"),
        "reverse": Field("Requantization", "from Q5.26 back"),
        "diff_min": Field("integer", "the least difference that is summed", low=-(2**31), high=0),
        "format": _INT8,
    },
    "lookup": {
        "entries": Field("codes in format", "one per code of the input, from the smallest code on"),
        "input_format": Field("code format", "of the input, at most 16 bits", "int8"),
        "format": _CODES,
        "interpolation_bits": Field("integer", "low bits of a code that interpolate", 0, 0),
    },
    "max_pool2d": _POOL,
    "maximum": {},
    "mean": {
        "axes": _AXES,
        **_KEEPDIMS,
        "rounding": Field("rounding", "of the quotient; not stochastic", "half_away"),
        "zero_point": Field("integer", "taken off before the division, put back after it", 0),
    },
    "minimum": {},
    "mul": _REGISTER,
    "pack": {"axis": _AXIS},
    "pad": {
        "padding": Field("pairs", "(before, after) for every axis", low=0),
        "value": Field("integer", "of a constant border", 0),
        "mode": Field("border", "what the border holds", "constant"),
    },
    "prelu": {
        "slope": Field("codes in slope_format", "a shape that broadcasts to the sample's"),
        **_BRANCHES,
        "slope_format": Field("format", "of the slope", "int8"),
        "slope_zero_point": Field("integer", "the slope's", 0),
        "input_zero_point": _ZERO_POINT,
    },
    "quantize": {
        **_DOOR,
        "format": _CODES,
        "rounding": Field("rounding", "of the quotient; not stochastic", "half_away"),
        "reciprocal": Field("boolean", "multiply by 1 / scale, do not divide", False),
    },
    "reduce_max": {"axes": _AXES, **_KEEPDIMS},
    "reduce_min": {"axes": _AXES, **_KEEPDIMS},
    "requantize": {
        "requantization": Field("Requantization", "from sums to codes"),
        "format": Field("sign format", "what the code is written into, by its sign", None),
    },
    "reshape": {"shape": Field("integers", "of one sample", low=1)},
    "resize_bilinear": {
        "rows": Field("Between", "the input rows of each output row"),
        "columns": Field("Between", "the input columns of each output column"),
        "weight_bits": Field("integer", "a weight of 2**weight_bits is one", 10, 0, 30),
        "rounding": Field("rounding", "of the sum of products; not stochastic", "half_away"),
    },
    "resize_nearest": {
        "rows": Field("vector", "the input row of each output row", low=0),
        "columns": Field("vector", "the input column of each output column", low=0),
    },
    "select": {},
    "slice": {
        "begin": Field("integers", "the first place read, per axis"),
        "size": Field("integers", "how many places, per axis", low=1),
        "stride": Field("integers", "from one place to the next, may be negative; all 1 if empty", ()),
    },
    "softmax": {
        "recipe": Field(
            "FixedPointSoftmax | TableSoftmax | FloatSoftmax | QuotientSoftmax", "how a row is computed"
        ),
        "format": _INT8,
    },
    "space_to_depth": {"block": Field("integer", "side of a block", low=1)},
    "split": {"axis": _AXIS, "sizes": Field("integers", "of the outputs along axis", low=1)},
    "squared_difference": _REGISTER,
    "sub": _REGISTER,
    "sum": {"axes": _AXES, **_KEEPDIMS, **_ACCUMULATOR},
    "tile": {"multiples": Field("integers", "how often, per axis", low=1)},
    "transpose": {"permutation": Field("integers", "the input axis that each output axis is", low=0)},
    "transpose_conv2d": {
        **_weight("(K, KH, KW, C / groups)"),
        "output_size": Field("pair", "height and width of the output", low=1),
        **_WEIGHTED,
        **_STRIDE,
        "offset": Field("pair", "rows above and columns left that are dropped", (0, 0), 0),
        **_GROUPS,
        **_ACCUMULATOR,
    },
    "unpack": {"axis": _AXIS},
}
"""Every op by name, with its fields in the order of the file."""

INPUTS = {
    "block_dense": (1, None),
    "block_dequantize": (1, None),
    "constant": (0, 0),
    "gather": (1, 2),
    "group_dense": (1, 2),
    "select": (3, 3),
    **dict.fromkeys(("concat", "pack"), (1, None)),
    **dict.fromkeys(
        (
            "add",
            "sub",
            "mul",
            "float_elementwise",
            "maximum",
            "minimum",
            "squared_difference",
            "batch_matmul",
        ),
        (2, 2),
    ),
}
"""How many tensors an op reads, at least and at most (None: any number); all others read one."""

VERSIONS = {}
"""Versions of ops' rules; those of all others are 1."""

MOVES = ("concat", "depth_to_space", "gather", "pack", "pad", "reshape", "resize_nearest", "slice")
MOVES += ("select", "space_to_depth", "split", "tile", "transpose", "unpack")
WHOLE = (
    "arg_max",
    "arg_min",
    "batch_matmul",
    "conv2d",
    "dense",
    "depthwise_conv2d",
    "group_dense",
    "max_pool2d",
)
WHOLE += (
    "maximum",
    "minimum",
    "reduce_max",
    "reduce_min",
    "requantize",
    "sum",
    "transpose_conv2d",
)

READS = {
    **dict.fromkeys(MOVES, FORMATS["tensor format"]),
    **dict.fromkeys(WHOLE, FORMATS["whole format"]),
    **dict.fromkeys(("block_dense", "block_dequantize"), FORMATS["tensor format"]),
    "block_quantize": FORMATS["input format"],
    "quantize": FORMATS["real format"],
    **dict.fromkeys(("lookup", "dequantize"), FORMATS["code format"]),
}
"""The formats of the tensors that an op reads; those of all others are plain integers."""


class Tensor(NamedTuple):
    """What is known of a tensor: one sample's shape, and its `Format`."""

    shape: tuple[int, ...]
    format: Any


# ---- The writer ----------------------------------------------------------------------------------------


class NetworkWriter:
    """A network, tensor by tensor, and its file.

    Parameters
    ----------
    source : where the network comes from, in a reader's words
    writer : the program that writes it
    """

    def __init__(self, source="", writer="intsim_converters.writer"):
        self._texts = {"writer": _text(writer, "writer"), "source": _text(source, "source")}
        self._tensors = {}  # every tensor there is, by name
        self._inputs, self._nodes = {}, {}  # what is written, by name
        self._outputs = []

    def input(self, name, shape, format, scale=None, zero_point=None, axis=None):
        """A tensor that is given from outside; returns its name.

        Parameters
        ----------
        name : of the tensor
        shape : one sample's sizes, without the batch
        format : "int8", "uint4", ..., a name of `NAMED`, or a dict of a format in `RECORDS` that says its
            "type"; "float32" or "float64" where `quantize` reads it
        scale, zero_point, axis : what its integers stand for, real = scale * (q - zero_point); several
            scales run along `axis`. An annotation, which does not enter the arithmetic.
        """
        self._check_name(name)
        given = {"shape": shape, "format": format}
        fields = _Fields(name, {**_fields(_INPUT, given, name, "an input"), "quantization": None})
        tensor = Tensor(fields["shape"], fields["format"])
        if scale is not None:
            said = {"scale": scale, "zero_point": zero_point, "axis": axis}
            fields["quantization"] = _quantization(said, name, tensor)
        else:
            _need(
                zero_point is None and axis is None, f"{name}.scale", "must be given with zero_point or axis"
            )
        self._inputs[name] = fields
        self._tensors[name] = tensor
        return name

    def node(self, name, op, inputs, *, outputs=None, quantization=None, **fields):
        """Any op of `OPS`; returns the name of the tensor that it gives, or the list of them.

        Parameters
        ----------
        name : of the node, and of its tensor where it gives one
        op : a name of `OPS`
        inputs : names of the tensors that it reads, in order
        outputs : names of the tensors, where it gives several (`split`, `unpack`)
        quantization : dict of scale, zero_point and axis: what the output stands for; a list of such, or
            None, where the op gives several. An annotation.
        fields : of the op; those with a default may be left out
        """
        self._check_name(name)
        _need(op in OPS, name, f"must be one of the ops {', '.join(OPS)}, not {op!r}")
        inputs = self._reading(name, op, inputs)
        read = [self._tensors[entry] for entry in inputs]
        values = _Fields(name, _fields(OPS[op], fields, name, op), read)
        given = _GIVES[op](values, *read)
        given = given if isinstance(given, list) else [given]
        names = self._giving(name, op, outputs, len(given))
        listed = [quantization] if outputs is None else quantization or [None] * len(given)
        _need(len(listed) == len(given), f"{name}.quantization", f"must have {len(given)} entries")
        said = [_quantization(q, n, t) for q, n, t in zip(listed, names, given)]
        self._nodes[name] = {
            "op": op,
            "inputs": inputs,
            "outputs": None if outputs is None else tuple(names),
            "fields": values,
            "quantization": said,
        }
        self._tensors.update(zip(names, given))
        return names[0] if outputs is None else names

    def output(self, *names):
        """The tensors that the network gives, in order."""
        for name in names:
            _need(name in self._tensors, "output", f"must name a tensor of the network, not {name!r}")
            _need(name not in self._outputs, "output", f"must name each tensor once, not {name!r} again")
            self._outputs.append(name)

    def shape(self, name):
        """One sample's shape."""
        return self._tensors[name].shape

    def format(self, name):
        """The format: a name, as in "int8", or a dict that says its "type"."""
        format = self._tensors[name].format
        return format.said if isinstance(format.said, str) else {**format.said, "type": format.type}

    def save(self, path):
        """Write the file: beside `path`, then in its place."""
        _need(self._inputs, "network", "must have an input")
        _need(self._outputs, "network", "must have an output")
        self._check_doors()
        _replace(path, self._file())

    # Shorter words for the ops of most networks. What they take beyond their arguments is in `OPS`.

    def conv2d(self, name, x, weight, **fields):
        """Sums of a convolution; weight (K, KH, KW, C / groups), integers in weight_format."""
        return self.node(name, "conv2d", [x], weight=weight, **fields)

    def depthwise_conv2d(self, name, x, weight, **fields):
        """Sums of a convolution channel by channel; weight (C, M, KH, KW) for C * M outputs."""
        return self.node(name, "depthwise_conv2d", [x], weight=weight, **fields)

    def dense(self, name, x, weight, **fields):
        """Sums over the last axis; weight (K, C), integers in weight_format."""
        return self.node(name, "dense", [x], weight=weight, **fields)

    def requantize(self, name, x, *, rounding, format, multiplier=1, shift=0, **rest):
        """Codes: (x * multiplier) / 2**shift, rounded, + zero_point, limited to lo and hi.

        Parameters
        ----------
        multiplier, shift : integers, one or one per channel (the last axis); shift is 0 to 62.
            `multiplier_and_shift` makes them of a real ratio of scales
        rounding : of the shift, one of ``CHOICES["rounding"]``
        format : of the codes, as in "int8"; "ternary" for the nearest of -1, 0 and 1, "bipolar" for the sign
        zero_point : integer, 0 unless given
        lo, hi : limits, such as those of an activation; none unless given
        overflow : what becomes of codes outside the format; "saturate" unless given
        quantization : what the codes stand for, as for `node`
        """
        steps = [{"type": "Multiply", "multipliers": multiplier}]
        steps.append({"type": "ShiftRight", "bits": shift, "rounding": rounding})
        return self._by_steps(name, x, steps, format, **rest)

    def scale(self, name, x, factors, *, rounding, format, **rest):
        """Codes: round(x * factors) + zero_point in IEEE arithmetic, limited to lo and hi.

        `factors` is a numpy float32 or float64, one or one per channel; its dtype is the arithmetic's.
        The rest is as for `requantize`.
        """
        steps = [{"type": "Scale", "factors": factors, "rounding": rounding}]
        return self._by_steps(name, x, steps, format, **rest)

    def thresholds(self, name, x, values, *, format, compare="at_least", quantization=None):
        """Codes: how many thresholds a value has reached; one ascending list, or one row per channel."""
        steps = [{"type": "Thresholds", "values": values, "compare": compare}]
        return self._by_steps(name, x, steps, format, quantization=quantization)

    def clamp(self, name, x, lo, hi):
        """The nearest value from lo to hi; a ReLU."""
        return self.node(name, "clamp", [x], lo=lo, hi=hi)

    def max_pool2d(self, name, x, kernel, **fields):
        """The largest of a window; its stride is 1 unless it is given."""
        return self.node(name, "max_pool2d", [x], kernel=kernel, **fields)

    def avg_pool2d(self, name, x, kernel, **fields):
        """The rounded mean of a window; its stride is 1 unless it is given."""
        return self.node(name, "avg_pool2d", [x], kernel=kernel, **fields)

    def add(self, name, x, y, **fields):
        """The sum of two tensors of one scale, in a register."""
        return self.node(name, "add", [x, y], **fields)

    def concat(self, name, inputs, axis):
        """Tensors of one format and scale, one after another along an axis of the sample."""
        return self.node(name, "concat", inputs, axis=axis)

    def reshape(self, name, x, shape):
        """The same elements, last axis fastest, in another shape."""
        return self.node(name, "reshape", [x], shape=shape)

    # From here on: what stands behind the words above.

    def _by_steps(
        self, name, x, steps, format, zero_point=0, lo=None, hi=None, overflow="saturate", quantization=None
    ):
        if np.any(np.asarray(zero_point) != 0):
            steps.append({"type": "Add", "values": zero_point})
        whole = _format("weight format", format, f"{name}.format")
        if lo is not None or hi is not None:
            lo, hi = whole.low if lo is None else lo, whole.high if hi is None else hi
            steps.append({"type": "Clamp", "lo": lo, "hi": hi})
        sign = format if whole.type in FORMATS["sign format"] else None
        rule = {"steps": steps, "format": "int8" if sign else format, "overflow": overflow}
        return self.node(name, "requantize", [x], requantization=rule, format=sign, quantization=quantization)

    def _check_name(self, name):
        _text(name, "name")
        _need(1 <= len(name) <= 1000, name[:60], "name must have 1 to 1000 characters")
        taken = name in self._tensors or name in self._nodes
        _need(not taken, name, "name must be unique")

    def _reading(self, name, op, inputs):
        """The names that a node reads, known and as many as its op takes."""
        where, types = f"{name}.inputs", READS.get(op, FORMATS["format"])
        _need(isinstance(inputs, (list, tuple)), where, f"must be a list of names, not {inputs!r}")
        for entry in inputs:
            known = isinstance(entry, str) and entry in self._tensors
            _need(known, where, f"must be tensors made before, not {entry!r}")
            format = self._tensors[entry].format
            wrong = f"must be {' or '.join(types)} for {op}, not {entry!r}, {format}"
            _need(format.type in types, where, wrong)
            real = format.type == "RealFormat"
            _need(not real or entry in self._inputs, where, "must be an input of the network")
        fewest, most = INPUTS.get(op, (1, 1))
        enough = fewest <= len(inputs) and (most is None or len(inputs) <= most)
        wanted = fewest if fewest == most else f"{fewest} to {most if most is not None else 'any'}"
        _need(enough, where, f"must be {wanted} for {op}, not {len(inputs)}")
        return tuple(inputs)

    def _giving(self, name, op, outputs, count):
        """The names of the tensors that a node gives."""
        if outputs is None:
            _need(count == 1, f"{name}.outputs", f"must name the {count} tensors that {op} gives here")
            return [name]
        where = f"{name}.outputs"
        listed = isinstance(outputs, (list, tuple)) and len(outputs) == count == len(set(outputs))
        _need(listed, where, f"must be {count} different names, not {outputs!r}")
        for entry in outputs:
            _need(entry != name, where, "must not name the node itself")
            self._check_name(entry)
        return list(outputs)

    def _check_doors(self):
        """Reals are given at the end of the network, and nowhere else."""
        for name in self._nodes:
            if name in self._tensors and self._tensors[name].format.type == "RealFormat":
                _need(name in self._outputs, name, "must be an output of the network, as it gives reals")

    def _file(self):
        """The bytes of the file. The same network gives the same bytes, for one version of HDF5."""
        held = io.BytesIO()
        with h5py.File(held, "w", libver=("v108", "v108"), track_times=False) as file:
            _write(file, "format", "intsim-network")
            _write(file, "format_version", 1)
            _write(file, "writer", self._texts["writer"])
            _write(file, "source", self._texts["source"])
            _write(file, "outputs", tuple(self._outputs))
            inputs, nodes = file.create_group("inputs"), file.create_group("nodes")
            for position, (name, fields) in enumerate(self._inputs.items()):
                _write(inputs, _encoded(name), {"position": position, **fields})
            for position, (name, node) in enumerate(self._nodes.items()):
                _write_node(nodes.create_group(_encoded(name)), position, node)
        return held.getvalue()


def multiplier_and_shift(ratio, bits=31):
    """Integers that stand for positive real ratios: ratio = multiplier / 2**shift, nearly.

    Parameters
    ----------
    ratio : one real or an array, as input scale * weight scale / output scale
    bits : of the multiplier, 1 to 31

    Returns
    -------
    multiplier, shift : int64, of the ratio's shape

    Examples
    --------
    >>> multiplier_and_shift([0.3, 1.0], bits=8)
    (array([154, 128]), array([9, 7]))
    """
    ratio = np.asarray(ratio, np.float64)
    _need(np.all(np.isfinite(ratio) & (ratio > 0)), "ratio", f"must be positive and finite, not {ratio}")
    fraction, exponent = np.frexp(ratio)
    multiplier = np.floor(fraction * 2.0**bits + 0.5).astype(np.int64)
    carried = multiplier == 2**bits
    multiplier, shift = np.where(carried, multiplier // 2, multiplier), bits - exponent - carried
    _need(np.all((shift >= 0) & (shift <= 62)), "ratio", f"must be 2**{bits - 63} to 2**{bits}, not {ratio}")
    return multiplier[()], shift[()].astype(np.int64)


# ---- Values: what is given for a field becomes what is written ------------------------------------------


def _need(condition, where, rule):
    if not condition:
        raise WriterError(f"{where}: {rule}")


def _fields(table, given, where, of):
    """The values of all fields of an op or a record, in the table's order, defaults filled in."""
    for name in given:
        near = difflib.get_close_matches(name, table, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table) or 'none'}"
        _need(name in table, f"{where}.{name}", f"must be a field of {of}; {hint}")
    values = {}
    for name in sorted(
        table, key=lambda name: " in " in table[name].kind
    ):  # formats come before what is in them
        value = given.get(name, table[name].default)
        _need(value is not REQUIRED, f"{where}.{name}", f"must be given: {table[name].meaning}")
        values[name] = _conform(table[name], value, f"{where}.{name}", values)
    return {name: values[name] for name in table}


def _conform(field, value, where, others):
    """A value in the one form in which it is written, or a WriterError; `others` are fields beside it."""
    kind = field.kind
    if value is None:
        _need(field.default is None, where, f"must be given: {field.meaning}")
        return None
    if kind in CHOICES:
        named = isinstance(value, str) and value in CHOICES[kind]
        _need(named, where, f"must be one of {', '.join(CHOICES[kind])}, not {value!r}")
        return value
    if kind in FORMATS:
        return _format(kind, value, where)
    if " in " in kind:  # codes or packed, in a format
        return _codes(value, _format_at(kind.partition(" in ")[2], others), where, field)
    if kind.startswith("list of "):
        one = field._replace(kind=kind[len("list of ") :], default=REQUIRED)
        what = "arrays" if one.kind in _KINDS else "dicts"
        _need(isinstance(value, (list, tuple)), where, f"must be a list of {what}, not {value!r}")
        return [_conform(one, entry, f"{where}.{index}", others) for index, entry in enumerate(value)]
    if kind in _KINDS:
        value = _KINDS[kind](value, where)
        if kind not in ("boolean", "order") and not kind.startswith("real"):
            _check_range(value, where, field)
        return value
    return _record(kind, value, where)


def _record(kinds, value, where):
    """A dict of a record's fields; of several kinds of record, its "type" says which."""
    names = kinds.split(" | ")
    _need(isinstance(value, dict), where, f"must be a dict of the fields of {kinds}, not {value!r}")
    given, chosen = dict(value), {}
    if len(names) > 1:
        _need(given.get("type") in names, where, f"must have a 'type': one of {', '.join(names)}")
        chosen = {"type": given.pop("type")}
    elif given.get("type") == kinds:  # said, though there is no other
        del given["type"]
    name = chosen.get("type", names[0])
    fields = _Fields(where, {**chosen, **_fields(RECORDS[name], given, where, name)})
    if name in _RULES:
        _RULES[name](fields)
    return fields


def _check_range(value, where, field):
    entries = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    if entries.size and not (field.low <= entries.min() and entries.max() <= field.high):
        wrong = entries.min() if entries.min() < field.low else entries.max()
        limits = f"{field.low} to {field.high}" if field.high < 2**63 else f"at least {field.low}"
        raise WriterError(f"{where}: must be {limits}, not {wrong}")


def _text(value, where):
    good = isinstance(value, str) and "\0" not in value and not re.search("[\ud800-\udfff]", value)
    _need(good, where, f"must be a text of Unicode without NUL, not {value!r}")
    return value


_INT = (int, np.integer)


def _integer(value, where):
    good = isinstance(value, _INT) and not isinstance(value, (bool, np.bool_))
    _need(good, where, f"must be an integer, not {value!r}")
    return int(value)


def _boolean(value, where):
    _need(isinstance(value, (bool, np.bool_)), where, f"must be True or False, not {value!r}")
    return bool(value)


def _integers(value, where):
    listed = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    _need(listed, where, f"must be a list of integers, not {value!r}")
    return tuple(_integer(entry, where) for entry in value)


def _pair(value, where):
    value = _integers((value, value) if isinstance(value, _INT) else value, where)
    _need(len(value) == 2, where, f"must be two integers, or one for both, not {value}")
    return value


def _pairs(value, where):
    listed = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    _need(listed, where, f"must be a list of pairs, (before, after), not {value!r}")
    pairs = tuple(_integers(entry, where) for entry in value)
    _need(all(len(pair) == 2 for pair in pairs), where, f"must be pairs, (before, after), not {value!r}")
    return pairs


def _padding(value, where):
    value = _pairs(((value, value), (value, value)) if isinstance(value, _INT) else value, where)
    _need(len(value) == 2, where, f"must be ((above, below), (left, right)) or one integer, not {value}")
    return value


def _order(value, where):
    if not isinstance(value, str):
        return _integers(value, where)
    _need(sorted(value) == ["c", "h", "w"], where, f"must be the letters h, w, c once each, not {value!r}")
    return value


class Format:
    """A number format: what a file says for it, and which integers are its entries.

    said : a name, or a dict of a record with its "type"
    type : "IntFormat", "RealFormat" or a name of `RECORDS`
    bits : of an entry's code, which is the low bits of the entry + offset, unless `codes` says another
    low, high : the smallest and the largest entry
    codes : the code of every entry, where entries are told one by one; else None
    record : the fields of one in `RECORDS`; of blocks that is all there is to know
    """

    def __init__(self, said, type, bits=0, low=0, high=0, offset=0, codes=None, record=None):
        self.said, self.type, self.bits, self.record = said, type, bits, record
        self.low, self.high, self.offset, self.codes = low, high, offset, codes

    def __str__(self):
        return self.said if isinstance(self.said, str) else f"{self.type} of {self.bits} bits"

    def __eq__(self, other):
        return self.type == other.type and _alike(self.said, other.said)

    @property
    def dtype(self):
        """The narrowest type that holds every entry."""
        needed = max(~self.low, self.high).bit_length() + (self.low < 0)
        width = max(8, 1 << (needed - 1).bit_length())
        return np.dtype(f"{'' if self.low < 0 else 'u'}int{width}")

    def has(self, value):
        """Whether an integer is an entry."""
        return self.low <= value <= self.high and (self.codes is None or value in self.codes)

    def outside(self, values):
        """Where the integers of an int64 array are no entries."""
        if self.codes is not None:
            return ~np.isin(values, list(self.codes))
        return (values < self.low) | (values > min(self.high, 2**63 - 1))

    def packed(self, entries):
        """What a file has for entries of few bits: their codes in C order, low bits first, in bytes."""
        flat = entries.astype(np.int64).ravel() + self.offset
        if self.codes is not None:
            listed = np.array(sorted(self.codes.items()))
            flat = listed[np.searchsorted(listed[:, 0], flat), 1]
        whole = math.lcm(8, self.bits) // self.bits  # so many codes fill bytes
        flat = np.append(flat, np.zeros(-flat.size % whole, np.int64))
        stream = (flat[:, None] >> np.arange(self.bits)) & 1
        data = np.packbits(stream.astype(np.uint8), bitorder="little")
        return {"packing": PACKINGS[self.bits], "shape": entries.shape, "bytes": data}


PACKINGS = {1: "bits", 2: "two-bit", 4: "nibbles", 6: "six-bit"}
"""The formats whose entries are packed, by their bits."""


def _format(kind, value, where):
    """A `Format` of one of the kinds of `FORMATS`, from its name or a dict that says its "type"."""
    types = FORMATS[kind]
    records = [name for name in types if name in RECORDS]
    found = _format_of_name(value) if isinstance(value, str) else None
    if isinstance(value, dict) and records:
        found = _format_of_record(_record(" | ".join(records), value, where), records[0])
    words = ["int1 to int64, uint1 to uint64"] if "IntFormat" in types else []
    words += ["float32, float64"] if "RealFormat" in types else []
    words += [name for name, record in NAMED.items() if record["type"] in types]
    good = found is not None and found.type in types
    _need(good, where, f"must be one of {', '.join(words)}, not {value!r}")
    return found


def _format_of_name(name):
    if name in NAMED:
        return _format_of_record(_named(name))
    if name in ("float32", "float64"):
        return Format(name, "RealFormat", int(name[5:]))
    match = re.fullmatch("(u?)int([1-9][0-9]?)", name)
    if match is None or int(match[2]) > 64:
        return None
    return Format(name, "IntFormat", int(match[2]), *_ends(int(match[2]), not match[1]))


def _ends(bits, signed):
    """The smallest and the largest integer of so many bits."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


_TERNARY = {  # the codes of -1, 0 and 1
    "offset": (0, 1, 2),
    "offset_two": (1, 2, 3),
    "twos_complement": (3, 0, 1),
    "plus_minus": (2, 0, 1),
}


def _format_of_record(record, only=None):
    """The format of a record, whose type is said by it, or is the only one that there may be."""
    kind, codes, offset = record.get("type", only), None, 0
    said = _name_of(record, kind) or record
    if kind == "BlockFormat":
        return Format(said, kind, record=record)
    if kind == "Bipolar":
        bits, codes = 1, {1: record["positive"], -1: 1 - record["positive"]}
    elif kind == "Ternary":
        bits, codes = 2, dict(zip((-1, 0, 1), _TERNARY[record["coding"]]))
    elif kind == "Codebook":
        codes = {entry: code for code, entry in enumerate(record["values"].tolist())}
        bits = (len(codes) - 1).bit_length()
    elif kind == "Minifloat":
        bits = record["signed"] + record["exponent_bits"] + record["mantissa_bits"]
    else:
        bits, offset = record["bits"], record.get("offset", 0)
    low, high = _ends(bits, kind == "FixedPoint" and record["signed"])
    if codes is not None:
        low, high = min(codes), max(codes)
    return Format(said, kind, bits, low - offset, high - offset, offset, codes, record)


def _format_at(path, fields):
    """The format that a field holds, as `weight_format` or `weight_format.element`, or else a name says."""
    first, *inside = path.split(".")
    format = fields.get(first) or _format_of_name(first)
    for name in inside:
        format = format.record[name]
    return format


@functools.cache
def _named(name):
    """The record of a format in `NAMED`."""
    return _record(_ANY_FORMAT, NAMED[name], name)


def _name_of(record, kind):
    """The name that a format of this type has in `NAMED`, if it has one."""
    for name, entry in NAMED.items():
        if entry["type"] == kind and _alike(_named(name), record):
            return name
    return None


def _alike(a, b):
    """Whether two formats are said alike, by name or as records of one type; or two of their fields."""
    if isinstance(a, (str, Format)) or isinstance(b, (str, Format)):
        return isinstance(a, type(b)) and a == b
    if isinstance(a, dict) and isinstance(b, dict):
        names = a.keys() | b.keys()
        return all(name == "type" or _alike(a.get(name), b.get(name)) for name in names)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    return np.array_equal(a, b)


def _array(ranks, real=False):
    """The kind of an array with so many axes (None: any), of integers or of reals."""
    wanted = "numpy float32 or float64" if real else "integers"

    def conform(value, where):
        try:
            array = np.asarray(value)
        except Exception as error:
            raise WriterError(f"{where}: must be an array of {wanted}: {error}") from error
        _need(array.size, where, f"must not be empty, not of shape {array.shape}")
        if real:  # the dtype is part of the meaning, so it must have been said
            good = hasattr(value, "dtype") and array.dtype in (np.float32, np.float64)
            _need(good, where, f"must be an array of {wanted}, not {getattr(value, 'dtype', type(value))}")
        else:
            _need(array.dtype.kind in "iu", where, f"must be an array of {wanted}, not {array.dtype}")
            small = array.dtype != np.uint64 or array.max() < 2**63
            _need(small, where, f"must be below 2**63, not {array.max()}")
        axes = ranks and " or ".join(map(str, ranks))
        _need(not ranks or array.ndim in ranks, where, f"must have {axes} axes, not shape {array.shape}")
        return np.array(array, array.dtype.newbyteorder("=") if real else np.int64, order="C")

    return conform


_KINDS = {
    "integer": _integer,
    "boolean": _boolean,
    "pair": _pair,
    "padding": _padding,
    "pairs": _pairs,
    "integers": _integers,
    "order": _order,
    "array": _array(None),
    "codes": _array(None),
    "vector": _array((1,)),
    "value or vector": _array((0, 1)),
    "real value": _array((0,), real=True),
    "real vector": _array((1,), real=True),
    "real value or vector": _array((0, 1), real=True),
}


def _codes(value, format, where, field):
    values = _array(None)(value, where)
    outside = format.outside(values) | (values < field.low)
    if outside.any():
        place = tuple(map(int, np.argwhere(outside)[0]))
        limits = f"{format} ({max(format.low, field.low)} to {format.high})"
        raise WriterError(f"{where}: must fit {limits}, not {values[place]} at {place}")
    return values.astype(format.dtype)


def _quantization(said, where, tensor):
    """The annotation of a tensor, from a dict of scale, zero_point and axis; None stays None."""
    if said is None:
        return None
    where = f"{where}.quantization"
    _need(isinstance(said, dict), where, f"must be a dict of scale, zero_point and axis, not {said!r}")
    said = dict(said)
    try:
        said["scale"] = np.atleast_1d(np.asarray(said.get("scale"), np.float64))
    except (TypeError, ValueError) as error:
        raise WriterError(f"{where}.scale: must be real numbers: {error}") from error
    zero_point = 0 if said.get("zero_point") is None else said["zero_point"]
    said["zero_point"] = np.broadcast_to(zero_point, np.shape(zero_point) or said["scale"].shape)
    fields = _record("Quantization", said, where)
    _along_axis(fields, tensor.shape, lambda extent: (extent,))
    return fields


# ---- The file --------------------------------------------------------------------------------------------

_LARGEST = 32 * 1024  # bytes of an attribute; HDF5 holds 64 KiB at most


def _encoded(name):
    """A tensor's name as one component of an HDF5 path."""
    return name.replace("%", "%25").replace("/", "%2F").replace(".", "%2E")


def _write(group, name, value):
    """A value as an attribute, an array as a dataset, a dict as a group, a list as a group of 0, 1, ..."""
    if isinstance(value, Format):
        value = value.said
    if value is None:
        return
    if isinstance(value, np.ndarray):
        group.create_dataset(name, data=value)
    elif isinstance(value, (dict, list)):
        inside = group.create_group(name)
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in entries:
            _write(inside, str(key), entry)
    else:
        block = _block(value)
        if block.nbytes > _LARGEST:
            group.create_dataset(name, data=block)
        else:
            group.attrs.create(name, block, dtype=block.dtype)


def _write_node(group, position, node):
    _write(group, "position", position)
    _write(group, "op", node["op"])
    _write(group, "op_version", VERSIONS.get(node["op"], 1))
    if node["inputs"]:
        _write(group, "inputs", node["inputs"])
    else:
        group.attrs.create("inputs", _texts(()), dtype=_texts(()).dtype)
    _write(group, "outputs", node["outputs"])
    for name, value in node["fields"].items():
        kind = OPS[node["op"]][name].kind
        if kind.startswith("packed in "):
            format = _format_at(kind[len("packed in ") :], node["fields"])
            value = format.packed(value) if format.bits in PACKINGS else value
        _write(group, name, value)
    if any(said is not None for said in node["quantization"]):
        annotations = group.create_group("output_quantization")
        for index, said in enumerate(node["quantization"]):
            _write(annotations, str(index), said)


def _block(value):
    """A number, a text, or tuples of them as an array of one HDF5 type."""
    if isinstance(value, bool):
        return np.array(value)
    entries = np.array(value, dtype=object)
    if entries.size and isinstance(entries.flat[0], str):
        return _texts(value)
    return entries.astype(np.uint64 if max(entries.flat, default=0) >= 2**63 else np.int64)


def _texts(value):
    """Texts as UTF-8 of one length."""
    texts = np.array(value, dtype=object)
    encoded = [text.encode() for text in texts.flat]
    length = max([1, *map(len, encoded)])
    return np.array(encoded, dtype=h5py.string_dtype(length=length)).reshape(texts.shape)


def _replace(path, data):
    """Put a file of these bytes in the place of `path`, or leave everything as it was."""
    target = os.path.realpath(path)
    _need(
        not os.path.exists(target) or os.path.isfile(target),
        path,
        "must be a regular file, or not be there yet",
    )
    folder, name = os.path.split(target)
    beside = os.path.join(folder, f".{name[:200]}.{secrets.token_hex(6)}.part")
    try:
        with open(beside, "xb") as file:
            file.write(data)
        os.replace(beside, target)
    except OSError as error:
        raise WriterError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if os.path.exists(beside):
            os.unlink(beside)


# ---- Rules: which fields go together, and what an op gives ----------------------------------------------

_RULES = {}  # by record: refuses fields that do not go together
_GIVES = {}  # by op: the tensors that a node gives, for its fields and the tensors that it reads


def _entered(table, *names):
    """A decorator that enters a function in a table under these names."""

    def enter(function):
        table.update(dict.fromkeys(names, function))
        return function

    return enter


class _Fields(dict):
    """The fields of a node, or of a record in it, and where they are."""

    def __init__(self, where, values, inputs=()):
        super().__init__(values)
        self.where, self.inputs = where, inputs

    def need(self, condition, name, rule):
        """Refuse a field (or "inputs"), with its value, unless the condition holds."""
        if not condition:
            raise WriterError(f"{self.where}.{name}: must {rule}, not {self._shown(name)}")

    def _shown(self, name):
        if name == "inputs":
            return " and ".join(f"{tensor.format} {tensor.shape}" for tensor in self.inputs)
        value = self
        for part in name.split("."):
            value = value[part]
        if isinstance(value, Format):
            return value
        if isinstance(value, np.ndarray) and value.size > 8:
            return f"of shape {value.shape}"
        return value.tolist() if isinstance(value, np.ndarray) else value


@_entered(_RULES, "Accumulator")
def _accumulator(f):
    inner, order, tile = f["inner"], f["order"], f["tile"]
    listed = isinstance(order, str) or sorted(order) == list(range(len(order)))
    f.need(listed, "order", "name every term from 0 up once")
    if inner is not None:
        f.need(tile is not None, "tile", "be given with inner")
        f.need(inner["tile"] is None or inner["tile"] < tile, "inner.tile", f"be below {tile}")
        for name in ("order", "bias", "zero_point"):
            usual = RECORDS["Accumulator"][name].default
            f.need(inner[name] == usual, f"inner.{name}", "be said by the outermost register only")


@_entered(_RULES, "Clamp")
def _clamp(f):
    f.need(1 in (f["lo"].size, f["hi"].size) or f["lo"].size == f["hi"].size, "hi", "be as many as lo")
    f.need(np.all(f["lo"] <= f["hi"]), "hi", "not be below lo")


@_entered(_RULES, "Scale")
def _scale(f):
    _deterministic(f)
    for name in ("factors", "before", "after"):
        if f[name] is not None:
            f.need(np.isfinite(f[name]).all(), name, "be finite")
            f.need(f[name].dtype == f["factors"].dtype, name, f"be {f['factors'].dtype} as factors is")


def _deterministic(f):
    f.need(f["rounding"] != "stochastic", "rounding", "be another one here")


@_entered(_RULES, "Thresholds")
def _thresholds(f):
    f.need(f["values"].ndim in (1, 2), "values", "be one list, or one row per channel")
    f.need((np.diff(f["values"]) >= 0).all(), "values", "ascend")


@_entered(_RULES, "Slice")
def _bits_kept(f):
    f.need(f["lo"] <= f["hi"], "hi", "not be below lo")


@_entered(_RULES, "Requantization")
def _requantization(f):
    channels = sorted(_channels(f))
    _need(
        len(channels) <= 1, f"{f.where}.steps", f"must agree on the number of channels, not have {channels}"
    )


def _channels(requantization):
    """The numbers of channels, other than 1, that parameters of the steps are given for."""
    sizes = {1}
    for step in requantization["steps"]:
        if step["type"] == "Thresholds":
            sizes |= set(step["values"].shape[:-1])
        elif step["type"] != "Table":
            sizes |= {value.size for value in step.values() if isinstance(value, np.ndarray)}
    return sizes - {1}


def _for_all_channels(f, name):
    _need(not _channels(f[name]), f"{f.where}.{name}", "must have one value for all channels")


@_entered(_RULES, "Between")
def _between(f):
    for name in ("high", "weight"):
        f.need(f[name].size == f["low"].size, name, f"be as many as low, {f['low'].size}")


@_entered(_RULES, "FixedPointSoftmax")
def _fixed_point_softmax(f):
    _for_all_channels(f, "rescale")


@_entered(_RULES, "TableSoftmax")
def _table_softmax(f):
    _for_all_channels(f, "rescale")
    for name in ("exponential", "reciprocal"):
        f.need(f[name].shape == (513,), name, "be a list of 513")
    f.need(f["exponential"][-2:].min() >= 1, "exponential", "end above 0")


@_entered(_RULES, "FloatSoftmax")
def _float_softmax(f):
    _deterministic(f)
    for name in ("table", "scale"):
        _not_negative(f, name)
        f.need(f[name].flat[-1] > 0, name, "end above 0")


@_entered(_RULES, "QuotientSoftmax")
def _quotient_softmax(f):
    for name in ("table", "multiplier"):
        _not_negative(f, name)
    f.need(f["table"][-1] > 0, "table", "end above 0")
    f.need(f["multiplier"] <= 2**24, "multiplier", "be at most 2**24")
    with np.errstate(over="ignore"):
        finite = np.isfinite(f["table"].max() * f["multiplier"])
    f.need(finite, "multiplier", "make no product with an entry of table infinite")


def _not_negative(f, name):
    values = f[name]
    f.need(values.dtype == np.float32, name, "be float32")
    f.need(np.isfinite(values).all() and (values >= 0).all(), name, "be finite and not negative")


@_entered(_RULES, "Quantization")
def _scales(f):
    f.need(np.isfinite(f["scale"]).all() and (f["scale"] > 0).all(), "scale", "be positive and finite")
    f.need(f["zero_point"].size == f["scale"].size, "zero_point", f"be {f['scale'].size}, as many as scale")
    f.need(f["axis"] is not None or f["scale"].size == 1, "axis", f"be given for {f['scale'].size} scales")


@_entered(_RULES, "Bipolar")
def _bipolar(f):
    f.need(f["zero"] != 0, "zero", "be 1 or -1")


@_entered(_RULES, "Codebook")
def _codebook(f):
    values = f["values"]
    f.need(2 <= values.size <= 2**16, "values", "be 2 to 65536")
    f.need(np.unique(values).size == values.size, "values", "be different")


@_entered(_RULES, "Minifloat")
def _minifloat_rules(f):
    exponent, mantissa, nan = f["exponent_bits"], f["mantissa_bits"], f["nan"]
    f.need(exponent or f["subnormals"], "subnormals", "be there without exponent bits")
    f.need(nan != "top_exponent" or (exponent and mantissa), "nan", "need exponent and mantissa bits")
    f.need(nan != "minus_zero" or (f["signed"] and not f["signed_zero"]), "nan", "take minus zero's place")
    nans = {"top_exponent": 2**mantissa - 1, "top_code": 1}.get(nan, 0)
    finite = 2 ** (exponent + mantissa) - 1 - nans - f["infinities"]
    f.need(finite >= 1, "mantissa_bits", "leave a code for a finite value beside zero")


@_entered(_RULES, "BlockFormat")
def _block_format(f):
    f.need(f["levels"], "levels", "be at least one")
    sizes = [level["size"] for level in f["levels"]]
    for index, size in enumerate(sizes):
        inner = max([1, *sizes[:index]])
        good = not size or (size % inner == 0 and 0 not in sizes[:index])
        _need(good, f"{f.where}.levels.{index}.size", f"must be a multiple of the ones inside, not {size}")
    element = f["element"]
    signed = element.type == "FixedPoint" and element.record["signed"]
    f.need(signed or not f["symmetric"], "symmetric", "be False unless elements are signed fixed-point")


@_entered(_RULES, "Fields")
def _fields_of_a_word(f):
    f.need(f["order"] and sorted(f["order"]) == list(range(len(f["order"]))), "order", "name all from 0 once")
    f.need(len(f["order"]) * f["bits"] <= 8 * f["bytes"], "order", f"fit {8 * f['bytes']} bits")


@_entered(_RULES, "Trits")
def _trits_of_a_byte(f):
    f.need(not (f["scaled"] and f["least_first"]), "least_first", "be False where the byte is scaled")


@_entered(_RULES, "Part")
def _part(f):
    packing = f["packing"]
    group = packing["words"] * (packing["digits"] if packing["type"] == "Trits" else len(packing["order"]))
    f.need(f["count"] % group == 0, "count", f"be a multiple of {group}")


@_entered(_RULES, "Parts")
def _parts(f):
    f.need(f["parts"], "parts", "be at least one")


@_entered(_RULES, "SoftFloat")
def _soft_float(f):
    _deterministic(f)
    record = f["format"].record
    good = record["signed"] and record["exponent_bits"] and record["nan"] != "none"
    f.need(good, "format", "have a sign, an exponent and a NaN")


@_entered(_RULES, "FixedRegister", "Join")
def _of_blocks(f):
    _deterministic(f)


@_entered(_RULES, "Alignment")
def _alignment(f):
    _deterministic(f)
    f.need(not f["sticky"] or f["rounding"] == "toward_zero", "rounding", "be toward_zero, as sticky is True")


@_entered(_RULES, "FloatRegister")
def _float_register(f):
    fused = f["aligned"] or f["join"] is not None
    f.need(not f["interleaved"] or f["parts"] > 1, "interleaved", "be False where there is one part")
    f.need(not f["aligned"] or f["join"] is None, "join", "be None where the register is aligned")
    f.need(not fused or f["entering"] is None, "entering", "be None where sums are aligned with the register")
    chain = f["topology"] == "chain" or f["parts"] > 1
    f.need(not fused or chain, "topology", "be chain where sums are aligned with the register")


@_entered(_RULES, "BlockAccumulator")
def _block_accumulator(f):
    register = f["register"]
    if register["type"] == "FloatRegister" and (register["aligned"] or register["join"] is not None):
        where = "register.aligned" if register["aligned"] else "register.join"
        f.need(f["alignment"] is not None, where, "have an alignment beside it")
        f.need(f["scales"] == "term", where, "have the scales in the terms")


def _along_axis(f, shape, scale):
    """Several scales run along an axis of the sample."""
    if f["axis"] is not None:
        f.need(f["axis"] < len(shape), "axis", f"be an axis of {shape}")
        size = shape[f["axis"]]
        f.need(f["scale"].size in scale(size), "scale", f"be {size} along axis {f['axis']} of {shape}")


def _at_most(f, name, format, bits):
    f.need(format.bits <= bits, name, f"have at most {bits} bits")


def _one_format(f):
    f.need(all(x.format == f.inputs[0].format for x in f.inputs), "inputs", "have one format")
    return f.inputs[0].format


def _broadcast(f, *shapes):
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return f.need(False, "inputs", "have shapes that broadcast")


@_entered(_GIVES, "add", "sub", "mul", "squared_difference")
def _in_register(f, x, y):
    return Tensor(_broadcast(f, x.shape, y.shape), f["register"]["format"])


@_entered(_GIVES, "select")
def _selected(f, condition, x, y):
    f.need(condition.format.said == "uint1", "inputs", "begin with one of uint1")
    f.need(x.format == y.format, "inputs", "end with two of one format")
    return Tensor(_broadcast(f, condition.shape, x.shape, y.shape), x.format)


@_entered(_GIVES, "float_elementwise")
def _float_elementwise(f, x, y):
    _at_most(f, "format", f["format"], 16)
    for side, tensor in (("lhs_", x), ("rhs_", y), ("", Tensor((), f["format"]))):
        _at_most(f, "inputs", tensor.format, 16)
        scale, point = f[f"{side}scale"], f[f"{side}zero_point"]
        good = scale.dtype == np.float32 and np.isfinite(scale) and scale > 0
        f.need(good, f"{side}scale", "be positive float32")
        f.need(tensor.format.has(point), f"{side}zero_point", f"be in {tensor.format}")
    ends = np.repeat([x.format.low, x.format.high], 2), np.tile([y.format.low, y.format.high], 2)
    function = getattr(np, f["function"])
    with np.errstate(over="ignore", invalid="ignore"):
        first = (ends[0] - f["lhs_zero_point"]).astype(np.float32) * f["lhs_scale"]
        second = (ends[1] - f["rhs_zero_point"]).astype(np.float32) * f["rhs_scale"]
        finite = np.isfinite(function(first, second) / f["scale"]).all()
    f.need(finite, "scale", "keep every number finite in float32")
    return Tensor(_broadcast(f, x.shape, y.shape), f["format"])


@_entered(_GIVES, "maximum", "minimum")
def _extremum(f, x, y):
    return Tensor(_broadcast(f, x.shape, y.shape), _one_format(f))


def _around_axis(f, x):
    """The sizes before and after the field axis."""
    axis = f["axis"]
    f.need(axis < len(x.shape), "axis", f"be an axis of {x.shape}")
    return x.shape[:axis], x.shape[axis + 1 :]


@_entered(_GIVES, "arg_max", "arg_min")
def _argument(f, x):
    before, after = _around_axis(f, x)
    last = x.shape[f["axis"]] - 1
    f.need(f["format"].has(last), "format", f"hold 0 to {last}")
    return Tensor((*before, *((1,) if f["keepdims"] else ()), *after), f["format"])


def _image(f, x):
    f.need(len(x.shape) == 3, "inputs", "have shape (H, W, C)")


def _window(f, x, kernel):
    """Height and width of what a window gives that slides over an image."""
    _image(f, x)
    reach = [(kernel[axis] - 1) * f["dilation"][axis] + 1 for axis in (0, 1)]
    room = [x.shape[axis] + sum(f["padding"][axis]) - reach[axis] for axis in (0, 1)]
    f.need(min(room) >= 0, "inputs", f"be padded to hold a kernel that reaches {reach}")
    return tuple(room[axis] // f["stride"][axis] + 1 for axis in (0, 1))


@_entered(_GIVES, "max_pool2d")
def _pool(f, x):
    size = _window(f, x, f["kernel"])
    for axis in (0, 1):
        first = np.arange(size[axis]) * f["stride"][axis] - f["padding"][axis][0]
        places = first[:, None] + np.arange(f["kernel"][axis]) * f["dilation"][axis]
        met = ((places >= 0) & (places < x.shape[axis])).any(axis=1)
        f.need(met.all(), "padding", "not hold a whole window")
    return Tensor((*size, x.shape[2]), x.format)


@_entered(_GIVES, "float_avg_pool2d")
def _float_avg_pool(f, x):
    for name in ("input_format", "format"):
        _at_most(f, name, f[name], 16)
    f.need(x.format == f["input_format"], "input_format", f"be the input's, {x.format}")
    table, scale, taps = f["table"], f["scale"], math.prod(f["kernel"])
    f.need(table.shape == (2**x.format.bits,), "table", f"be a list of {2**x.format.bits}")
    for name in ("table", "scale"):
        f.need(f[name].dtype == np.float32 and np.isfinite(f[name]).all(), name, "be finite float32")
    f.need(scale > 0, "scale", "be positive")
    f.need(f["format"].has(f["zero_point"]), "zero_point", f"be in {f['format']}")
    f.need(taps <= 2**16, "kernel", "have at most 65536 taps")
    with np.errstate(over="ignore"):
        sums = np.add.accumulate(np.full(taps, abs(table).max()), dtype=np.float32)
        codes = sums / np.arange(1, taps + 1, dtype=np.float32) / scale + np.float32(abs(f["zero_point"]))
    f.need((codes < 2.0**31).all(), "scale", "keep averages below 2**31 codes")
    return Tensor(_pool(f, x).shape, f["format"])


@_entered(_GIVES, "avg_pool2d")
def _avg_pool(f, x):
    _deterministic(f)
    in_format = x.format.has(f["zero_point"]) or not f["count_padding"]
    f.need(in_format, "zero_point", f"be in {x.format} where padding is counted")
    return _pool(f, x)


def _register(f, terms):
    """The format of sums, of an accumulator that orders as many terms as there are."""
    order = f["accumulator"]["order"]
    f.need(isinstance(order, str) or len(order) == terms, "accumulator.order", f"list {terms} terms")
    return f["accumulator"]["format"]


def _weight_shape(f, axes, channel_axes=1):
    """The weight's shape, which has these axes, and one bias and zero point or as many as channels."""
    shape = f["weight"].shape
    wrong = f"must have shape {axes}, not {shape}"
    _need(len(shape) == axes.count(",") + 1, f"{f.where}.weight", wrong)
    channels = math.prod(shape[:channel_axes])
    for name in ("bias", "weight_zero_point"):
        f.need(f[name].size in (1, channels), name, f"be one value or {channels}")
    return shape


def _depth(f, x, depth):
    """The weight fits the channels that are read."""
    wrong = f"must be for the input's last axis, {x.shape}, not for {depth} channels"
    _need(x.shape[-1:] == (depth,), f"{f.where}.weight", f"{wrong} (shape {f['weight'].shape})")


def _grouped(f, x):
    shape = _weight_shape(f, "(K, KH, KW, C / groups)")
    f.need(shape[0] % f["groups"] == 0, "groups", f"divide the {shape[0]} outputs")
    _image(f, x)
    _depth(f, x, shape[3] * f["groups"])
    return shape


@_entered(_GIVES, "conv2d")
def _conv2d(f, x):
    channels, height, width, depth = _grouped(f, x)
    return Tensor((*_window(f, x, (height, width)), channels), _register(f, height * width * depth))


@_entered(_GIVES, "transpose_conv2d")
def _transpose_conv2d(f, x):
    channels, height, width, depth = _grouped(f, x)
    return Tensor((*f["output_size"], channels), _register(f, height * width * depth))


@_entered(_GIVES, "depthwise_conv2d")
def _depthwise_conv2d(f, x):
    depth, multiple, height, width = _weight_shape(f, "(C, M, KH, KW)", channel_axes=2)
    _depth(f, x, depth)
    return Tensor((*_window(f, x, (height, width)), depth * multiple), _register(f, height * width))


@_entered(_GIVES, "dense")
def _dense(f, x):
    channels, depth = _weight_shape(f, "(K, C)")
    _depth(f, x, depth)
    return Tensor((*x.shape[:-1], channels), _register(f, depth))


def _stages(f):
    """The accumulator sums every group by itself."""
    _need(isinstance(f["accumulator"]["order"], str), f"{f.where}.accumulator.order", "must name axes")
    level, group = f["accumulator"], f["group"]
    while level["tile"] not in (None, group):
        good = level["tile"] % group == 0 and level["inner"] is not None
        _need(good, f"{f.where}.accumulator.tile", f"must be the group, {group}, or a multiple around it")
        level = level["inner"]


@_entered(_GIVES, "group_dense")
def _group_dense(f, x, *scales):
    wrong = f"must have shape (K, C), not {f['weight'].shape}"
    _need(f["weight"].ndim == 2, f"{f.where}.weight", wrong)
    channels, depth = f["weight"].shape
    shape = (channels, -(-depth // f["group"]))
    f.need(f["scale"].shape == shape, "scale", f"be of shape {shape}")
    for name in ("zero", "offset"):
        f.need(f[name].shape in ((), shape), name, f"be one value or of shape {shape}")
    f.need(f["bias"].size in (1, channels), "bias", f"be one value or {channels}")
    _depth(f, x, depth)
    if f["scales"] == "weight":
        f.need(f["scale_product"] is None and not scales, "scales", "be sum with scales of the input")
        return Tensor((*x.shape[:-1], channels), _register(f, depth))
    f.need(not f["offset"].any(), "offset", "be 0 where scales multiply sums")
    f.need(f["weight_register"] is None, "weight_register", "be None where scales multiply sums")
    if f["scale_product"] is not None:
        _for_all_channels(f, "scale_product")
        drawn = any(step.get("rounding") == "stochastic" for step in f["scale_product"]["steps"])
        _need(not drawn, f"{f.where}.scale_product", "must not be stochastic")
    _stages(f)
    for y in scales:
        f.need(y.shape == (*x.shape[:-1], shape[1]), "inputs", f"have {shape[1]} scales for each row")
    return Tensor((*x.shape[:-1], channels), f["accumulator"]["format"])


@_entered(_GIVES, "batch_matmul")
def _batch_matmul(f, x, y):
    f.need(min(len(x.shape), len(y.shape)) >= 2, "inputs", "be matrices")
    rows, depth = x.shape[-2:][::-1] if f["transpose_x"] else x.shape[-2:]
    also, columns = y.shape[-2:][::-1] if f["transpose_y"] else y.shape[-2:]
    f.need(depth == also, "inputs", "have as many columns as rows, once they are transposed")
    leading = _broadcast(f, x.shape[:-2], y.shape[:-2])
    return Tensor((*leading, rows, columns), _register(f, depth))


@_entered(_GIVES, "clamp")
def _clamped(f, x):
    f.need(f["lo"] <= f["hi"], "hi", f"not be below lo, {f['lo']}")
    for name in ("lo", "hi"):
        f.need(x.format.has(f[name]), name, f"be in {x.format}")
    return x


@_entered(_GIVES, "concat")
def _concat(f, *inputs):
    format, axis = _one_format(f), f["axis"]
    before, after = _around_axis(f, inputs[0])
    alike = {(x.shape[:axis], x.shape[axis + 1 :]) for x in inputs} == {(before, after)}
    f.need(alike, "inputs", f"differ only along axis {axis}")
    return Tensor((*before, sum(x.shape[axis] for x in inputs), *after), format)


@_entered(_GIVES, "pack")
def _pack(f, *inputs):
    format, shape, axis = _one_format(f), inputs[0].shape, f["axis"]
    f.need(all(x.shape == shape for x in inputs), "inputs", "have one shape")
    f.need(axis <= len(shape), "axis", f"be at most {len(shape)}")
    return Tensor((*shape[:axis], len(inputs), *shape[axis:]), format)


@_entered(_GIVES, "split")
def _split(f, x):
    before, after = _around_axis(f, x)
    size = x.shape[f["axis"]]
    f.need(sum(f["sizes"]) == size, "sizes", f"sum to {size}")
    return [Tensor((*before, part, *after), x.format) for part in f["sizes"]]


@_entered(_GIVES, "unpack")
def _unpack(f, x):
    before, after = _around_axis(f, x)
    return [Tensor((*before, *after), x.format)] * x.shape[f["axis"]]


@_entered(_GIVES, "constant")
def _constant(f):
    return Tensor(f["values"].shape, f["format"])


@_entered(_GIVES, "embedding_lookup")
def _embedding_lookup(f, x):
    f.need(f["table"].ndim >= 1, "table", "have rows")
    return Tensor((*x.shape, *f["table"].shape[1:]), f["format"])


@_entered(_GIVES, "gather")
def _gather(f, x, *second):
    before, after = _around_axis(f, x)
    places, size = f["indices"], x.shape[f["axis"]]
    f.need((places is None) == bool(second), "indices", "be given, or be the second input")
    f.need(all(y.format.type == "IntFormat" for y in second), "inputs", "have places in plain integers")
    f.need(second or places.max() < size, "indices", f"be 0 to {size - 1}")
    return Tensor((*before, *(second[0] if second else places).shape, *after), x.format)


@_entered(_GIVES, "hard_swish")
def _hard_swish(f, x):
    _at_most(f, "inputs", x.format, 8)
    f.need(f["format"].low >= -(2**15) and f["format"].high < 2**15, "format", "be inside int16")
    return Tensor(x.shape, f["format"])


def _rows(f, x):
    """The input, which has rows, in the output's format."""
    f.need(x.shape, "inputs", "have an axis")
    return Tensor(x.shape, f["format"])


@_entered(_GIVES, "l2_normalization")
def _l2_normalization(f, x):
    given = _rows(f, x)
    largest = max(abs(end - f["input_zero_point"]) for end in (x.format.low, x.format.high))
    f.need(largest**2 * x.shape[-1] < 2**31, "inputs", "have sums of squares below 2**31")
    return given


@_entered(_GIVES, "log_softmax")
def _log_softmax(f, x):
    _at_most(f, "format", f["format"], 9)
    _for_all_channels(f, "rescale")
    return _rows(f, x)


@_entered(_GIVES, "softmax")
def _softmax(f, x):
    recipe, bits = f["recipe"], f["format"].bits
    fits = {
        "FixedPointSoftmax": bits <= 24,
        "TableSoftmax": str(x.format) == str(f["format"]) == "int16",
        **dict.fromkeys(
            ("FloatSoftmax", "QuotientSoftmax"),
            bits <= 16 and len(recipe.get("table", ())) == 2**x.format.bits,
        ),
    }
    f.need(fits[recipe["type"]], "format", f"be one that {recipe['type']} gives for {x.format}")
    return _rows(f, x)


@_entered(_GIVES, "lookup")
def _lookup(f, x):
    f.need(x.format == f["input_format"], "input_format", f"be the input's, {x.format}")
    _at_most(f, "input_format", f["input_format"], 16)
    _at_most(f, "format", f["format"], 32)
    bits, low = f["input_format"].bits, f["interpolation_bits"]
    f.need(low < bits, "interpolation_bits", f"be below {bits}")
    f.need(not low or f["format"].low < 0, "format", "be signed where entries are interpolated")
    size = 2 ** (bits - low) + (low > 0)
    f.need(f["entries"].shape == (size,), "entries", f"be a list of {size}")
    return Tensor(x.shape, f["format"])


@_entered(_GIVES, "leaky_relu")
def _branched(f, x):
    format = f["positive"]["format"]
    f.need(f["negative"]["format"] == format, "negative.format", f"be {format} as that of positive")
    _for_all_channels(f, "positive")
    _for_all_channels(f, "negative")
    return Tensor(x.shape, format)


@_entered(_GIVES, "prelu")
def _prelu(f, x):
    shape = f["slope"].shape
    padded = (1,) * (len(x.shape) - len(shape)) + shape
    fits = len(padded) == len(x.shape) and all(padded[k] in (1, x.shape[k]) for k in range(len(padded)))
    f.need(fits, "slope", f"broadcast to {x.shape}")
    return _branched(f, x)


@_entered(_GIVES, "requantize")
def _requantize(f, x):
    for channels in _channels(f["requantization"]):
        wrong = f"must be for the channels of {x.shape}, its last axis, not for {channels}"
        _need(x.shape[-1:] == (channels,), f"{f.where}.requantization.steps", wrong)
    return Tensor(x.shape, f["format"] or f["requantization"]["format"])


@_entered(_GIVES, "reduce_max", "reduce_min")
def _reduce(f, x):
    axes = f["axes"]
    good = axes and list(axes) == sorted(set(axes)) and axes[-1] < len(x.shape)
    f.need(good, "axes", f"be axes of {x.shape} that ascend")
    sizes = [(1,) * f["keepdims"] if axis in axes else (size,) for axis, size in enumerate(x.shape)]
    return Tensor(sum(sizes, ()), x.format)


@_entered(_GIVES, "mean")
def _mean(f, x):
    _deterministic(f)
    return _reduce(f, x)


@_entered(_GIVES, "sum")
def _sum(f, x):
    shape = _reduce(f, x).shape
    return Tensor(shape, _register(f, math.prod(x.shape[axis] for axis in f["axes"])))


def _entry_per_axis(f, name, x):
    f.need(len(f[name]) == len(x.shape), name, f"have an entry for each axis of {x.shape}")


@_entered(_GIVES, "pad")
def _pad(f, x):
    _entry_per_axis(f, "padding", x)
    if f["mode"] == "constant":
        f.need(x.format.has(f["value"]), "value", f"be in {x.format}")
    sizes = []
    for size, (before, after) in zip(x.shape, f["padding"]):
        most = size - (f["mode"] == "reflect")
        f.need(f["mode"] == "constant" or max(before, after) <= most, "padding", "fit the image in a mirror")
        sizes.append(before + size + after)
    return Tensor(tuple(sizes), x.format)


@_entered(_GIVES, "reshape")
def _reshape(f, x):
    count = math.prod(x.shape)
    f.need(math.prod(f["shape"]) == count, "shape", f"have the {count} elements of {x.shape}")
    return Tensor(f["shape"], x.format)


@_entered(_GIVES, "tile")
def _tile(f, x):
    _entry_per_axis(f, "multiples", x)
    return Tensor(tuple(size * times for size, times in zip(x.shape, f["multiples"])), x.format)


@_entered(_GIVES, "transpose")
def _transpose(f, x):
    order = f["permutation"]
    f.need(sorted(order) == list(range(len(x.shape))), "permutation", f"name each axis of {x.shape} once")
    return Tensor(tuple(x.shape[axis] for axis in order), x.format)


@_entered(_GIVES, "slice")
def _slice(f, x):
    f["stride"] = f["stride"] or (1,) * len(f["begin"])
    for name in ("begin", "size", "stride"):
        _entry_per_axis(f, name, x)
    f.need(0 not in f["stride"], "stride", "not be 0")
    for extent, first, size, step in zip(x.shape, f["begin"], f["size"], f["stride"]):
        last = first + (size - 1) * step
        f.need(
            0 <= min(first, last) <= max(first, last) < extent, "begin", f"stay inside {x.shape} with size"
        )
    return Tensor(f["size"], x.format)


@_entered(_GIVES, "resize_nearest")
def _resize_nearest(f, x):
    _image(f, x)
    for name, size in zip(("rows", "columns"), x.shape):
        f.need(f[name].max() < size, name, f"be below {size}")
    return Tensor((f["rows"].size, f["columns"].size, x.shape[2]), x.format)


@_entered(_GIVES, "resize_bilinear")
def _resize_bilinear(f, x):
    _deterministic(f)
    _image(f, x)
    one = 2 ** f["weight_bits"]
    for name, size in zip(("rows", "columns"), x.shape):
        f.need(f[name]["weight"].max() <= one, f"{name}.weight", f"be at most {one}")
        for end in ("low", "high"):
            f.need(f[name][end].max() < size, f"{name}.{end}", f"be below {size}")
    return Tensor((f["rows"]["low"].size, f["columns"]["low"].size, x.shape[2]), x.format)


@_entered(_GIVES, "space_to_depth")
def _space_to_depth(f, x):
    _image(f, x)
    (height, width, depth), block = x.shape, f["block"]
    f.need(height % block == width % block == 0, "block", f"divide the sides of {x.shape}")
    return Tensor((height // block, width // block, block**2 * depth), x.format)


@_entered(_GIVES, "depth_to_space")
def _depth_to_space(f, x):
    _image(f, x)
    (height, width, depth), block = x.shape, f["block"]
    f.need(depth % block**2 == 0, "block", f"squared divide the channels of {x.shape}")
    return Tensor((height * block, width * block, depth // block**2), x.format)


def _door(f, x):
    f.need(np.isfinite(f["scale"]).all() and (f["scale"] > 0).all(), "scale", "be positive and finite")
    size = f["scale"].size
    f.need(f["zero_point"].size in (1, size), "zero_point", f"be one value or {size}")
    f.need(size == 1 or f["axis"] is not None, "axis", f"be given for {size} scales")
    _along_axis(f, x.shape, lambda extent: (1, extent))
    return Tensor(x.shape, f["format"])


@_entered(_GIVES, "quantize")
def _quantize(f, x):
    f.need(str(x.format) == f["scale"].dtype.name, "scale", f"be {x.format} as the input is")
    _at_most(f, "format", f["format"], 32)
    _deterministic(f)
    given = _door(f, x)
    with np.errstate(over="ignore"):
        finite = np.isfinite(f["scale"].dtype.type(1) / f["scale"]).all()
    f.need(finite or not f["reciprocal"], "scale", "have a finite reciprocal")
    _without_zero_point(f, f["format"])
    return given


def _without_zero_point(f, format):
    f.need(format.type == "IntFormat" or not f["zero_point"].any(), "zero_point", f"be 0 for {format}")


@_entered(_GIVES, "dequantize")
def _dequantize(f, x):
    coded = f["input_format"] is not None
    _at_most(f, "inputs", x.format, 16 if coded else 32)
    same = x.format == f["input_format"] if coded else x.format.type == "IntFormat"
    f.need(same, "input_format", f"be the input's, {x.format}, where that is of codes")
    _without_zero_point(f, x.format)
    return _door(f, x)


PARTS = ("scale", "zero", "offset", "offset_scale")
"""What a level of blocks may share, in the order of the tensors."""


def _levels(format):
    """The levels of a format of blocks, of any other none."""
    return format.record["levels"] if format is not None and format.type == "BlockFormat" else []


def _planes(format, outer=None):
    """Size and format of what levels share, tensor by tensor, without scales that the field outer gives."""
    levels = [level for level in _levels(format) if level["size"] or outer is None]
    return [(level["size"], level[part]) for level in levels for part in PARTS if level[part] is not None]


def _counted(format):
    """Elements of the outermost level that counts them; 0 if none does."""
    return max([0, *(level["size"] for level in _levels(format))])


def _outer(f, format):
    """Each level of size 0 has one entry of its scale's format in the field outer, if that is given."""
    if f["outer"] is not None:
        levels = [level for level in _levels(format) if not level["size"]]
        f.need(levels, "outer", "be None where no level is of size 0")
        f.need(f["outer"].size == len(levels), "outer", f"have {len(levels)} entries")
        for level, entry in zip(levels, f["outer"]):
            alone = all(level[part] is None for part in PARTS[1:])
            f.need(alone, "outer", "be None where a level of size 0 has more than a scale")
            f.need(not level["scale"].outside(entry), "outer", f"fit {level['scale']}")


def _elements(f, format, inputs):
    """The shape of the elements, of inputs that are the tensors of blocks."""
    planes = _planes(format, f["outer"])
    f.need(len(inputs) == 1 + len(planes), "inputs", f"be {1 + len(planes)} tensors, of {format}")
    first, *others = inputs
    right = first.format == format.record["element"] and first.shape
    f.need(right, "inputs", f"start with elements in {format.record['element']}")
    for (size, wanted), x in zip(planes, others):
        f.need(x.format == wanted, "inputs", f"have {wanted} in the place of {x.format}")
        if size:
            fits = x.shape == (*first.shape[:-1], -(-first.shape[-1] // size))
        else:
            fits = len(x.shape) == len(first.shape) and x.shape[-1] == 1
            fits = fits and all(n in (1, wanted) for n, wanted in zip(x.shape[:-1], first.shape))
        f.need(fits, "inputs", f"have as many scales as {size or 'all'} elements share")
    return first.shape


def _numbers(f, format, inputs, real=()):
    """The shape of the only input, which is in a format; if there is none, in integers."""
    f.need(len(inputs) == 1 and inputs[0].shape, "inputs", "be one tensor with an axis")
    if format is not None:
        f.need(inputs[0].format == format, "inputs", f"be {format}")
    whole = (*FORMATS["format"], *FORMATS["sign format"], *real)
    f.need(format is not None or inputs[0].format.type in whole, "input_format", "be given for the input")
    return inputs[0].shape


@_entered(_GIVES, "block_quantize")
def _block_quantize(f, x):
    _deterministic(f)
    format, levels = f["format"], _levels(f["format"])
    kinds = [level["scale"].type for level in levels]
    plain = all(level[part] is None for level in levels for part in PARTS[1:])
    shifts = kinds == ["PowerOfTwo"] * 2 and f["mode"] == "floor"
    twice = len(kinds) == 2 and kinds[0] != "PowerOfTwo" and kinds[1] == "Minifloat"
    follow = plain and (kinds == ["PowerOfTwo"] or shifts or twice)
    f.need(follow, "format", "have scales that follow from the values, by this mode")
    good = levels[0]["size"] and not (twice and levels[1]["size"])
    f.need(good, "format", "count the elements of its inner level, and all of them in an outer one")
    _outer(f, format)
    follows = not levels[-1]["size"] and f["outer"] is None
    f.need(follows or not f["per_row"], "per_row", "be False where no outer scale follows from the values")
    shape = _numbers(f, f["input_format"], [x], FORMATS["real format"])
    given = [Tensor(shape, format.record["element"])]
    for size, scale in _planes(format, f["outer"]):
        lead = shape[:-1] if size or f["per_row"] else (1,) * len(shape[:-1])
        given.append(Tensor((*lead, -(-shape[-1] // size) if size else 1), scale))
    return given


@_entered(_GIVES, "block_dequantize")
def _block_dequantize(f, *inputs):
    _outer(f, f["format"])
    float32 = str(f["output"]["format"]) == "binary32"
    f.need(float32 or not f["real"], "real", "be False unless the output is binary32")
    format = _format_of_name("float32") if f["real"] else f["output"]["format"]
    return Tensor(_elements(f, f["format"], inputs), format)


def _weight_scales(f, channels, depth):
    """The scales of the weights, a row per channel, or one where all share them."""
    levels, found = _levels(f["weight_format"]), []
    where = f"{f.where}.weight_scales"
    count = len(f["weight_scales"])
    _need(count == len(levels), where, f"must be {len(levels)}, one per level, not {count}")
    for place, (level, given) in enumerate(zip(levels, f["weight_scales"])):
        shape = (channels, -(-depth // level["size"])) if level["size"] else (1, channels)
        if level["size"]:
            wrong = f"must have shape {shape}, not {given.shape}"
            _need(given.shape == shape, f"{where}.{place}", wrong)
        else:
            wrong = f"must be one entry or {channels}, not of shape {given.shape}"
            _need(given.size in shape, f"{where}.{place}", wrong)
            given = given.reshape(-1, 1)
        found.append(_codes(given, level["scale"], f"{where}.{place}", OPS["block_dense"]["weight_scales"]))
    return found


def _last_float(f, blocks):
    """The float that rounds last in a layer of these formats of blocks."""
    made = f["accumulator"]
    as_a_whole = any(not level["size"] for side in blocks for level in _levels(side))
    outer = "be given for scales of levels of size 0"
    f.need(not as_a_whole or made["outer"] is not None, "accumulator.outer", outer)
    held = made["register"]["float"] if made["register"]["type"] == "FloatRegister" else None
    last = (made["outer"] if as_a_whole else None) or made["output"] or held
    f.need(last is not None, "accumulator.output", "be given, or a float register")
    return last["format"]


@_entered(_GIVES, "block_dense")
def _block_dense(f, *inputs):
    wrong = f"must have shape (K, C), not {f['weight'].shape}"
    _need(f["weight"].ndim == 2, f"{f.where}.weight", wrong)
    channels, depth = f["weight"].shape
    f["weight_scales"] = _weight_scales(f, channels, depth)
    read, blocks = f["input_format"], {"weight_format": f["weight_format"]}
    if read is not None and read.type == "BlockFormat":
        blocks["input_format"] = read
    _outer(f, read)
    for name, side in blocks.items():
        scales = all(level[part] is None for level in _levels(side) for part in PARTS[1:])
        f.need(scales, name, "have no zeros and no offsets")
    size = _counted(f["weight_format"])
    small, large = sorted((size, _counted(read)))
    f.need(not small or large % small == 0, "input_format", f"have blocks of a multiple or a part of {size}")
    format = _last_float(f, blocks.values())
    if f["bias"] is not None:
        good = f["bias"].ndim <= 1 and f["bias"].size in (1, channels)
        f.need(good, "bias", f"be one code or {channels}")
        f["bias"] = _codes(f["bias"], format, f"{f.where}.bias", OPS["block_dense"]["bias"])
    shape = (_elements if "input_format" in blocks else _numbers)(f, read, inputs)
    _depth(f, Tensor(shape, None), depth)
    return Tensor((*shape[:-1], channels), format)
