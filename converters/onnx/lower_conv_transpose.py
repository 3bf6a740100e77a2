"""ConvTranspose between dequantized tensors and a QuantizeLinear.

Rules (CT), cited by the lowerings
----------------------------------
CT1. Weights are constants of shape (C, K / group, KH, KW), or (C, K / group, KL) for signals, with one scale
     and zero point, or one per output channel: along axis 1, where the groups are one.
CT2. Along each axis, input i and tap k meet in output o = i * stride - pad before + k * dilation. There are
     stride * (size - 1) + (kernel - 1) * dilation + 1 + output_padding - pads outputs, or output_shape, which
     then says the pads: the odd one before, after for SAME_UPPER. SAME without it ONNX and ONNX Runtime read
     differently: refused.
CT3. ONNX Runtime has no integer operator for it: ort refuses. In integer it is what Conv is: exact sums, the
     bias by the rules of `fused`, requantized by rule S2 of `sums`.

References
----------
ONNX, docs/Operators.md (ConvTranspose); ONNX Runtime 1.31.1:
onnxruntime/core/providers/cpu/nn/conv_transpose_attributes.h.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.fused import bias_of, dequantized_pair, pending_reason
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.sums import accumulator, check_types, ratio, requantization, sum_quantization
from intsim_converters.onnx.values import FORMATS, Codes, Layout, Meaning, Pending
from intsim_converters.onnx.windows import Pair, image_size, pair_of

from intsim.ops import Requantize, TransposeConv2d


@lowers("ConvTranspose")
def lower_conv_transpose(op: Lowering) -> None:
    """Binds what the QuantizeLinear behind it finishes."""
    op.require(
        not op.as_runtime,
        "float region: ConvTranspose computes in float, as the runtime has no integer operator for it;"
        " --dialect integer has. [CT3]",
    )
    x, w = dequantized_pair(op)
    codes, weights = x.codes, w.codes
    if not isinstance(codes, Codes):
        op.refuse("input must be computed, not a constant. [CT1]")
    if not isinstance(weights, Constant):
        op.refuse("weights must be a constant, not computed. [CT1]")
    groups = op.attribute("group", 1)
    _check_weights(op, codes, weights, groups)
    along = w.meaning.axis is None or (w.meaning.axis == 1 and groups == 1)
    op.require(along and x.meaning.axis is None, "scales must run along output channels. [CT1]")
    filters = weights.shape[1] * groups
    bias = bias_of(op, x.meaning, w.meaning, scaled=True).reshape(-1)
    op.require(bias.size in (1, filters), f"bias must have {filters} values, not {bias.size}. [CT1]")

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        check_types(quantize, x.meaning, w.meaning, y)
        sums = _sums(op, codes, weights, (x.meaning, w.meaning), bias, groups)
        axes = len(codes.shape) - 2
        shape = (codes.shape[0], filters, *sums.output_size[2 - axes :])
        stands_for = sum_quantization(x.meaning, w.meaning, 2)
        name = quantize.step(sums, op.view(codes, Layout.IMAGE), name="accumulator", quantization=stands_for)
        rule = requantization(quantize, ratio(quantize, [x.meaning.scale, w.meaning.scale], y.scale), y)
        return quantize.emit(
            Requantize(rule), name, shape=shape, dtype=y.dtype, layout=Layout.IMAGE, meaning=y
        )

    op.bind(Pending(finish, pending_reason(op)))


def _check_weights(op: Lowering, x: Codes, weights: Constant, groups: int) -> None:
    """Rule CT1."""
    image_size(op, x.shape)
    shape, channels = weights.shape, x.shape[1]
    op.require(
        len(shape) == len(x.shape) and min(shape) >= 1,
        f"weights must have {len(x.shape)} axes, as the input, and no size 0, not shape {shape}. [CT1]",
    )
    op.require(weights.dtype in FORMATS, f"weights must be integers, not {weights.dtype}. [CT1]")
    good = groups >= 1 and channels % groups == 0 and shape[0] == channels
    op.require(good, f"weights of shape {shape} must match {channels} channels in {groups} groups. [CT1]")
    given = op.attribute("kernel_shape", shape[2:])
    op.require(tuple(given) == shape[2:], f"kernel_shape must be the weights', not {given}. [CT1]")


def _sums(
    op: Lowering, x: Codes, weights: Constant, meant: tuple[Meaning, Meaning], bias: Array, groups: int
) -> TransposeConv2d:
    """The op that makes the sums, by rule CT2."""
    values = weights.values if len(weights.shape) == 4 else weights.values[:, :, None, :]
    channels, filters, height, width = values.shape
    grouped = values.reshape(groups, channels // groups, filters, height, width).transpose(0, 2, 3, 4, 1)
    size, axes = image_size(op, x.shape), len(x.shape) - 2
    stride, dilation = pair_of(op, "strides", axes), pair_of(op, "dilations", axes)
    reach = ((height - 1) * dilation[0] + 1, (width - 1) * dilation[1] + 1)
    before, outputs = _places(op, size, axes, stride, reach)
    return TransposeConv2d(
        weight=grouped.reshape(groups * filters, height, width, channels // groups),
        output_size=outputs,
        weight_format=FORMATS[weights.dtype],
        bias=bias.astype(np.int64),
        input_zero_point=int(meant[0].zero_point[0]),
        weight_zero_point=meant[1].zero_point,
        stride=stride,
        dilation=dilation,
        offset=before,
        groups=groups,
        accumulator=accumulator(x.dtype, weights.dtype),
    )


def _places(op: Lowering, size: Pair, axes: int, stride: Pair, reach: Pair) -> tuple[Pair, Pair]:
    """What is dropped before the first output, and how many outputs there are."""
    added = pair_of(op, "output_padding", axes, absent=0)
    below = all(extra < step for extra, step in zip(added, stride, strict=True))
    op.require(below, f"output_padding must be below the strides {stride}, not {added}. [CT2]")
    automatic = op.attribute("auto_pad", "NOTSET")
    known = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    op.require(automatic in known, f"auto_pad must be one of {', '.join(known)}, not {automatic!r}")
    asked = op.attribute("output_shape", ())
    agreed = bool(asked) or not automatic.startswith("SAME")
    op.require(agreed, f"auto_pad must not be {automatic} without output_shape. [CT2]")
    pads = op.attribute("pads", (0,) * (2 * axes))
    op.require(len(pads) == 2 * axes and min(pads) >= 0, f"pads must be {2 * axes} sizes, not {pads}")
    op.require(len(asked) in (0, axes, axes + 2), f"output_shape must have {axes} sizes, not {asked}")
    before, outputs = [], []
    for axis in range(2):
        place = axis - (2 - axes)  # in the file's lists; -1 for the height of a signal
        whole = stride[axis] * (size[axis] - 1) + reach[axis] + added[axis]
        if place < 0:
            before, outputs = [0], [whole]
            continue
        if not asked:
            ends = (0, 0) if automatic == "VALID" else (pads[place], pads[place + axes])
            before.append(ends[0])
            outputs.append(whole - sum(ends))
            continue
        wanted = asked[len(asked) - axes + place]
        total = max(whole - wanted, 0)
        before.append(total // 2 if automatic == "SAME_UPPER" else total - total // 2)
        outputs.append(wanted)
    op.require(min(outputs) >= 1, f"output must have a size of at least 1, not {tuple(outputs)}. [CT2]")
    return (before[0], before[1]), (outputs[0], outputs[1])
