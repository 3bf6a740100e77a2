"""What a layer means: one file per op, and `OPS`, the explicit list."""

from intsim.ops.add import Add
from intsim.ops.arg_max import ArgMax
from intsim.ops.arg_min import ArgMin
from intsim.ops.avg_pool2d import AvgPool2d
from intsim.ops.base import Op
from intsim.ops.batch_matmul import BatchMatmul
from intsim.ops.block_dense import BlockDense
from intsim.ops.block_dequantize import BlockDequantize
from intsim.ops.block_quantize import BlockQuantize
from intsim.ops.clamp import Clamp
from intsim.ops.concat import Concat
from intsim.ops.constant import Constant
from intsim.ops.conv2d import Conv2d
from intsim.ops.dense import Dense
from intsim.ops.depth_to_space import DepthToSpace
from intsim.ops.depthwise_conv2d import DepthwiseConv2d
from intsim.ops.dequantize import Dequantize
from intsim.ops.embedding_lookup import EmbeddingLookup
from intsim.ops.float_avg_pool2d import FloatAvgPool2d
from intsim.ops.float_elementwise import FloatElementwise, FloatFunction
from intsim.ops.gather import Gather
from intsim.ops.group_dense import GroupDense, GroupScales
from intsim.ops.hard_swish import HardSwish
from intsim.ops.l2_normalization import L2Normalization
from intsim.ops.leaky_relu import LeakyRelu
from intsim.ops.log_softmax import LogSoftmax
from intsim.ops.lookup import Lookup
from intsim.ops.max_pool2d import MaxPool2d
from intsim.ops.maximum import Maximum
from intsim.ops.mean import Mean
from intsim.ops.minimum import Minimum
from intsim.ops.mul import Mul
from intsim.ops.pack import Pack
from intsim.ops.pad import Pad, PadMode
from intsim.ops.prelu import Prelu
from intsim.ops.quantize import Quantize
from intsim.ops.reduce_max import ReduceMax
from intsim.ops.reduce_min import ReduceMin
from intsim.ops.requantize import Requantize
from intsim.ops.reshape import Reshape
from intsim.ops.resize_bilinear import Between, ResizeBilinear
from intsim.ops.resize_nearest import ResizeNearest
from intsim.ops.select import Select
from intsim.ops.slice import Slice
from intsim.ops.softmax import Softmax
from intsim.ops.space_to_depth import SpaceToDepth
from intsim.ops.split import Split
from intsim.ops.squared_difference import SquaredDifference
from intsim.ops.sub import Sub
from intsim.ops.sum import Sum
from intsim.ops.tile import Tile
from intsim.ops.transpose import Transpose
from intsim.ops.transpose_conv2d import TransposeConv2d
from intsim.ops.unpack import Unpack

OPS: dict[str, type[Op]] = {
    op.name: op
    for op in (
        Add,
        ArgMax,
        ArgMin,
        AvgPool2d,
        BatchMatmul,
        BlockDense,
        BlockDequantize,
        BlockQuantize,
        Clamp,
        Concat,
        Constant,
        Conv2d,
        Dense,
        DepthToSpace,
        DepthwiseConv2d,
        Dequantize,
        EmbeddingLookup,
        FloatAvgPool2d,
        FloatElementwise,
        Gather,
        GroupDense,
        HardSwish,
        L2Normalization,
        LeakyRelu,
        LogSoftmax,
        Lookup,
        MaxPool2d,
        Maximum,
        Mean,
        Minimum,
        Mul,
        Pack,
        Pad,
        Prelu,
        Quantize,
        ReduceMax,
        ReduceMin,
        Requantize,
        Reshape,
        ResizeBilinear,
        ResizeNearest,
        Select,
        Slice,
        Softmax,
        SpaceToDepth,
        Split,
        SquaredDifference,
        Sub,
        Sum,
        Tile,
        Transpose,
        TransposeConv2d,
        Unpack,
    )
}
"""Every op of intsim by name; packages add theirs by the entry-point group ``intsim.ops``."""

__all__ = [
    "OPS",
    "Add",
    "ArgMax",
    "ArgMin",
    "AvgPool2d",
    "BatchMatmul",
    "Between",
    "BlockDense",
    "BlockDequantize",
    "BlockQuantize",
    "Clamp",
    "Concat",
    "Constant",
    "Conv2d",
    "Dense",
    "DepthToSpace",
    "DepthwiseConv2d",
    "Dequantize",
    "EmbeddingLookup",
    "FloatAvgPool2d",
    "FloatElementwise",
    "FloatFunction",
    "Gather",
    "GroupDense",
    "GroupScales",
    "HardSwish",
    "L2Normalization",
    "LeakyRelu",
    "LogSoftmax",
    "Lookup",
    "MaxPool2d",
    "Maximum",
    "Mean",
    "Minimum",
    "Mul",
    "Op",
    "Pack",
    "Pad",
    "PadMode",
    "Prelu",
    "Quantize",
    "ReduceMax",
    "ReduceMin",
    "Requantize",
    "Reshape",
    "ResizeBilinear",
    "ResizeNearest",
    "Select",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "SquaredDifference",
    "Sub",
    "Sum",
    "Tile",
    "Transpose",
    "TransposeConv2d",
    "Unpack",
]
