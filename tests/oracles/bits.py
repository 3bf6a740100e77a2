"""Oracles of packed words and of what is counted in them: Python ints, one bit at a time."""

from itertools import product


def plane(codes, bit):
    """Words of 64: bit i of word t is bit `bit` of code 64 t + i, negative codes in two's complement."""
    words = [0] * (-(-len(codes) // 64))
    for i, code in enumerate(codes):
        words[i // 64] += ((code // 2**bit) % 2) << i % 64
    return words


def dot(x, w):
    """The sum of products of two lists."""
    return sum(a * b for a, b in zip(x, w, strict=True))


def counted(name, x, w):
    """What a count comes to, from lists of planes, each a list of bits (rule P2 of the counts)."""
    total = 0
    for i in range(len(x[0])):
        a, b = [bits[i] for bits in x], [bits[i] for bits in w]
        if name == "DIFFER":
            total += a[0] != b[0]
        elif name == "BOTH":
            total += a[0] == b[0] == 1
        elif name == "DIFFER_IN_W":
            total += b[0] == 1 and a[0] != b[1]
        elif name == "DIFFER_IN_X":
            total += a[0] == 1 and a[1] != b[0]
        elif a[0] == b[0] == 1:
            total += 1 if a[1] == b[1] else -1
    return total


def convolved(image, filters, stride, dilation, padding, zero=0):
    """Sums of a convolution, lists [h][w][c] with filters [k][h][w][c]; outside the image nothing is added.

    `zero` is taken off every value of the image.
    """
    height, width = len(image), len(image[0])
    down, across = len(filters[0]), len(filters[0][0])
    ends = [
        (size + sum(pads) - (taps - 1) * gap - 1) // step + 1
        for size, pads, taps, gap, step in zip(
            (height, width), padding, (down, across), dilation, stride, strict=True
        )
    ]
    made = [[[0] * len(filters) for _ in range(ends[1])] for _ in range(ends[0])]
    for r, c in product(range(ends[0]), range(ends[1])):
        for i, j in product(range(down), range(across)):
            h = r * stride[0] + i * dilation[0] - padding[0][0]
            v = c * stride[1] + j * dilation[1] - padding[1][0]
            if 0 <= h < height and 0 <= v < width:
                centred = [code - zero for code in image[h][v]]
                for k, filter in enumerate(filters):
                    made[r][c][k] += dot(centred, filter[i][j])
    return made
