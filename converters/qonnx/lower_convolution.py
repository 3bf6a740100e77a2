"""Conv with constant weights, over images and signals.

Rules
-----
C1. Weights are (K, C / group, KH, KW), or (K, C / group, KL) for signals. Padding adds nothing: a real 0,
    which the input's zero point stands for.
C2. With as many groups as channels every channel has filters of its own, and may have a scale of its own.
C3. A bias is added in float32 behind the exact sum where it is no whole number of its scale.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.windows import image_size, read_window
from intsim_converters.qonnx.affine import affine, one_scale
from intsim_converters.qonnx.lowering import QonnxLowering, lowers
from intsim_converters.qonnx.parameters import axes
from intsim_converters.qonnx.sums import Product, finish, matrix, read_bias, weight_format

from intsim.ops import Conv2d, DepthwiseConv2d


@lowers("Conv")
def lower_conv(op: QonnxLowering) -> None:
    x, w = affine(op, op.carried(0)), op.fixed(1, "weights")
    size, shape, groups = image_size(op, x.shape), w.shape, op.attribute("group", 1)
    good = len(shape) == len(x.shape) and groups >= 1 and shape[0] % max(groups, 1) == 0
    op.require(
        good and shape[1] * groups == x.shape[1],
        f"weights of shape {shape} must match input {x.shape} in {groups} groups. [C1]",
    )
    bias = read_bias(op, 2, shape[0])
    window = read_window(op, x.shape, tuple(shape[2:]))
    weights = matrix(op, w, 0)
    codes = weights.codes if len(shape) == 4 else weights.codes[:, :, None, :]
    fields = {"weight_zero_point": weights.zero, **window.fields, **weight_format(op, w)}
    if shape[1] == 1 and groups > 1:
        op.require(axes((x.slope,)) in ([], [1]) and x.zero.size == 1, "scales must run along channels. [C2]")
        by_channel = codes[:, 0].reshape(groups, shape[0] // groups, *codes.shape[2:])
        node: Product = DepthwiseConv2d(weight=by_channel, input_zero_point=int(x.zero.flat[0]), **fields)
    else:
        _, zero = one_scale(op, x, "input")
        node = Conv2d(weight=np.moveaxis(codes, 1, 3), groups=groups, input_zero_point=zero, **fields)
    out = window.size(size)
    result = (x.shape[0], shape[0], *(out if len(shape) == 4 else out[1:]))
    finish(op, node, x, weights, result, 1, bias)
