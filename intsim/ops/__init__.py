"""What a layer means: one file per op, and `OPS`, the explicit list."""

from intsim.ops.add import Add
from intsim.ops.base import Op
from intsim.ops.clamp import Clamp
from intsim.ops.conv2d import Conv2d
from intsim.ops.dense import Dense
from intsim.ops.requantize import Requantize

OPS: dict[str, type[Op]] = {
    op.name: op
    for op in (
        Add,
        Clamp,
        Conv2d,
        Dense,
        Requantize,
    )
}
"""Every op of intsim by name; packages add theirs by the entry-point group ``intsim.ops``."""

__all__ = ["OPS", "Add", "Clamp", "Conv2d", "Dense", "Op", "Requantize"]
