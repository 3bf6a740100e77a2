"""The oracle of group_dense: group by group, register by register."""

from __future__ import annotations

from typing import Any

from tests.oracles import arith

Plain = dict[str, Any]
ALONE = {"tile": None, "inner": None, "order": "hwc", "bias": "last", "zero_point": "subtract"}


def group_dense(fields: Plain, shapes: list[tuple[int, ...]], inputs: list[Any]) -> list[Any]:
    depth, size, rule = shapes[0][-1], fields["group"], fields["accumulator"]
    count = -(-depth // size)
    rows, scales = arith.flat(inputs[0]), arith.flat(inputs[1]) if len(inputs) > 1 else None
    sums = []
    for row in range(len(rows) // depth):
        x = rows[row * depth : (row + 1) * depth]
        own = [1] * count if scales is None else scales[row * count : (row + 1) * count]
        for k, weights in enumerate(fields["weight"]):
            bias, zx = arith.pick(arith.flat(fields["bias"]), k), fields["input_zero_point"]
            taken = [pick(fields["zero"], k, c // size) for c in range(depth)]
            if fields["scales"] == "weight":
                made = []
                for c, weight in enumerate(weights):
                    value = (weight - taken[c]) * fields["scale"][k][c // size]
                    value -= pick(fields["offset"], k, c // size)
                    register = fields["weight_register"]
                    made.append(arith.write(value, register) if register else value)
                sums.append(arith.dot(x, made, zx, 0, (1, 1, depth), rule, bias))
                continue
            scaled = []
            for group in range(count):
                product = fields["scale"][k][group] * own[group]
                if fields["scale_product"] is not None:
                    product = arith.requantize(product, fields["scale_product"])
                scaled.append(product)
            sums.append(level(rule, (x, weights, taken, scaled), range(depth), size, zx, rule, bias))
    return [arith.nest(sums, (*shapes[0][:-1], len(fields["weight"])))]


def pick(values: Any, k: int, group: int) -> int:
    return values[k][group] if isinstance(values, list) else values


def level(register: Plain, row: Any, places: range, size: int, zx: int, rule: Plain, bias: int = 0) -> int:
    """What a register that adds whole groups holds in the end."""
    x, weights, taken, scales = row
    entering = []
    tile = register["tile"] or size
    for begin in range(places.start, places.stop, tile):
        part = range(begin, min(begin + tile, places.stop))
        if tile != size:
            entering.append(level(register["inner"], row, part, size, zx, rule))
            continue
        a, b, zero = x[begin : part.stop], weights[begin : part.stop], taken[begin]
        found = sum((p - zx) * (q - zero) for p, q in zip(a, b, strict=True))
        if register["inner"] is not None:
            inside = {**register["inner"], "zero_point": rule["zero_point"]}
            found = arith.dot(a, b, zx, zero, (1, 1, len(a)), inside)
        entering.append(found * scales[begin // size])
    alone = {**register, **ALONE, "bias": rule["bias"] if register is rule else "last"}
    return arith.accumulate(entering, (1, 1, len(entering)), alone, bias)[0]


ORACLES = {"group_dense": group_dense}
