"""What a layer means: one file per op, and `OPS`, the explicit list."""

from intsim.ops.add import Add
from intsim.ops.base import Op
from intsim.ops.clamp import Clamp
from intsim.ops.concat import Concat
from intsim.ops.constant import Constant
from intsim.ops.conv2d import Conv2d
from intsim.ops.dense import Dense
from intsim.ops.depth_to_space import DepthToSpace
from intsim.ops.embedding_lookup import EmbeddingLookup
from intsim.ops.gather import Gather
from intsim.ops.pack import Pack
from intsim.ops.pad import Pad, PadMode
from intsim.ops.requantize import Requantize
from intsim.ops.reshape import Reshape
from intsim.ops.slice import Slice
from intsim.ops.space_to_depth import SpaceToDepth
from intsim.ops.split import Split
from intsim.ops.tile import Tile
from intsim.ops.transpose import Transpose
from intsim.ops.unpack import Unpack

OPS: dict[str, type[Op]] = {
    op.name: op
    for op in (
        Add,
        Clamp,
        Concat,
        Constant,
        Conv2d,
        Dense,
        DepthToSpace,
        EmbeddingLookup,
        Gather,
        Pack,
        Pad,
        Requantize,
        Reshape,
        Slice,
        SpaceToDepth,
        Split,
        Tile,
        Transpose,
        Unpack,
    )
}
"""Every op of intsim by name; packages add theirs by the entry-point group ``intsim.ops``."""

__all__ = [
    "OPS",
    "Add",
    "Clamp",
    "Concat",
    "Constant",
    "Conv2d",
    "Dense",
    "DepthToSpace",
    "EmbeddingLookup",
    "Gather",
    "Op",
    "Pack",
    "Pad",
    "PadMode",
    "Requantize",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Tile",
    "Transpose",
    "Unpack",
]
