"""Check a certificate of `intsim.verify.certificate` against the network's file, without the prover.

``python check_certificate.py CERTIFICATE.json NETWORK.h5``: status 0 if every sum is proved, else 1. Stands
alone, counts in Python's own integers; h5py only reads the network, which ``intsim check-model`` must accept.

V1. The certificate has the form that `intsim.verify.certificate` states (C1 to C8), and no key twice.
V2. A tensor's range is the assumed one (inputs), the claimed one, or all of its format; a claim contains what
    the op makes of the ranges that it reads (`image`). Of ops not in `FORMAT_AT` nothing is known.
V3. A sum's terms follow from weights and input ranges, as if independent. A tap that may be outside the image
    holds an input or the zero point. `final` and `partial` contain the last sum and every sum on the way that
    rules A1 to A6 of `intsim.arithmetic.accumulate` make, before any overflow, here or further inside.
V4. A channel is proved, its outermost register hands out the exact sum for every input, if the claims say so:
    SATURATE and TRAP hand out what is right if what enters is and `partial` fits the format; WRAP, if what
    enters is right modulo 2**bits and `final` fits. A WRAP that does not fit is still right modulo 2**bits.
"""

from __future__ import annotations

import hashlib
import io
import json
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, chain, permutations, product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import h5py

Pair = tuple[int, int]  # the lowest and the highest value
Range = list[Pair]  # one pair for all channels, or one for each
Columns = list[list[int]]  # low and high ends of terms, of their parts of the correction, of both together

FORMATS = {f"int{n}": (-(1 << (n - 1)), (1 << (n - 1)) - 1) for n in range(1, 65)}
FORMATS |= {f"uint{n}": (0, (1 << n) - 1) for n in range(1, 65)}
EXACT = 1 << 16  # more bits than any register has

# Formats of -1 and 1, and of -1, 0 and 1: what the codes 0, 1, ... stand for; and how codes are packed.
LISTS: dict[Any, list[Any]] = {"bipolar": [-1, 1], "bipolar-dabnn": [-1, 1], "bipolar-larq": [1, -1]}
LISTS |= {"ternary": [-1, 0, 1], "ternary-gpu": [None, -1, 0, 1], "ternary-twos": [0, 1, None, -1]}
LISTS |= {"ternary-planes": [0, 1, -1]}
BITS = {"bits": 1, "two-bit": 2, "nibbles": 4, "six-bit": 6}

# Rule V1: a type stands for its values, a tuple for any of its forms, a list for lists, "*" for any key.
RANGE = {"lo": (int, [int]), "hi": (int, [int])}
INNER: dict[str, Any] = {"format": tuple(FORMATS), "overflow": ("wrap", "saturate", "trap")}
INNER |= {"topology": ("chain", "tree"), "tile": (int, None), "inner": (INNER, None)}
OUTER = INNER | {"order": (*map("".join, permutations("hwc")), [int]), "bias": ("first", "last")}
OUTER |= {"zero_point": ("subtract", "preload", "after")}
REGISTERS = ([{"final": RANGE, "partial": RANGE}], None)
NODE = {"accumulator": OUTER, "registers": REGISTERS, "proved": (bool, [bool])}
CERTIFICATE: dict[str, Any] = {"format": "intsim-certificate", "format_version": 1, "proved": bool}
CERTIFICATE |= {"assumptions": {"inputs": {"*": RANGE}, "datapath": [str]}, "tensors": {"*": RANGE}}
CERTIFICATE |= {"nodes": {"*": NODE}, "network": {"sha256": str}}

# Rule V2: the group of an op that holds its output's format; "": it is the input's (of select's, the second).
GROUPS = {
    "register": "add sub mul squared_difference",
    "positive": "leaky_relu prelu",
    "requantization": "requantize",
    ".": "lookup quantize constant embedding_lookup arg_max arg_min softmax log_softmax"
    " l2_normalization hard_swish float_avg_pool2d float_elementwise",
    "": "select clamp maximum minimum reshape transpose slice split pad concat pack unpack tile gather"
    " reduce_max reduce_min mean space_to_depth depth_to_space max_pool2d avg_pool2d resize_nearest"
    " resize_bilinear",
}
FORMAT_AT = {op: group for group, ops in GROUPS.items() for op in ops.split()}
SAME_SHAPE = ["add", "sub", "mul", "maximum", "minimum", "select", "float_elementwise"]
SAME_SHAPE += ["requantize", "clamp", "lookup", "hard_swish"]


class Tensor(NamedTuple):
    format: Pair | None  # None: real, or unknown
    shape: tuple[int, ...] | None  # of a sample; None: unknown
    range: Range


class Outcome(NamedTuple):
    findings: list[str]  # why the certificate is rejected; where empty, every claim in it is true
    assumptions: list[str]  # what the claims rest on and the network's file does not say
    unproved: list[str]  # nodes of which the certificate does not say that all channels are proved
    sums: int  # how many nodes that sum it speaks of


def need(true: object, where: str, what: str) -> None:
    if not true:
        raise ValueError(f"{where}: {what}")


def misfits(where: str, value: Any, wanted: Any) -> list[str]:
    """The places that do not have the wanted form."""
    if type(wanted) is tuple:
        return min((misfits(where, value, one) for one in wanted), key=len)
    if type(wanted) is dict and type(value) is dict:
        forms = dict.fromkeys(value, wanted["*"]) if "*" in wanted else wanted
        places = [f"{where}.{name}" for name in sorted(forms.keys() ^ value.keys())]
        for name in forms.keys() & value.keys():
            places += misfits(f"{where}.{name}", value[name], forms[name])
        return places
    if type(wanted) is list and type(value) is list:
        return [place for entry in value for place in misfits(where, entry, wanted[0])]
    right = type(value) is wanted or (type(value) is type(wanted) and value == wanted)
    return [] if right and (type(value) is not int or value.bit_length() <= 256) else [where]


def field(g: Any, name: str, several: bool = False) -> Any:
    """A field of the network's file as Python's own numbers, texts and lists; None where it is absent."""
    value: Any = g.attrs[name] if name in g.attrs else g[name][()] if name in g else None
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return [entry.decode() if isinstance(entry, bytes) else entry for entry in value]
    value = value.decode() if isinstance(value, bytes) else value
    return [value] if several else value


def listed(g: Any, name: str) -> list[Any] | None:
    """What the codes of a format that is no plain integer stand for; None where it is not followed."""
    if name in g and field(g[name], "type") in ("Codebook", None):
        return list(field(g[name], "values", several=True))
    if name in g and field(g[name], "type") == "Bipolar":
        return [1, -1] if field(g[name], "positive") == 0 else [-1, 1]
    return LISTS.get(field(g, name)) if name in g.attrs else None


def limits_of(g: Any, name: str = "format") -> Pair | None:
    """The lowest and the highest integer of a format; None where it has none, or is not followed."""
    values = [value for value in listed(g, name) or [] if value is not None]
    if values:
        return min(values), max(values)
    return FORMATS.get(field(g, name)) if name in g.attrs else None


def weights_of(g: Any) -> tuple[tuple[int, ...], list[int]]:
    """The shape of the weights and their integers, in C order."""
    stored, values = g["weight"], listed(g, "weight_format")
    if not isinstance(stored, h5py.Group):
        return stored.shape, stored[()].ravel().tolist()
    bits, data = BITS[field(stored, "packing")], field(stored, "bytes", several=True)
    words = [int.from_bytes(data[at : at + 3], "little") for at in range(0, len(data), 3)]
    codes = [word >> place & (1 << bits) - 1 for word in words for place in range(0, 24, bits)]
    shape = tuple(field(stored, "shape", several=True))
    if values is None:
        low, high = FORMATS[field(g, "weight_format")]
        values = [*range(high + 1), *range(low, 0)]
    return shape, [values[code] for code in codes[: prod(shape)]]


def stored_accumulator(g: Any, keys: Iterable[str] = OUTER) -> dict[str, Any]:
    inner = stored_accumulator(g["inner"], INNER) if "inner" in g else None
    return {key: inner if key == "inner" else field(g, key) for key in keys}


def members(g: Any) -> dict[str, Any]:
    pairs = sorted(g.items(), key=lambda pair: int(pair[1].attrs["position"]))
    return {name.replace("%2E", ".").replace("%2F", "/").replace("%25", "%"): at for name, at in pairs}


def hull(pairs: Iterable[Pair]) -> Pair:
    lows, highs = zip(*pairs, strict=True)
    return min(lows), max(highs)


def within(pair: Pair, limits: Pair) -> bool:
    return limits[0] <= pair[0] and pair[1] <= limits[1]


def wide(values: list[Any], channels: int, where: str = "channels") -> list[Any]:
    need(len(values) in (1, channels), where, f"must have 1 or {channels} channels, not {len(values)}")
    return values * channels if len(values) == 1 else values


def made_by(op: str, g: Any, inputs: list[Tensor]) -> Tensor:
    """What is known of a node's outputs; only sums of tensors need the shape, to count their terms."""
    group, shape = FORMAT_AT.get(op), None
    format = limits_of(g[group]) if group else inputs[op == "select"].format if group == "" else None
    format = limits_of(g) or format if op == "requantize" else format
    x: Any = inputs[0].shape if inputs else None
    if x and op in ("conv2d", "depthwise_conv2d", "max_pool2d", "avg_pool2d"):
        first = 2 if op == "depthwise_conv2d" else 1
        weight = weights_of(g)[0] if "weight" in g else ()
        kernel = field(g, "kernel") or weight[first : first + 2]
        stride, dilation, padding = field(g, "stride"), field(g, "dilation"), field(g, "padding")
        rest = [x[i] + sum(padding[i]) - (kernel[i] - 1) * dilation[i] - 1 for i in range(2)]
        channels = prod(weight[:first]) if weight else x[2]
        shape = rest[0] // stride[0] + 1, rest[1] // stride[1] + 1, channels
    elif op in SAME_SHAPE and all(tensor.shape == x for tensor in inputs):
        shape = x
    return Tensor(format, shape, [format] if format else [])


def held(pair: Pair, g: Any) -> Pair:
    low, high = FORMATS[field(g, "format")]
    if field(g, "overflow") == "wrap":
        return pair if within(pair, (low, high)) else (low, high)
    return min(max(pair[0], low), high), min(max(pair[1], low), high)


def rounded(value: int, divisor: int, rounding: str) -> int:
    floor, rest = divmod(value, divisor)
    sides = {"floor": False, "ceil": True, "toward_zero": value < 0, "away_from_zero": value > 0}
    ties = {"half_up": True, "half_down": False, "half_away": value > 0, "half_toward_zero": value < 0}
    ties |= {"half_even": floor % 2 == 1, "half_odd": floor % 2 == 0}
    if rounding in sides:
        return floor + (rest > 0 and sides[rounding])
    return floor + (2 * rest > divisor or (2 * rest == divisor and ties[rounding]))


def scaled(value: int, p: dict[str, Any]) -> int:
    """The step Scale in the factors' own kind of IEEE float."""
    need(abs(value) <= 1 << 53, "Scale", "must meet at most 53 bits")
    kind = p["kind"]
    x: Any = (kind(value) + kind(p.get("before", 0))) * kind(p["factors"]) + kind(p.get("after", 0))
    top, bottom = x.as_integer_ratio()
    return rounded(top, bottom, p["rounding"])


STEPS: dict[str, Callable[[int, Any], int]] = {  # all of them monotone
    "Add": lambda value, p: value + p["values"],
    "ShiftLeft": lambda value, p: value << p["bits"],
    "Multiply": lambda value, p: value * p["multipliers"],
    "ShiftRight": lambda value, p: rounded(value, 1 << p["bits"], p["rounding"]),
    "Clamp": lambda value, p: min(max(value, p["lo"]), p["hi"]),
    "Scale": scaled,
}


def requantized(g: Any, x: Range) -> Range:
    for place in range(len(g["steps"])):
        step = g["steps"][str(place)]
        p = {name: field(step, name, several=True) for name in (*step.attrs, *step) if name != "into"}
        p["kind"] = [step["factors"].dtype.type if "factors" in step else int]
        kind = p["type"][0]
        if kind not in STEPS or p.get("rounding") == ["stochastic"]:
            return [FORMATS[field(g, "format")]]
        x = wide(x, max(len(x), *map(len, p.values())))
        rows = zip(*(wide(values, len(x)) for values in p.values()), strict=True)
        own = [dict(zip(p, row, strict=True)) for row in rows]
        x = [hull([(STEPS[kind](end, own[c]),) * 2 for end in pair]) for c, pair in enumerate(x)]
        x = [held(pair, step["into"]) for pair in x] if "into" in step else x
    return [held(pair, g) for pair in x]


def image(op: str, g: Any, x: list[Range]) -> Range | None:
    """What the op makes of its inputs' ranges; None where it is not followed."""
    law: Any = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "maximum": max, "minimum": min}
    if op in law:
        found = hull([(law[op](a, b),) * 2 for a in hull(x[0]) for b in hull(x[1])])
        return [held(found, g["register"]) if "register" in g else found]
    if op == "requantize":
        return None if listed(g, "format") else requantized(g["requantization"], x[0])
    if op == "clamp":
        lo, hi = field(g, "lo"), field(g, "hi")
        return [(min(max(low, lo), hi), min(max(high, lo), hi)) for low, high in x[0]]
    stays = op == "reshape" and field(g, "shape", several=True)[-1:] == [len(x[0])]  # the channels
    if stays or op == "max_pool2d" or (op == "avg_pool2d" and not field(g, "count_padding")):
        return x[0]
    if FORMAT_AT.get(op) == "":  # what comes out lies among what went in, and the border
        moved = [pair for ranges in (x[:1] if op == "gather" else x) for pair in ranges]
        border = {"avg_pool2d": "zero_point", "pad": "value"}.get(op)
        return [hull([*moved, (field(g, border),) * 2] if border else moved)]
    return None


def sums(op: str, g: Any, acc: Any, inputs: list[Tensor]) -> Iterator[tuple[Columns, int, int]]:
    """Of every channel's sum the terms in their order, the constant part of the correction, and the bias."""
    x, raw = inputs[0].range, acc["zero_point"] != "subtract"
    if op == "sum":
        shape, axes = inputs[0].shape or (), field(g, "axes", several=True)
        need(shape, op, "cannot be checked: the shape of its input is not known")
        n = prod(shape[axis] for axis in axes)
        for pair in [hull(x)] if len(shape) - 1 in axes else x:
            yield [[end] * n for end in (*pair, 0, 0, *pair)], 0, 0
    else:
        need(op in ("conv2d", "depthwise_conv2d", "transpose_conv2d", "dense"), op, "cannot be checked")
        (size, flat), zx = weights_of(g), field(g, "input_zero_point")
        kernel = {"dense": (1, 1, size[-1]), "depthwise_conv2d": (*size[2:], 1)}.get(op, size[1:])
        groups = size[0] if op == "depthwise_conv2d" else field(g, "groups") or 1
        rows = [flat[at : at + prod(kernel)] for at in range(0, len(flat), prod(kernel))]
        if op == "transpose_conv2d" or any(map(any, field(g, "padding") or [])):
            x = [hull([pair, (zx, zx)]) for pair in x]
        x, order = wide(x, groups * kernel[2]), acc["order"]
        if isinstance(order, str):  # of places that count with c fastest
            axes, places = ["hwc".index(letter) for letter in order], list(product(*map(range, kernel)))
            order = sorted(range(len(places)), key=lambda at: [places[at][axis] for axis in axes])
        need(sorted(order) == list(range(prod(kernel))), "order", "must list every place once")
        zeros, biases = (
            wide(field(g, name, several=True), len(rows)) for name in ("weight_zero_point", "bias")
        )
        for k, (weights, zw, bias) in enumerate(zip(rows, zeros, biases, strict=True)):
            first = k * groups // len(rows) * kernel[2]
            taps = x[first : first + kernel[2]] * (kernel[0] * kernel[1])
            constant = raw * (len(taps) * zx * zw - zx * sum(weights))
            left, shift = (weights, 0) if raw else ([w - zw for w in weights], zx)
            raws = [[w * (pair[end] - shift) for w, pair in zip(left, taps, strict=True)] for end in (0, 1)]
            parts = [[-zw * raw * pair[end] for pair in taps] for end in (0, 1)]
            both = [list(map(operator.add, *ends)) for ends in zip(raws, parts, strict=True)]
            columns = [list(map(end, *ends)) for ends in (raws, parts, both) for end in (min, max)]
            yield [[column[place] for place in order] for column in columns], constant, bias


def registers(acc: Any, columns: Any, constant: int = 0, bias: int = 0) -> list[Any]:
    """Final and partial range of a register and, over all tiles, of those inside it (rule V3)."""
    inner = []
    if acc["tile"] is not None:
        starts = range(0, len(columns[0]), acc["tile"])
        tiles = [[column[at : at + acc["tile"]] for column in columns] for at in starts]
        columns = [[sum(tile) for tile in column] for column in zip(*tiles, strict=True)]
        inner = [registers(acc["inner"], tile) for tile in tiles] if acc["inner"] else []
    low, high, part_low, part_high, both_low, both_high = columns
    preload = acc.get("zero_point") == "preload"
    start = (bias if acc.get("bias") == "first" else 0) + (constant if preload else 0)
    final = start + sum(both_low if preload else low), start + sum(both_high if preload else high)
    if acc["topology"] == "tree":
        met = [final, (min(low), max(high))]
        while len(low) > 1:
            low, high = ([sum(ends[at : at + 2]) for at in range(0, len(ends), 2)] for ends in (low, high))
            met.append((min(low), max(high)))
    else:
        begin = (start + sum(part_low), start + sum(part_high)) if preload else (start, start)
        if preload:  # all parts are there first; a term that enters joins its own
            low, high = map(operator.sub, both_low, part_low), map(operator.sub, both_high, part_high)
        met = [final, begin, (begin[0] + min(accumulate(low)), begin[1] + max(accumulate(high)))]
    if acc.get("zero_point") == "after":
        met.append((start + constant + sum(both_low), start + constant + sum(both_high)))
        final = met[-1]
    if acc.get("bias") == "last":
        final = final[0] + bias, final[1] + bias
    levels = [tuple(hull(pairs) for pairs in zip(*level, strict=True)) for level in zip(*inner, strict=True)]
    return [(final, hull([*met, final])), *levels]


def claimed(where: str, value: Any, limits: Pair | None, found: Range) -> Range:
    """A claimed range, which must be inside the limits and contain what was found."""
    lows, highs = (end if type(end) is list else [end] for end in (value["lo"], value["hi"]))
    need(len(lows) == len(highs) > 0, where, "must have as many values in lo as in hi")
    said = list(zip(lows, highs, strict=True))
    for pair in said:
        need(pair[0] <= pair[1], where, f"must not be empty, not {pair}")
        need(limits is None or within(pair, limits), where, f"must be inside {limits}, not {pair}")
    channels = max(len(said), len(found))
    for pair, inside in zip(wide(said, channels, where), wide(found or said, channels, where), strict=True):
        need(within(inside, pair), where, f"must contain {inside}, not {pair}")
    return said


def summed(where: str, claim: Any, op: str, g: Any, inputs: list[Tensor]) -> tuple[bool, Range]:
    """Whether all channels of a sum are proved, and what they hand out (rule V4)."""
    levels, said = [claim["accumulator"]], claim["registers"]
    while levels[-1]["inner"] is not None:
        levels.append(levels[-1]["inner"])
    limits = FORMATS[levels[0]["format"]]
    if said is None:
        need(claim["proved"] is False, f"{where}.proved", "must be False where nothing is claimed")
        return False, [limits]
    need(len(said) == len(levels), f"{where}.registers", f"must be a list of {len(levels)}, outermost first")
    found = [registers(levels[0], *total) for total in sums(op, g, levels[0], inputs)]
    modulus = [EXACT] * len(found)  # bits of what is right, level by level from the inside (rule V4)
    for level, acc in reversed(list(enumerate(levels))):
        ranges = []
        for index, name in enumerate(("final", "partial")):
            here, inside = f"{where}.registers.{level}.{name}", [channel[level][index] for channel in found]
            ranges.append(wide(claimed(here, said[level][name], None, inside), len(found), here))
        wrap, bits = acc["overflow"] == "wrap", int(acc["format"].split("int")[1])
        for channel, pair in enumerate(ranges[0 if wrap else 1]):
            right = within(pair, FORMATS[acc["format"]]) and modulus[channel] >= (bits if wrap else EXACT)
            modulus[channel] = EXACT if right else min(modulus[channel], bits if wrap else 0)
    verdict = [bits == EXACT for bits in modulus]
    wanted = verdict if len(set(verdict)) > 1 else verdict[0]
    need(claim["proved"] == wanted, f"{where}.proved", f"must be {wanted!r:.60} as the ranges say")
    return all(verdict), [made[0][0] if fine else limits for made, fine in zip(found, verdict, strict=True)]


def follow(claims: Any, inputs: dict[str, Any], nodes: dict[str, Any]) -> Outcome:
    """Every tensor in the network's order."""
    outputs = {name: [x or name for x in field(g, "outputs", several=True)] for name, g in nodes.items()}
    sums = {name: g["accumulator"] for name, g in nodes.items() if "accumulator" in g}
    summing = {name for name, acc in sums.items() if "overflow" in acc.attrs}  # the others are of blocks
    assumed, datapath = claims["assumptions"]["inputs"], claims["assumptions"]["datapath"]
    whole = {name for name, g in inputs.items() if limits_of(g)}
    need(assumed.keys() == whole, "assumptions.inputs", f"must be of {sorted(whole)}")
    need(claims["nodes"].keys() == summing, "nodes", f"must be {sorted(summing)}")
    need(claims["tensors"].keys() <= {*chain(*outputs.values())}, "tensors", "must be outputs of nodes")
    need(summing.issuperset(datapath), "assumptions.datapath", f"must be of {sorted(summing)}")
    words = [name for name, acc in sums.items() if "register" in acc and "bits" in acc["register"].attrs]
    tensors, assumptions, unproved = dict[str, Tensor](), list[str](), words  # nothing is claimed of words
    for name, g in inputs.items():
        format, where = limits_of(g), f"assumptions.inputs.{name}"
        shape = tuple(size for size in field(g, "shape", several=True) if size is not None)
        said = claimed(where, assumed[name], format, []) if format else []
        tensors[name] = Tensor(format, shape, wide(said, shape[-1], where) if len(said) > 1 else said)
        assumptions += [] if format is None or said == [format] else [f"input {name} is within {hull(said)}"]
    for name, g in nodes.items():
        op, where = field(g, "op") if field(g, "op_version") == 1 else "", f"nodes.{name}"
        read = [tensors[x] for x in field(g, "inputs", several=True)]
        tensor, made = made_by(op, g, read), None
        if name in summing:
            acc, stored = claims["nodes"][name]["accumulator"], stored_accumulator(g["accumulator"])
            need(acc == stored or name in datapath, f"{where}.accumulator", f"must be {stored}")
            need(acc != stored or name not in datapath, "assumptions.datapath", f"must not name {name!r}")
            assumptions += [] if acc == stored else [f"node {name} sums through {json.dumps(acc)}"]
            right, made = summed(where, claims["nodes"][name], op, g, read)
            unproved += [] if right else [name]
            tensor = Tensor(FORMATS[acc["format"]], tensor.shape, [FORMATS[acc["format"]]])
        for output in outputs[name]:
            tensors[output] = tensor
            if output in claims["tensors"]:
                need(tensor.format, f"tensors.{output}", "cannot be checked: nothing is known of it")
                found = made or image(op, g, [x.range for x in read]) or tensor.range
                said = claimed(f"tensors.{output}", claims["tensors"][output], tensor.format, found)
                tensors[output] = tensor._replace(range=said)
    need(claims["proved"] is (not unproved), "proved", f"must be {not unproved} as the nodes say")
    return Outcome([], assumptions, unproved, len(summing))


def examine(certificate: str, network: str) -> Outcome:
    """Check a certificate; never raises."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), "certificate", "keys must be there once, not twice")
        return dict(pairs)

    try:
        text, data = Path(certificate).read_text("utf-8"), Path(network).read_bytes()
        claims = json.loads(text, object_pairs_hook=once, parse_float=int, parse_constant=int)
        for place in misfits("certificate", claims, CERTIFICATE):
            raise ValueError(f"{place}: must have the form that CERTIFICATE tells")
        digest = hashlib.sha256(data).hexdigest()
        need(claims["network"]["sha256"] == digest, "network.sha256", f"must be {digest} of this file")
        with h5py.File(io.BytesIO(data), "r") as file:
            return follow(claims, members(file["inputs"]), members(file["nodes"]))
    except Exception as error:  # whatever it is, nothing has been shown
        told = f"{error}" if type(error) is ValueError else f"cannot be followed: {error!r}"
        return Outcome([" ".join(told.split())], [], [], 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    outcome = examine(*sys.argv[1:])
    print(json.dumps(outcome._asdict(), indent=1))
    sys.exit(1 if outcome.findings or outcome.unproved else 0)
