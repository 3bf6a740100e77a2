"""The network's file: its fields, and the shapes and formats of its tensors (rule V2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import h5py

from .form import INNER, OUTER, Pair, Range, Shape, limits


class Tensor(NamedTuple):
    """Format's ends (None: real, or unknown), sample's shape (None: unknown), range."""

    format: Pair | None
    shape: Shape | None
    range: Range


def field(g: Any, name: str) -> Any:
    """A field as Python's own numbers, texts and lists; None where it is absent."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(entry) for entry in value]
        return value.decode("utf-8") if isinstance(value, bytes) else value

    if name in g.attrs:
        value = g.attrs[name]
    elif isinstance(g.get(name), h5py.Dataset):
        value = g[name][()]
    else:
        return None
    return plain(value.tolist() if hasattr(value, "tolist") else value)


def several(g: Any, name: str) -> list[Any]:
    """A field that is a list, or one value for all."""
    value = field(g, name)
    return value if isinstance(value, list) else [value]


def stored_accumulator(g: Any, names: Sequence[str] = OUTER) -> dict[str, Any]:
    said = {name: field(g, name) for name in names}
    return said | {"inner": stored_accumulator(g["inner"], INNER) if "inner" in g else None}


def members(g: Any) -> dict[str, Any]:
    """The inputs or the nodes by name, in their order."""
    pairs = sorted(g.items(), key=lambda pair: int(pair[1].attrs["position"]))
    return {name.replace("%2E", ".").replace("%2F", "/").replace("%25", "%"): at for name, at in pairs}


def window(g: Any, x: Shape, kernel: Any, channels: int) -> Shape:
    stride, dilation, padding = field(g, "stride"), field(g, "dilation"), field(g, "padding")
    rest = [x[i] + sum(padding[i]) - (kernel[i] - 1) * dilation[i] - 1 for i in range(2)]
    return rest[0] // stride[0] + 1, rest[1] // stride[1] + 1, channels


def broadcast(g: Any, *shapes: Shape) -> Shape:
    rank = max(map(len, shapes))
    return tuple(map(max, zip(*((1,) * (rank - len(s)) + s for s in shapes), strict=True)))


def matmul(g: Any, x: Shape, y: Shape) -> Shape:
    rows, columns = x[-1 if field(g, "transpose_x") else -2], y[-2 if field(g, "transpose_y") else -1]
    return (*broadcast(g, x[:-2], y[:-2]), rows, columns)


def reduced(g: Any, x: Shape) -> Shape:
    axes, keep = several(g, "axes"), field(g, "keepdims")
    return tuple(1 if i in axes else size for i, size in enumerate(x) if keep or i not in axes)


def blocks(g: Any, x: Shape, down: bool) -> Shape:
    b = field(g, "block")
    return (x[0] // b, x[1] // b, x[2] * b * b) if down else (x[0] * b, x[1] * b, x[2] // (b * b))


def at_axis(g: Any, x: Shape, *inside: int, taken: int = 1) -> Shape:
    """The shape with other sizes in the place of one axis."""
    axis = field(g, "axis")
    return (*x[:axis], *inside, *x[axis + taken :])


SAME = (
    "requantize clamp lookup leaky_relu prelu hard_swish l2_normalization softmax log_softmax quantize"
    " dequantize"
)
SHAPES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(SAME.split(), lambda g, x: x),
    **dict.fromkeys(("mean", "sum", "reduce_max", "reduce_min"), reduced),
    **dict.fromkeys(("add", "sub", "mul", "maximum", "minimum", "squared_difference"), broadcast),
    **dict.fromkeys(("max_pool2d", "avg_pool2d"), lambda g, x: window(g, x, field(g, "kernel"), x[2])),
    "conv2d": lambda g, x: window(g, x, g["weight"].shape[1:3], g["weight"].shape[0]),
    "depthwise_conv2d": lambda g, x: window(g, x, g["weight"].shape[2:], prod(g["weight"].shape[:2])),
    "transpose_conv2d": lambda g, x: (*field(g, "output_size"), g["weight"].shape[0]),
    "dense": lambda g, x: (*x[:-1], g["weight"].shape[0]),
    "batch_matmul": matmul,
    "constant": lambda g: g["values"].shape,
    "reshape": lambda g, x: tuple(several(g, "shape")),
    "slice": lambda g, x: tuple(several(g, "size")),
    "pad": lambda g, x: tuple(size + sum(pair) for size, pair in zip(x, field(g, "padding"), strict=True)),
    "transpose": lambda g, x: tuple(x[axis] for axis in several(g, "permutation")),
    "concat": lambda g, *x: at_axis(g, x[0], sum(shape[field(g, "axis")] for shape in x)),
    "pack": lambda g, *x: at_axis(g, x[0], len(x), taken=0),
    "unpack": lambda g, x: at_axis(g, x),
    "split": lambda g, x: [at_axis(g, x, size) for size in several(g, "sizes")],
    "gather": lambda g, x, *at: at_axis(g, x, *(at[0] if at else g["indices"].shape)),
    **dict.fromkeys(("arg_max", "arg_min"), lambda g, x: at_axis(g, x, *[1] * bool(field(g, "keepdims")))),
    "embedding_lookup": lambda g, x: (*x, *g["table"].shape[1:]),
    "tile": lambda g, x: tuple(size * n for size, n in zip(x, several(g, "multiples"), strict=True)),
    "space_to_depth": lambda g, x: blocks(g, x, True),
    "depth_to_space": lambda g, x: blocks(g, x, False),
    "resize_nearest": lambda g, x: (g["rows"].size, g["columns"].size, x[2]),
    "resize_bilinear": lambda g, x: (g["rows/low"].size, g["columns/low"].size, x[2]),
}


def outputs_of(op: str, g: Any, acc: Any, inputs: list[Tensor], count: int) -> list[Tensor]:
    """Formats and shapes of what a node gives, and the formats' ranges."""
    if op not in SHAPES or field(g, "op_version") != 1:
        return [Tensor(None, None, [])] * count
    name = acc["format"] if acc else field(g, "format")
    for home in ("register", "requantization", "positive"):
        name = field(g[home], "format") if home in g else name
    if name is None:
        format = inputs[0].format
    else:
        format = None if name.startswith("float") else limits(name)
    shapes = [x.shape for x in inputs]
    found = None if None in shapes else SHAPES[op](g, *shapes)
    return [
        Tensor(format, shape, [format] if format else [])
        for shape in (found if isinstance(found, list) else [found] * count)
    ]
