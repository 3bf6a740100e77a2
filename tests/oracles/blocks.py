"""Dot products of blocks, from the descriptions: fractions, and Python ints where a word is described.

A value is a Fraction, or one of the texts "inf", "-inf" and "nan"; the sign of a zero is not told. A row is a
list of blocks, a block is (scale, elements).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tests.oracles.arith import round_fraction

Value = Any
Row = list[tuple[Value, list[Value]]]

ELEMENTS = {  # exponent bits, mantissa bits, bias; what the top codes are
    "e5m2": (5, 2, 15, "ieee"),
    "e4m3": (4, 3, 7, "top code"),
    "e3m2": (3, 2, 3, "finite"),
    "e2m3": (2, 3, 1, "finite"),
    "e2m1": (2, 1, 1, "finite"),
}
FLOATS = {  # exponent bits, mantissa bits
    "binary32": (8, 23),
    "binary16": (5, 10),
    "bfloat16": (8, 7),
    "binary24": (8, 15),
    "e8m13": (8, 13),
    "e5m2": (5, 2),
}


def power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


# --- values of codes ---


def element(code: int, name: str) -> Value:
    """The value of a code of an MX element format."""
    if name == "int8":
        return Fraction(code - 256 if code > 127 else code, 64)
    exponent_bits, mantissa_bits, bias, top = ELEMENTS[name]
    sign = -1 if code >> (exponent_bits + mantissa_bits) else 1
    body = code % 2 ** (exponent_bits + mantissa_bits)
    exponent, mantissa = divmod(body, 2**mantissa_bits)
    if top == "ieee" and exponent == 2**exponent_bits - 1:
        return "nan" if mantissa else ("inf" if sign > 0 else "-inf")
    if top == "top code" and body == 2 ** (exponent_bits + mantissa_bits) - 1:
        return "nan"
    leading = 2**mantissa_bits if exponent else 0
    return sign * (leading + mantissa) * power(max(exponent, 1) - bias - mantissa_bits)


def element_exponent(code: int, name: str) -> int:
    """The exponent that the fields of a code say: that of the subnormals where the field is 0."""
    if name == "int8":
        return 0
    exponent_bits, mantissa_bits, bias, _ = ELEMENTS[name]
    return max(code >> mantissa_bits & (2**exponent_bits - 1), 1) - bias


def e8m0(code: int) -> Value:
    return "nan" if code == 255 else power(code - 127)


# --- floats ---


def round_to(value: Value, name: str | tuple[int, int], rounding: str = "half_even") -> Value:
    """The value of a float format, by IEEE 754: subnormals, and infinity unless the rounding points inward.

    The format is a name or a pair: exponent bits, mantissa bits.
    """
    if isinstance(value, str):
        return value
    exponent_bits, mantissa_bits = FLOATS[name] if isinstance(name, str) else name
    bias = 2 ** (exponent_bits - 1) - 1
    unit = power(max(floor_log2(value), 1 - bias) - mantissa_bits)
    found = round_fraction(value / unit, rounding) * unit
    limit = power(bias + 1)
    if abs(found) < limit:
        return found
    inward = rounding in ("toward_zero", "floor" if found > 0 else "ceil")
    if inward:
        return (limit - power(bias - mantissa_bits)) * (1 if found > 0 else -1)
    return "inf" if found > 0 else "-inf"


def floor_log2(value: Fraction) -> int:
    """The exponent of the leading bit; a large negative number of zero."""
    if value == 0:
        return -(10**6)
    found = abs(value.numerator).bit_length() - value.denominator.bit_length()
    return found if power(found) <= abs(value) else found - 1


def multiply(a: Value, b: Value) -> Value:
    if "nan" in (a, b):
        return "nan"
    if isinstance(a, str) or isinstance(b, str):
        if 0 in (a, b):
            return "nan"
        return "inf" if below_zero(a) == below_zero(b) else "-inf"
    return a * b


def below_zero(value: Value) -> bool:
    return value.startswith("-") if isinstance(value, str) else value < 0


def add(*values: Value) -> Value:
    """The exact sum, IEEE 754's where something is infinite or NaN."""
    texts = {value for value in values if isinstance(value, str)}
    if "nan" in texts or len(texts) == 2:
        return "nan"
    return texts.pop() if texts else sum(values, Fraction(0))


# --- models ---


def products(a: Row, b: Row) -> list[list[Value]]:
    """The products of the elements, block by block."""
    return [
        [multiply(x, y) for x, y in zip(left, right, strict=True)]
        for (_, left), (_, right) in zip(a, b, strict=True)
    ]


def scales(a: Row, b: Row) -> list[Value]:
    return [multiply(x, y) for (x, _), (y, _) in zip(a, b, strict=True)]


def exact(a: Row, b: Row) -> Value:
    """The sum of the values' products, nothing rounded."""
    return add(
        *(
            multiply(multiply(x, p), multiply(y, q))
            for (x, left), (y, right) in zip(a, b, strict=True)
            for p, q in zip(left, right, strict=True)
        )
    )


def scaled_sums(a: Row, b: Row, count: int) -> list[Value]:
    """Exact sums of `count` products of a block (0: all), times both scales."""
    found = []
    for block, scale in zip(products(a, b), scales(a, b), strict=True):
        step = count or len(block)
        found += [multiply(add(*block[i : i + step]), scale) for i in range(0, len(block), step)]
    return found


def chain(values: list[Value], name: str, rounding: str = "half_even", entering: bool = True) -> Value:
    """Each value rounded (where it says so), then added to a float that is rounded each time."""
    held: Value = Fraction(0)
    for value in values:
        held = round_to(add(held, round_to(value, name, rounding) if entering else value), name, rounding)
    return held


def tree(values: list[Value], name: str, rounding: str = "half_even") -> Value:
    """Each value rounded; then pairs, and pairs of pairs; a last odd one passes up."""
    values = [round_to(value, name, rounding) for value in values]
    while len(values) > 1:
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        values = [round_to(add(*pair), name, rounding) for pair in pairs]
    return values[0]


def split(values: list[Value], parts: int, interleaved: bool) -> list[list[Value]]:
    if interleaved:
        return [share for share in (values[i::parts] for i in range(parts)) if share]
    size = math.ceil(len(values) / parts)
    return [values[i : i + size] for i in range(0, len(values), size)]


def fixed(values: list[Value], bits: int, fraction_bits: int, overflow: str, rounding: str) -> Fraction:
    """A word of so many bits, its last place 2**-fraction_bits."""
    held, half = 0, 2 ** (bits - 1)
    for value in values:
        held += round_fraction(value * power(fraction_bits), rounding)
        if overflow == "wrap":
            held = (held + half) % (2 * half) - half
        held = sorted((-half, held, half - 1))[1]
    return held * power(-fraction_bits)


def aligned(terms: list[tuple[Fraction, int]], bits: int, rounding: str) -> Fraction:
    """Terms with exponents, cut to so many bits below the largest of those that are not zero, and added."""
    exponents = [exponent for value, exponent in terms if value]
    if not exponents:
        return Fraction(0)
    unit = power(max(exponents) - bits)
    if rounding == "sticky":
        cut = [math.floor(value / unit) | (value % unit != 0) for value, _ in terms]
    else:
        cut = [round_fraction(value / unit, rounding) for value, _ in terms]
    return sum(cut) * unit


def tensor_core(
    terms: list[tuple[Fraction, int]],
    bits: int,
    group: int,
    mantissa_bits: int,
    start: Fraction = Fraction(0),
) -> Value:
    """Groups of terms and the register, cut toward zero below their largest exponent; the sum is cut again.

    A float of 8 exponent bits holds it; what is beyond it is infinite.
    """
    held = start
    for i in range(0, len(terms), group):
        own = (held, max(floor_log2(held), -126))
        found = aligned([*terms[i : i + group], own], bits, "toward_zero")
        unit = power(max(floor_log2(found), -126) - mantissa_bits)
        held = round_fraction(found / unit, "toward_zero") * unit
        if abs(held) >= power(128):
            raise OverflowError
    return held


def joined(
    held: Fraction,
    terms: list[tuple[Fraction, int]],
    bits: int,
    kept: tuple[int | None, int | None],
    rounding: str,
    drop: int | None,
    name: str,
) -> Value:
    """A group cut toward zero below its largest exponent; its sum and a float cut below the larger of both.

    The side whose exponent is smaller by `drop` or more is left out; the result is rounded to nearest even.
    """
    exponents = [exponent for value, exponent in terms if value]
    sides = []
    if exponents:
        sides.append((aligned(terms, bits, "toward_zero"), max(exponents), kept[0]))
    if held:
        sides.append((held, max(floor_log2(held), -126), kept[1]))
    top = max((exponent for _, exponent, _ in sides), default=0)
    total = Fraction(0)
    for value, exponent, places in sides:
        if drop is not None and top - exponent >= drop:
            continue
        if places is not None:
            value = round_fraction(value / power(top - places), rounding) * power(top - places)
        total += value
    return round_to(total, name)


def mxdotp(blocks: list[tuple[int, list[tuple[Fraction, Fraction]]]], group: int = 8) -> Value:
    """The word of the MXDOTP unit, bit by bit. A block is (sum of scales' exponents, pairs of elements).

    The sum of products is an integer of 2**-34; the binary32 register is shifted to that grid. Far above, it
    is the result; below, its low bits follow the word, 24 of them, and a sticky bit. One rounding to nearest.
    """
    held = Fraction(0)
    word = 1 + 24 + 1 + (math.ceil(math.log2(group)) + 1 + 32 + 34 - 1)
    for scale, pairs in blocks:
        for i in range(0, len(pairs), group):
            held = _mxdotp_step(held, scale, pairs[i : i + group], word)
    return held


def _mxdotp_step(held: Fraction, scale: int, pairs: list[tuple[Fraction, Fraction]], word: int) -> Fraction:
    products = sum((x * y for x, y in pairs), Fraction(0)) * 2**34
    assert products.denominator == 1
    assert abs(products) < 2 ** (word - 26)
    exponent = max(floor_log2(held), -126)
    mantissa = int(held / power(exponent - 23))
    shift = 34 - 23 - scale + exponent
    if shift > word - 24 - 1:
        return held
    extended = int(products) << 24
    sticky = 0
    if shift >= -24:
        extended += mantissa << (24 + shift)
    else:
        down = -shift - 24
        extended += mantissa >> down
        sticky = int(mantissa % 2**down != 0)
    assert -(2 ** (word + 23)) <= extended < 2 ** (word + 23)
    # The sticky bit stands for a little more than the word says.
    value = (Fraction(extended) + Fraction(sticky, 2)) * power(scale - 34 - 24)
    return round_to(value, "binary32")


def hybrid(
    groups: list[tuple[int, list[tuple[int, int]]]], point: int, exponent_bias: int, width: int
) -> Fraction:
    """KU Leuven's hybrid MAC, bit by bit, in the normal range.

    A group is (sum of scales' exponents, four pairs of an integer product of significands and a biased
    sum of exponents). `point` is how far the products are shifted up in 10 bits; `exponent_bias` is added
    to the largest exponent to give the word's; `width` is M_out_width.
    """
    sign, mantissa, exponent = 0, 0, 0  # of the register; the exponent is biased by 127
    for scale, terms in groups:
        big = max(e for _, e in terms)
        word = sum((product << point << (width - 8)) >> (big - e) for product, e in terms)
        e_in = big + exponent_bias + scale
        full = mantissa + (2**width if exponent else 0)
        held = (-full if sign else full) << 3
        apart = exponent - e_in
        if 0 <= apart < width + 1:
            found, shift = word + (held << apart), 0
        elif apart >= width + 1:
            continue
        elif -apart < 2 * width + 7:
            found, shift = (word << (width + 2)) + ((held << (width + 2)) >> -apart), width + 2
        else:
            found, shift = word << (width + 2), width + 2
        if found == 0:
            sign, mantissa, exponent = 0, 0, 0
            continue
        sign, size = int(found < 0), abs(found)
        length = size.bit_length()
        exponent = e_in + (length - 1 - shift) - (width + 3)
        kept = size >> (length - 1 - width) if length > width + 1 else size << (width + 1 - length)
        mantissa = kept - 2**width
        assert 0 < exponent < 255
    full = mantissa + (2**width if exponent else 0)
    return (-1 if sign else 1) * full * power(exponent - 127 - width)


def q4_k(super_blocks: list[dict[str, Any]]) -> Value:
    """q4_K times q8_K as the C code does it: each entry has q4, q8, scales, mins, d, dmin and y.

    Eight integers of scale * q4 * q8, by place modulo 8; eight binary32 lanes and one for the minima.
    """
    lanes: list[Value] = [Fraction(0)] * 8
    total: Value = Fraction(0)
    for block in super_blocks:
        integers = [0] * 8
        for i, (q4, q8) in enumerate(zip(block["q4"], block["q8"], strict=True)):
            integers[i % 8] += block["scales"][i // 32] * q4 * q8
        least = sum(block["mins"][i // 32] * q8 for i, q8 in enumerate(block["q8"]))
        d = round_to(block["d"] * block["y"], "binary32")
        dmin = round_to(block["dmin"] * block["y"], "binary32")
        for lane, integer in enumerate(integers):
            product = round_to(d * round_to(Fraction(integer), "binary32"), "binary32")
            lanes[lane] = round_to(lanes[lane] + product, "binary32")
        product = round_to(dmin * round_to(Fraction(least), "binary32"), "binary32")
        total = round_to(total - product, "binary32")
    for lane in lanes:
        total = round_to(total + lane, "binary32")
    return total


def ggml(blocks: list[tuple[int, Fraction, Fraction]], sum_first: bool) -> Value:
    """Blocks of an integer sum and two scales, in binary32 throughout, in the order of the C code."""
    held: Value = Fraction(0)
    for sum_, x, y in blocks:
        value = round_to(Fraction(sum_), "binary32")
        if sum_first:
            value = round_to(round_to(value * x, "binary32") * y, "binary32")
        else:
            value = round_to(value * round_to(x * y, "binary32"), "binary32")
        held = round_to(held + value, "binary32")
    return held


# --- any accumulator ---

Scaled = tuple[Fraction, int]
Block = tuple[Scaled, list[Scaled]]


def accumulate(a: list[Block], b: list[Block], rule: dict[str, Any], size: int) -> Value:
    """A dot product as a plain BlockAccumulator says, over finite values with their formats' exponents.

    A block is its scale and its elements; blocks hold `size` elements, the last one perhaps fewer.
    """
    terms = []
    for block, ((x, left), (y, right)) in enumerate(zip(a, b, strict=True)):
        pairs = [(p[0] * q[0], p[1] + q[1]) for p, q in zip(left, right, strict=True)]
        step = rule["exact"] or size
        for i in range(0, len(pairs), step):
            value = sum((value for value, _ in pairs[i : i + step]), Fraction(0))
            exponent = pairs[i][1] if step == 1 else 0
            if rule["scales"] == "term":
                value, exponent = _scale(value, x, y, rule), exponent + x[1] + y[1]
            terms.append((value, exponent, block, x, y))
    held = _register(terms, rule)
    return held if rule["output"] is None else _soft(held, rule["output"])


def _soft(value: Value, soft: dict[str, Any]) -> Value:
    return round_to(
        value, (soft["format"]["exponent_bits"], soft["format"]["mantissa_bits"]), soft["rounding"]
    )


def _scale(value: Fraction, x: Scaled, y: Scaled, rule: dict[str, Any]) -> Value:
    arithmetic = rule["scale_arithmetic"]
    if arithmetic is None:
        return value * x[0] * y[0]
    soft, value = arithmetic["float"], _soft(value, arithmetic["float"])
    if arithmetic["order"] == "sum_first":
        return _soft(_soft(value * x[0], soft) * y[0], soft)
    return _soft(value * _soft(x[0] * y[0], soft), soft)


def _register(terms: list[Any], rule: dict[str, Any]) -> Value:
    alignment, register = rule["alignment"], rule["register"]
    if alignment is None:
        groups = [[term] for term in terms]
    elif rule["scales"] == "term" and alignment["group"]:
        groups = [terms[i : i + alignment["group"]] for i in range(0, len(terms), alignment["group"])]
    else:
        groups = []
        for block in sorted({term[2] for term in terms}):
            own = [term for term in terms if term[2] == block]
            step = alignment["group"] or len(own)
            groups += [own[i : i + step] for i in range(0, len(own), step)]
    if register["type"] == "FloatRegister" and register["aligned"]:
        parts = split(groups, register["parts"], register["interleaved"])
        sums = [_aligned_chain(part, alignment, register["float"]) for part in parts]
        return _combine(sums, register)
    values = []
    for group in groups:
        value = group[0][0] if alignment is None else _align([term[:2] for term in group], alignment)
        values.append(_scale(value, *group[0][3:], rule) if rule["scales"] == "sum" else value)
    if register["type"] == "Kulisch":
        return sum(values, Fraction(0))
    if register["type"] == "FixedRegister":
        words = register["bits"], register["fraction_bits"], register["overflow"], register["rounding"]
        return fixed(values, *words)
    entered = [
        value if register["entering"] is None else _soft(value, register["entering"]) for value in values
    ]
    if register["topology"] == "tree" and register["parts"] == 1:
        return _combine([_soft(value, register["float"]) for value in entered], register)
    sums = []
    for part in split(entered, register["parts"], register["interleaved"]):
        held: Value = Fraction(0)
        for value in part:
            held = _soft(held + value, register["float"])
        sums.append(held)
    return _combine(sums, register)


def _align(terms: list[Scaled], alignment: dict[str, Any]) -> Fraction:
    if alignment["anchor"] == "leading":
        terms = [(value, floor_log2(value)) for value, _ in terms]
    rounding = "sticky" if alignment["sticky"] else alignment["rounding"]
    return aligned(terms, alignment["fraction_bits"], rounding)


def _aligned_chain(groups: list[Any], alignment: dict[str, Any], soft: dict[str, Any]) -> Fraction:
    held, least = Fraction(0), 2 - 2 ** (soft["format"]["exponent_bits"] - 1)
    for group in groups:
        own = (held, max(floor_log2(held), least))
        held = _soft(_align([*(term[:2] for term in group), own], alignment), soft)
    return held


def _combine(sums: list[Value], register: dict[str, Any]) -> Value:
    if register["topology"] == "chain":
        held = sums[0]
        for value in sums[1:]:
            held = _soft(held + value, register["float"])
        return held
    while len(sums) > 1:
        sums = [_soft(sum(sums[i : i + 2]), register["float"]) for i in range(0, len(sums), 2)]
    return sums[0]
