"""Check a certificate of `intsim.verify.certificate` against the network's file, without the prover.

This one file shares no code with the rest of intsim and counts in Python's own integers; h5py only reads
the file. It can be copied and run alone: ``python check_certificate.py CERTIFICATE.json NETWORK.h5``.

Rules
-----
V1. The certificate has the form that `intsim.verify.certificate` states (C1 to C8): every key, no other, no
    key twice, integers only, the SHA-256 of the network's file. The file is one that ``intsim check-model``
    accepts; others mean nothing.
V2. A tensor's range is the assumed one (inputs), the claimed one, or its format's. What is claimed must
    contain what the op makes of the ranges that it reads (`image`). Of an op that is not followed there, only
    the output's format is known; of one that is not in `SHAPES`, nothing is.
V3. An accumulator's terms follow from the weights and the input's range, for every set of taps that some
    output position has inside the image; a tap outside holds the zero point. They enter the registers as
    rules A1 to A6 of `intsim.arithmetic.accumulate` say, as intervals; terms are independent, so a sum of
    ends is reached. A correction has a part for every term, joined to it before ends are taken.
V4. A register hands out the exact sum where its overflow cannot change it; else any value of its format.
    A register that WRAPs is right modulo 2**bits if what enters it is right modulo that or more; then its
    final sum is the exact one, whatever wrapped inside.
V5. Claimed `final` and `partial` contain what V3 and V4 give. Whether a channel is proved, that the outermost
    register hands out the exact sum for every input, is drawn by V4 from the claims alone: a register's
    overflow cannot change it where `final` (WRAP) or `partial` (SATURATE, TRAP) fits the format.
V6. What cannot be followed is refused, never believed: any error on the way is a finding.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import h5py

Pair = tuple[int, int]  # the lowest and the highest value
Range = list[Pair]  # one pair for all channels, or one for each
Shape = tuple[int, ...]

NAMES = ("final", "partial")
INNER = ("format", "overflow", "topology", "tile", "inner")
OUTER = (*INNER, "order", "bias", "zero_point")
WORDS = {
    "overflow": ("wrap", "saturate", "trap"),
    "topology": ("chain", "tree"),
    "bias": ("first", "last"),
    "zero_point": ("subtract", "preload", "after"),
}


class Rejected(Exception):  # noqa: N818 - a verdict
    """A claim that is not believed, and where it stands."""


class Outcome(NamedTuple):
    """What an examination comes to.

    findings : why the certificate is rejected; where empty, every claim in it is true
    assumptions : what the claims rest on and the network's file does not say
    unproved : nodes of which the certificate itself does not say that they are proved in every channel
    sums : how many nodes that sum it speaks of
    """

    findings: list[str]
    assumptions: list[str]
    unproved: list[str]
    sums: int


class Tensor(NamedTuple):
    """Format's ends (None: real, or unknown), sample's shape (None: unknown), range."""

    format: Pair | None
    shape: Shape | None
    range: Range


def check(certificate: str, network: str) -> list[str]:
    """Why a certificate is rejected, one line each; none: every claim in it is true of this file."""
    return examine(certificate, network).findings


def examine(certificate: str, network: str) -> Outcome:
    """Check a certificate; never raises (rule V6)."""
    try:
        return Examination(load(certificate), Path(network).read_bytes()).outcome()
    except Rejected as error:
        return Outcome([str(error)], [], [], 0)
    except Exception as error:  # whatever it is, nothing has been shown
        return Outcome([f"{network}: cannot be followed: {short(error)}"], [], [], 0)


def need(true: object, where: str, what: str) -> None:
    if not true:
        raise Rejected(f"{where}: {what}")


def short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


# The certificate's form (V1)


def load(path: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            need(key not in seen, path, f"keys must be there once, not twice: {short(key)}")
            seen[key] = value
        return seen

    def never(text: str) -> Any:
        raise Rejected(f"{path}: numbers must be integers, not {short(text)}")

    try:
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=once, parse_float=never, parse_constant=never)
    except RecursionError:
        raise Rejected(f"{path}: must not be nested so deep") from None
    except (OSError, ValueError) as error:
        raise Rejected(f"{path}: must be JSON: {short(str(error))}") from None


def entries(where: str, value: Any, names: Sequence[str]) -> list[Any]:
    """The values of an object with these keys and no other."""
    need(type(value) is dict, where, f"must be an object, not {short(value)}")
    for name in names:
        need(name in value, where, f"must have the key {short(name)}, which is missing")
    for name in value:
        need(name in names, where, f"must have no key {short(name)}")
    return [value[name] for name in names]


def ends(where: str, value: Any, shape: Shape | None) -> Range:
    """A range: lo and hi, each one integer, or each a list with one per channel."""
    columns: list[list[int]] = []
    for name, end in zip(("lo", "hi"), entries(where, value, ("lo", "hi")), strict=True):
        column, where_end = end if type(end) is list else [end], f"{where}.{name}"
        if type(end) is list and shape is not None:
            channels = shape[-1] if shape else 0
            need(len(end) == channels, where_end, f"must have {channels} channels, not {len(end)}")
        for v in column:
            small = type(v) is int and v.bit_length() <= 256
            need(small, where_end, f"must be integers of at most 256 bits, not {short(v)}")
        columns.append(column)
    same = len(columns[0]) == len(columns[1]) > 0 and type(value["lo"]) is type(value["hi"])
    need(same, where, "must have as many values in lo as in hi")
    for lo, hi in zip(*columns, strict=True):
        need(lo <= hi, where, f"must not be empty, not {lo} to {hi}")
    return list(zip(*columns, strict=True))


def limits(name: Any, where: str = "format") -> Pair:
    """The lowest and the highest value of a format."""
    found = re.fullmatch(r"(u?)int([1-9][0-9]?)", name) if type(name) is str else None
    if found is None or int(found[2]) > 64:
        raise Rejected(f"{where}: must be int1 to int64 or uint1 to uint64, not {short(name)}")
    bits = int(found[2])
    return (0, (1 << bits) - 1) if found[1] else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def width(name: str) -> int:
    return int(name[name.index("t") + 1 :])


def fits(pair: Pair, name: str) -> bool:
    """Whether a format holds a range; by bit lengths."""
    if name.startswith("u"):
        return pair[0] >= 0 and pair[1].bit_length() <= width(name)
    return all((v if v >= 0 else ~v).bit_length() < width(name) for v in pair)


def accumulator_form(where: str, acc: Any, names: Sequence[str] = OUTER) -> None:
    said = dict(zip(names, entries(where, acc, names), strict=True))
    limits(said["format"], f"{where}.format")
    for name in (name for name in WORDS if name in said):
        told = f"must be {', '.join(WORDS[name])}, not {short(said[name])}"
        need(said[name] in WORDS[name], f"{where}.{name}", told)
    order, tile, inner = said.get("order", "hwc"), said["tile"], said["inner"]
    right = sorted(order) == ["c", "h", "w"] if type(order) is str else type(order) is list
    if type(order) is list:
        right = all(type(v) is int for v in order) and sorted(order) == list(range(len(order)))
    need(right, f"{where}.order", f"must be the letters h, w, c or all places, not {short(order)}")
    right = (type(tile) is int and tile > 0) or (tile is None and inner is None)
    need(right, f"{where}.tile", f"must be 1 or more, or null where nothing is inside, not {short(tile)}")
    if inner is not None:
        accumulator_form(f"{where}.inner", inner, INNER)


def differing(where: str, said: Any, stored: Any) -> Iterator[str]:
    """Where an accumulator is not the file's."""
    if type(said) is dict and type(stored) is dict and said.keys() == stored.keys():
        for name in stored:
            yield from differing(f"{where}.{name}", said[name], stored[name])
    elif type(said) is not type(stored) or said != stored:
        yield f"{where}: must be {short(stored)} as in the network, not {short(said)}"


# The network's file


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


# Shapes and formats (V2)


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


# Ranges through an op (V2)


def hull(pairs: Iterable[Pair]) -> Pair:
    lows, highs = zip(*pairs, strict=True)
    return min(lows), max(highs)


def wide(values: list[Any], channels: int) -> list[Any]:
    """One value per channel."""
    need(len(values) in (1, channels), "channels", f"must be 1 or {channels}, not {len(values)}")
    return values * channels if len(values) == 1 else values


def each(*ranges: Range) -> Range:
    """The hull, channel by channel."""
    channels = max(map(len, ranges))
    return [hull(pairs) for pairs in zip(*(wide(r, channels) for r in ranges), strict=True)]


def held(pair: Pair, g: Any) -> Pair:
    """What a register holds after a value of the range is written into it."""
    low, high = limits(field(g, "format"))
    if field(g, "overflow") == "wrap":
        return pair if low <= pair[0] and pair[1] <= high else (low, high)
    return min(max(pair[0], low), high), min(max(pair[1], low), high)


def rounded(value: int, divisor: int, rounding: str) -> int:
    floor, rest = divmod(value, divisor)
    sides = {"floor": False, "ceil": True, "toward_zero": value < 0, "away_from_zero": value > 0}
    ties = {"half_up": True, "half_down": False, "half_away": value > 0, "half_toward_zero": value < 0}
    ties |= {"half_even": floor % 2 == 1, "half_odd": floor % 2 == 0}
    if rounding in sides:
        up = sides[rounding]
    else:
        up = ties[rounding] if 2 * rest == divisor else 2 * rest > divisor
    return floor + 1 if rest and up else floor


def scaled(value: int, bits: int, before: Any, factors: float, after: Any, rounding: str) -> int:
    """The step Scale, IEEE operation by operation; what float32 rounds, rounds the same through float64."""
    need(-(2**63) <= value < 2**63, "Scale", "must meet at most 64 bits")

    def ieee(x: float) -> float:
        return x if bits == 64 else float(struct.unpack("f", struct.pack("f", x))[0])

    drop = max(abs(value).bit_length() - (53 if bits == 64 else 24), 0)
    x = float(rounded(value, 1 << drop, "half_even") << drop)
    x = x if before is None else ieee(x + before)
    x = ieee(x * factors)
    x = x if after is None else ieee(x + after)
    return rounded(*x.as_integer_ratio(), rounding)


def step(kind: str, p: dict[str, Any], lo: int, hi: int) -> Pair:
    """One step of a requantization on one channel, with that channel's parameters."""
    if kind == "Table":
        need(p["first"] <= lo and hi < p["first"] + len(p["entries"]), "Table", "must hold what comes")
        reached = p["entries"][lo - p["first"] : hi - p["first"] + 1]
        return min(reached), max(reached)
    if kind == "Slice":
        codes = 1 << (p["hi"] - p["lo"] + 1)
        sign = codes // 2 if p["signed"] else 0
        lo, hi = (lo >> p["lo"]) + sign, (hi >> p["lo"]) + sign
        return (
            (lo % codes - sign, hi % codes - sign)
            if lo // codes == hi // codes
            else (-sign, codes - 1 - sign)
        )
    if kind == "ShiftRight" and p["rounding"] == "stochastic":
        return rounded(lo, 1 << p["bits"], "floor"), rounded(hi, 1 << p["bits"], "ceil")
    monotone: Callable[[int], int] = {
        "Add": lambda v: v + p["values"],
        "ShiftLeft": lambda v: v << p["bits"],
        "Multiply": lambda v: v * p["multipliers"],
        "ShiftRight": lambda v: rounded(v, 1 << p["bits"], p["rounding"]),
        "Clamp": lambda v: min(max(v, p["lo"]), p["hi"]),
        "Scale": lambda v: scaled(v, p["real"], p.get("before"), p["factors"], p.get("after"), p["rounding"]),
        "Thresholds": lambda v: (bisect_left if p["compare"] == "above" else bisect_right)(p["values"], v),
    }[kind]
    return min(monotone(lo), monotone(hi)), max(monotone(lo), monotone(hi))


def requantized(g: Any, x: Range) -> Range:
    for place in range(len(g["steps"])):
        s = g["steps"][str(place)]
        p = {name: field(s, name) for name in (*s.attrs, *s)}
        if p["type"] == "Table" or (p["type"] == "Thresholds" and s["values"].ndim == 1):
            p |= {name: [several(s, name)] for name in ("entries", "values") if name in p}
        if p["type"] == "Scale":
            p["real"] = 8 * s["factors"].dtype.itemsize
        channels = max(len(x), *(len(v) for v in p.values() if isinstance(v, list)), 1)
        columns = {name: wide(v if isinstance(v, list) else [v], channels) for name, v in p.items()}
        x = [
            step(p["type"], {name: column[c] for name, column in columns.items()}, *pair)
            for c, pair in enumerate(wide(x, channels))
        ]
        x = [held(pair, s["into"]) for pair in x] if "into" in s else x
    return [held(pair, g) for pair in x]


def image(op: str, g: Any, inputs: list[Tensor], shape: Shape | None) -> Range | None:
    """What the op makes of its inputs' ranges; None where it is not followed."""
    x = [tensor.range for tensor in inputs]
    last = inputs[0].shape[-1:] if inputs and inputs[0].shape else None
    if op in ("add", "sub", "mul", "squared_difference", "maximum", "minimum"):
        (a, b), (c, d) = hull(x[0]), hull(x[1])
        corners = [f * h for f in (a, b) for h in (c, d)]
        square = [(a - d) ** 2, (b - c) ** 2, *([0] if a <= d and c <= b else [])]
        found = {
            "add": (a + c, b + d),
            "sub": (a - d, b - c),
            "mul": (min(corners), max(corners)),
            "squared_difference": (min(square), max(square)),
            "maximum": (max(a, c), max(b, d)),
            "minimum": (min(a, c), min(b, d)),
        }[op]
        return [held(found, g["register"])] if "register" in g else [found]
    if op == "requantize":
        return requantized(g["requantization"], x[0])
    if op == "clamp":
        return [step("Clamp", {"lo": field(g, "lo"), "hi": field(g, "hi")}, *pair) for pair in x[0]]
    if op == "lookup" and field(g, "interpolation_bits") == 0:
        first, entries = limits(field(g, "input_format"))[0], field(g, "entries")
        image = {pair: step("Table", {"first": first, "entries": entries}, *pair) for pair in set(x[0])}
        return [image[pair] for pair in x[0]]
    if op in ("constant", "embedding_lookup"):
        codes = g["values" if op == "constant" else "table"][()].ravel().tolist()
        return [(min(codes), max(codes))]
    if op in ("max_pool2d", "resize_nearest", "resize_bilinear"):
        return x[0]
    if op == "avg_pool2d":
        padded = field(g, "count_padding") and any(map(any, field(g, "padding")))
        return each(x[0], [(field(g, "zero_point"),) * 2]) if padded else x[0]
    if op in ("mean", "reduce_max", "reduce_min"):
        whole = inputs[0].shape and len(inputs[0].shape) - 1 not in several(g, "axes")
        return x[0] if whole else [hull(x[0])]
    if op == "pad":
        ranges = x[0] if last and not any(field(g, "padding")[-1]) else [hull(x[0])]
        return each(ranges, [(field(g, "value"),) * 2]) if field(g, "mode") == "constant" else ranges
    if op == "reshape":
        return x[0] if last and shape and shape[-1:] == last else [hull(x[0])]
    if op == "concat":
        if last and field(g, "axis") == len(inputs[0].shape or ()) - 1:
            return [pair for t in inputs for pair in wide(t.range, (t.shape or (0,))[-1])]
        return each(*x) if last else [hull(pair for r in x for pair in r)]
    if op in ("transpose", "slice", "split", "tile", "gather", "pack", "unpack") or op.endswith("_depth"):
        return [hull(pair for r in x[: 1 if op == "gather" else None] for pair in r)]
    return [hull(x[0])] if op == "depth_to_space" else None


# Sums (V3, V4). A sum's terms are columns: lowest and highest raw terms; and, where a correction depends on
# the input, also the ends of its part for each term, and of term and part together.

Columns = list[list[int]]
EXACT = 1 << 16  # the modulus of what is right as it stands


def products(weights: list[int], taps: Range) -> Columns:
    pairs = list(zip(weights, taps, strict=True))
    return [
        [w * (t[0] if w > 0 else t[1]) for w, t in pairs],
        [w * (t[1] if w > 0 else t[0]) for w, t in pairs],
    ]


class Total(NamedTuple):
    """One sum to be made: its terms in order, the constant part of the correction, the bias."""

    columns: Columns
    constant: int
    bias: int


def dot(weights: list[int], taps: Range, zx: int, zw: int, bias: int, subtract: bool) -> Total:
    if subtract:
        return Total(products([w - zw for w in weights], [(a - zx, b - zx) for a, b in taps]), 0, bias)
    columns = products(weights, taps)
    if zw:
        columns += products([-zw] * len(taps), taps) + products([w - zw for w in weights], taps)
    return Total(columns, len(taps) * zx * zw - zx * sum(weights), bias)


def live_taps(op: str, g: Any, axis: int, x: Shape, kernel: int) -> set[tuple[int, ...]]:
    """The sets of taps that outputs along an axis have inside the image."""
    dilation, stride, size = field(g, "dilation")[axis], field(g, "stride")[axis], x[axis]
    if op == "transpose_conv2d":
        offset, outputs = field(g, "offset")[axis], field(g, "output_size")[axis]
        rows = [[o + offset - k * dilation for k in range(kernel)] for o in range(outputs)]
        return {tuple(k for k, at in enumerate(row) if at in range(0, size * stride, stride)) for row in rows}
    before, after = field(g, "padding")[axis]
    outputs = (size + before + after - (kernel - 1) * dilation - 1) // stride + 1
    rows = [[o * stride - before + k * dilation for k in range(kernel)] for o in range(outputs)]
    return {tuple(k for k, at in enumerate(row) if 0 <= at < size) for row in rows}


def windows(x: Range, sizes: Shape, group: int, zx: int, axes: list[set[tuple[int, ...]]]) -> list[Range]:
    """The taps' ranges in a group of channels, for the sets of taps along h and w that are inside."""
    height, width, depth = sizes
    pairs = x * depth if len(x) == 1 else x[group * depth : (group + 1) * depth]
    if all(a <= zx <= b for a, b in pairs):  # more taps inside, wider sums
        axes = [{s for s in sets if not any(set(s) < set(t) for t in sets)} for sets in axes]
    places, outside = list(product(range(height), range(width))), [(zx, zx)] * depth
    return [
        [p for h, w in places for p in (pairs if h in rows and w in cols else outside)]
        for rows, cols in product(*axes)
    ]


def totals(op: str, g: Any, acc: Any, inputs: list[Tensor]) -> tuple[Shape, Iterator[list[Total]]]:
    """Sizes of the reduction axes h, w and c, and for every output channel the sums that are made."""
    x, subtract = inputs[0], acc["zero_point"] == "subtract"
    if op in ("sum", "batch_matmul"):
        need(x.shape, op, "cannot be checked: its input's shape is not known")
    shape = x.shape or ()
    if op == "sum":
        axes = several(g, "axes")
        sizes = tuple(size if i in axes else 1 for i, size in enumerate(shape))
        sizes = sizes if len(sizes) == 3 else (1, 1, prod(sizes))
        count = prod(sizes)
        rows = [[pair] * count for pair in x.range]
        if len(shape) - 1 in axes:  # the channels are among the terms, fastest
            rows = [wide(x.range, shape[-1]) * (count // shape[-1])]
        return sizes, ([Total([list(column) for column in zip(*row, strict=True)], 0, 0)] for row in rows)
    if op == "batch_matmul":
        depth = shape[-2 if field(g, "transpose_x") else -1]
        return (1, 1, depth), iter([[matmul_total(g, hull(x.range), hull(inputs[1].range), depth, subtract)]])
    need(op in ("conv2d", "depthwise_conv2d", "transpose_conv2d", "dense"), op, "cannot be checked")
    shape, zx = g["weight"].shape, field(g, "input_zero_point")
    channels = prod(shape[:2]) if op == "depthwise_conv2d" else shape[0]
    sizes = (1, 1, shape[1]) if op == "dense" else (*shape[2:], 1) if op == "depthwise_conv2d" else shape[1:]
    groups = shape[0] if op == "depthwise_conv2d" else field(g, "groups") or 1
    rows = g["weight"][()].reshape(channels, -1).tolist()
    zw, bias = (wide(several(g, name), channels) for name in ("weight_zero_point", "bias"))
    axes = [{(0,)}] * 2 if op == "dense" else [live_taps(op, g, i, x.shape or (), sizes[i]) for i in range(2)]
    seen = [windows(x.range, sizes, group, zx, axes) for group in range(groups)]
    return sizes, (
        [dot(rows[k], taps, zx, zw[k], bias[k], subtract) for taps in seen[k * groups // channels]]
        for k in range(channels)
    )


def matmul_total(g: Any, x: Pair, y: Pair, depth: int, subtract: bool) -> Total:
    zx, zy = field(g, "x_zero_point"), field(g, "y_zero_point")
    corners = list(product(x, y))
    raw = [(a - zx) * (b - zy) if subtract else a * b for a, b in corners]
    part = [-zy * a - zx * b for a, b in corners]
    both = [a * b - zy * a - zx * b for a, b in corners]
    kinds = [raw] if subtract else [raw, part, both]
    columns = [[end(kind)] * depth for kind in kinds for end in (min, max)]
    return Total(columns, 0 if subtract else depth * zx * zy, 0)


def entering(acc: Any, columns: Columns, found: list[Range], level: int) -> tuple[Columns, Columns, int]:
    """What enters a register, the terms or the tiles' sums as the inner register hands them out (A3): the
    exact sums, what may come in their place, and what it is right modulo (V4)."""
    if acc["tile"] is None:
        return columns, columns, EXACT
    exact, handed, modulus = [], [], EXACT
    for begin in range(0, len(columns[0]), acc["tile"]):
        tile = [column[begin : begin + acc["tile"]] for column in columns]
        exact.append([sum(column) for column in tile])
        handed.append(exact[-1])
        if acc["inner"] is not None:
            (low, high), right = register(acc["inner"], tile, found, level + 1)
            modulus = min(modulus, right)
            if right < EXACT:  # what it should have been says nothing of its part of the correction
                part = exact[-1][2:4]
                handed[-1] = [low, high, *part, *([low + part[0], high + part[1]] if part else [])]
    return [list(c) for c in zip(*exact, strict=True)], [list(c) for c in zip(*handed, strict=True)], modulus


def register(
    acc: Any, columns: Columns, found: list[Range], level: int, constant: int = 0, bias: int = 0
) -> tuple[Pair, int]:
    """What a register hands out, and what that is right modulo; notes its final and its partial range."""
    exact, handed, modulus = entering(acc, columns, found, level)
    wrap, bits = acc["overflow"] == "wrap", width(acc["format"])
    end, met = run(acc, handed, constant, bias)
    if wrap and bits <= modulus < EXACT:
        end, _ = run(acc, exact, constant, bias)
    found[level] += [end, met]
    fitting = fits(end if wrap else met, acc["format"])
    return end if fitting else limits(acc["format"]), right_modulo(acc, modulus, fitting)


def run(acc: Any, columns: Columns, constant: int, bias: int) -> tuple[Pair, Pair]:
    """The last sum, and the hull of all sums on the way (A1, A2, A5, A6)."""
    low, high, *more = columns
    part_low, part_high, both_low, both_high = more or ([0], [0], low, high)
    preload = acc.get("zero_point") == "preload"
    start = (bias if acc.get("bias") == "first" else 0) + (constant if preload else 0)
    if acc["topology"] == "chain":
        begin = start, start
        if preload and more:  # its parts are there first; a term that enters joins its own
            begin = start + sum(part_low), start + sum(part_high)
            low = [both - part for both, part in zip(both_low, part_low, strict=True)]
            high = [both - part for both, part in zip(both_high, part_high, strict=True)]
        lows, highs = list(accumulate(low)), list(accumulate(high))
        end = begin[0] + lows[-1], begin[1] + highs[-1]
        met = [begin] if begin != (0, 0) else []
        met.append((begin[0] + min(lows), begin[1] + max(highs)))
    else:
        met = [tree(low, high)]
        end = sum(low) + start, sum(high) + start
        if preload and more:
            end = sum(both_low) + start, sum(both_high) + start
        met.append(end)
    if acc.get("zero_point") == "after":
        start += constant
        end = sum(both_low) + start, sum(both_high) + start
        met.append(end)
    if acc.get("bias") == "last":
        end = end[0] + bias, end[1] + bias
        met.append(end)
    return end, hull(met)


def pairs(values: list[int]) -> list[int]:
    return [sum(values[at : at + 2]) for at in range(0, len(values), 2)]


def tree(low: list[int], high: list[int]) -> Pair:
    """The hull of all sums of neighbours in pairs, pairs of pairs, and so on (A2)."""
    least, most = min(low), max(high)
    while len(low) > 1:
        low, high = pairs(low), pairs(high)
        least, most = min(least, *low), max(most, *high)
    return least, most


# The examination


class Examination:
    """One certificate against the bytes of one file."""

    def __init__(self, certificate: Any, data: bytes) -> None:
        names = ("format", "format_version", "network", "assumptions", "tensors", "nodes", "proved")
        said = entries("certificate", certificate, names)
        format, version, network, assumptions, self.claims, self.nodes, self.proved = said
        need(format == "intsim-certificate", "format", f"must be 'intsim-certificate', not {short(format)}")
        need(type(version) is int and version == 1, "format_version", f"must be 1, not {short(version)}")
        (sha256,) = entries("network", network, ("sha256",))
        digest = hashlib.sha256(data).hexdigest()
        need(sha256 == digest, "network.sha256", f"must be {digest} of this file, not {short(sha256)}")
        self.inputs, self.datapath = entries("assumptions", assumptions, ("inputs", "datapath"))
        need(type(self.claims) is dict, "tensors", f"must be an object, not {short(self.claims)}")
        need(type(self.nodes) is dict, "nodes", f"must be an object, not {short(self.nodes)}")
        words = type(self.datapath) is list and all(type(name) is str for name in self.datapath)
        need(words, "assumptions.datapath", "must be a list of names")
        self.data, self.tensors = data, dict[str, Tensor]()
        self.findings, self.assumptions, self.unproved = list[str](), list[str](), list[str]()
        self.sums = 0

    def outcome(self) -> Outcome:
        with h5py.File(io.BytesIO(self.data), "r") as file:
            self.walk(members(file["inputs"]), members(file["nodes"]))
        right = self.findings or self.proved is (not self.unproved)
        need(right, "proved", f"must be {not self.unproved} as the nodes say, not {short(self.proved)}")
        return Outcome(self.findings, self.assumptions, self.unproved, self.sums)

    def walk(self, inputs: dict[str, Any], nodes: dict[str, Any]) -> None:
        """Everything in the network's order; a finding does not stop it."""
        outputs = {
            name: several(at, "outputs") if "outputs" in at.attrs else [name] for name, at in nodes.items()
        }
        summing = [name for name, at in nodes.items() if "accumulator" in at]
        whole = [name for name, at in inputs.items() if not field(at, "format").startswith("float")]
        self.names("assumptions.inputs", self.inputs, whole, whole)
        self.names("assumptions.datapath", self.datapath, summing, [])
        self.names("tensors", self.claims, [made for names in outputs.values() for made in names], [])
        self.names("nodes", self.nodes, summing, summing)
        for name, at in inputs.items():
            shape = tuple(v for v in several(at, "shape") if v is not None)
            self.tensors[name] = Tensor(None, shape, [])
            if name in whole and name in self.inputs:
                format = limits(field(at, "format"))
                self.tensors[name] = Tensor(format, shape, [format])
                with self.noting(f"assumptions.inputs.{name}"):
                    self.assume(name)
        for name, at in nodes.items():
            with self.noting(f"nodes.{name}"):
                self.node(name, at, outputs[name])

    def names(self, where: str, said: Any, known: list[str], needed: list[str]) -> None:
        need(type(said) in (dict, list), where, f"must be an object, not {short(said)}")
        self.findings += [f"{where}: must not name {short(name)}" for name in said if name not in set(known)]
        self.findings += [
            f"{where}: must have {short(name)}, which is missing" for name in needed if name not in said
        ]

    @contextmanager
    def noting(self, where: str) -> Iterator[None]:
        try:
            yield
        except Rejected as error:
            self.findings.append(str(error))
        except Exception as error:  # rule V6
            self.findings.append(f"{where}: cannot be followed: {short(error)}")

    def assume(self, name: str) -> None:
        where, tensor = f"assumptions.inputs.{name}", self.tensors[name]
        claimed = self.claimed(where, self.inputs[name], tensor)
        self.tensors[name] = tensor._replace(range=claimed)
        if tensor.range != claimed:
            self.assumptions.append(f"input {name} is within {hull(claimed)}")

    def claimed(self, where: str, value: Any, tensor: Tensor) -> Range:
        """A claimed range of a tensor, inside its format."""
        if tensor.format is None:
            raise Rejected(f"{where}: cannot be checked: nothing is known of its format")
        (low, high), claimed = tensor.format, ends(where, value, tensor.shape)
        least, most = hull(claimed)
        need(low <= least and most <= high, where, f"must be inside {low} to {high}, not {least} to {most}")
        return claimed

    def node(self, name: str, at: Any, outputs: list[str]) -> None:
        self.tensors |= dict.fromkeys(outputs, Tensor(None, None, []))
        op, inputs, acc = field(at, "op"), [self.tensors[x] for x in several(at, "inputs")], None
        if "accumulator" in at:
            if name not in self.nodes:
                return
            acc, *claims = entries(f"nodes.{name}", self.nodes[name], ("accumulator", "registers", "proved"))
            self.same_datapath(name, acc, stored_accumulator(at["accumulator"]))
        tensors = dict(zip(outputs, outputs_of(op, at, acc, inputs, len(outputs)), strict=True))
        self.tensors |= tensors
        claimed = [output for output in outputs if output in self.claims]
        found: Range | None = None
        if acc:
            found = self.summed(f"nodes.{name}", claims, op, at, acc, inputs, tensors[outputs[0]])
        for output in claimed:
            tensor, where = tensors[output], f"tensors.{output}"
            narrow = self.claimed(where, self.claims[output], tensor)
            made = found if acc else image(op, at, inputs, tensor.shape)
            contain(where, narrow, tensor.range if made is None else made)
            self.tensors[output] = tensor._replace(range=narrow)

    def same_datapath(self, name: str, acc: Any, stored: Any) -> None:
        where = f"nodes.{name}.accumulator"
        accumulator_form(where, acc)
        different = list(differing(where, acc, stored))
        if name in self.datapath:
            need(
                different,
                "assumptions.datapath",
                f"must not name {short(name)}: its accumulator is the network's",
            )
            self.assumptions.append(f"node {name} sums through {json.dumps(acc)}")
        elif different:
            raise Rejected(different[0])

    def summed(
        self, where: str, claims: list[Any], op: str, at: Any, acc: Any, inputs: list[Tensor], tensor: Tensor
    ) -> Range:
        """Check the claims about an accumulator; the range of what it delivers."""
        need(all(x.format for x in inputs), where, "cannot be checked: nothing is known of its input")
        levels, (registers, proved) = [acc], claims
        while levels[-1]["inner"] is not None:
            levels.append(levels[-1]["inner"])
        right = type(registers) is list and len(registers) == len(levels)
        need(right, f"{where}.registers", f"must be a list of {len(levels)}, outermost first")
        found = sums(op, at, acc, inputs, levels)
        channels, decisive = len(found[0][0]), []
        for level, said in enumerate(registers):
            here = f"{where}.registers.{level}"
            for name, value, exact in zip(NAMES, entries(here, said, NAMES), found[level], strict=True):
                claimed = ends(f"{here}.{name}", value, tensor.shape)
                contain(f"{here}.{name}", claimed, exact)
                channels = max(channels, len(claimed))
                if name == ("final" if levels[level]["overflow"] == "wrap" else "partial"):
                    decisive.append(claimed)
        rows = zip(*(wide(claimed, channels) for claimed in decisive), strict=True)
        verdict: Any = [delivers(levels, row) for row in rows]
        self.sums += 1
        self.unproved += [] if all(verdict) else [where.removeprefix("nodes.")]
        verdict = verdict if len(set(verdict)) > 1 else verdict[0]
        right = json.dumps(proved) == json.dumps(verdict)
        need(right, f"{where}.proved", f"must be {short(verdict)} as the ranges say, not {short(proved)}")
        exact = found[0][0 if acc["overflow"] == "wrap" else 1]
        kept = zip(found[0][0], exact, strict=True)
        return [final if fits(pair, acc["format"]) else limits(acc["format"]) for final, pair in kept]


def delivers(levels: list[Any], decisive: Sequence[Pair]) -> bool:
    """Rule V5 for one channel: whether what the outermost register hands out is the exact sum."""
    modulus = EXACT
    for level, pair in list(zip(levels, decisive, strict=True))[::-1]:
        modulus = right_modulo(level, modulus, fits(pair, level["format"]))
    return modulus == EXACT


def right_modulo(acc: Any, modulus: int, fitting: bool) -> int:
    """Rule V4: what a register's value is right modulo, from what entered it and whether that fits."""
    wrap, bits = acc["overflow"] == "wrap", width(acc["format"])
    if fitting and modulus >= (bits if wrap else EXACT):
        return EXACT
    return min(modulus, bits if wrap else 0)


def sums(op: str, at: Any, acc: Any, inputs: list[Tensor], levels: list[Any]) -> list[tuple[Range, Range]]:
    """For every register, outermost first, its final and partial ranges, per channel."""
    sizes, channels = totals(op, at, acc, inputs)
    order = acc["order"]
    places = order if type(order) is list else in_order(order, sizes)
    need(len(places) == prod(sizes), "order", f"must list {prod(sizes)} places, not {len(places)}")
    result: list[tuple[Range, Range]] = [([], []) for _ in levels]
    for variants in channels:
        found: list[Range] = [[] for _ in levels]
        for columns, constant, bias in variants:
            if order != "hwc":
                columns = [[column[place] for place in places] for column in columns]
            register(acc, columns, found, 0, constant, bias)
        for (finals, partials), pairs in zip(result, found, strict=True):
            finals.append(hull(pairs[::2]))
            partials.append(hull(pairs[1::2]))
    return result


def in_order(order: str, sizes: Shape) -> list[int]:
    """The terms' places, counted with c fastest, in the order in which they enter (A4)."""
    steps = {"h": sizes[1] * sizes[2], "w": sizes[2], "c": 1}
    ranges = [range(0, size * steps["hwc"[i]], steps["hwc"[i]]) for i, size in enumerate(sizes)]
    return [sum(place) for place in product(*(ranges["hwc".index(letter)] for letter in order))]


def contain(where: str, claimed: Range, found: Range) -> None:
    channels = max(len(claimed), len(found))
    pairs = zip(wide(claimed, channels), wide(found, channels), strict=True)
    for channel, ((lo, hi), (low, high)) in enumerate(pairs):
        at = f" in channel {channel}" if channels > 1 else ""
        need(lo <= low and high <= hi, where, f"must contain {low} to {high}{at}, not {lo} to {hi}")


if __name__ == "__main__":
    result = examine(*sys.argv[1:3])
    said = {"rejected": result.findings, "assumed": result.assumptions, "not proved": result.unproved}
    for word, lines in said.items():
        for line in lines:
            print(f"{word}: {line}")
    if not result.findings:
        print(f"{result.sums} sums")
    sys.exit(1 if result.findings or result.unproved else 0)
