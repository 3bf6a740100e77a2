"""Speed of products of bits, trits and few-bit integers beside numpy's float32 product.

    python -m tests.benchmarks.bits [--size N] [--shapes dense|conv ...] [--isa NAME ...] [--repeat N]
        [--store int32|int8] [--json]

One thread (threadpoolctl holds numpy's library to one), all sides alternating in one process, time of the
thread, least and median of N. Every kernel is told, not chosen: `count` counts bits in packed words,
`unpack` makes bytes of packed weights on the way (tiles only), `bytes` multiplies bytes. `pack` is what
`count` takes to pack the activations, alone; `count` includes it. Sums are stored as int32, as the float
product stores 32 bits, or as int8, as a fused requantization does. The float side of a convolution is given
the window matrix ready-made.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os

import numpy as np
from threadpoolctl import threadpool_limits

from intsim.engine.products import products_of
from intsim.engine.sums import vectors_of
from intsim.formats import Bipolar, IntFormat, TensorSpec, Ternary
from intsim.kernels.bits_packing import words_of
from intsim.kernels.epilogue import plain, started
from intsim.kernels.isa.table import ISAS, VARIABLE, WEIGHTS, WEIGHTS_VARIABLE, chosen, runs
from intsim.kernels.scratch import aligned
from intsim.ops import Conv2d, Dense
from tests.benchmarks.gemm import seconds

UINT1, UINT2 = IntFormat(1, False), IntFormat(2, False)
PAIRS = {
    "binary": (Bipolar(), Bipolar()),
    "ternary": (Ternary(), Ternary()),
    "bits by signs": (UINT1, Bipolar()),
    "2 bits by signs": (UINT2, Bipolar()),
    "int8 by trits": (IntFormat(8), Ternary()),
}


def drawn(format, shape, rng):
    values = rng.integers(format.min, format.max + 1, shape)
    return np.where(values == 0, 1, values) if isinstance(format, Bipolar) else values


def layer(shape, size, formats, rng):
    """The op, its input, and the rows of a matrix product that is as large."""
    left, right = formats
    if shape == "dense":
        op = Dense(weight=drawn(right, (size, size), rng), weight_format=right)
        return op, drawn(left, (size, size), rng), size
    side, depth = max(1, size // 36), size // 4
    weight = drawn(right, (depth, 3, 3, depth), rng)
    op = Conv2d(weight=weight, weight_format=right, padding=((1, 1), (1, 1)))
    return op, drawn(left, (1, side, side, depth), rng), side * side


def prepared(shape, formats, size, storage, weights, rng):
    """A call of the kernel that is told, and a call that packs the activations alone; or None."""
    op, codes, _ = layer(shape, size, formats, rng)
    spec = TensorSpec(codes.shape[1:], formats[0])
    (output,) = op.infer(spec)
    products = products_of(op, spec, output)
    os.environ[WEIGHTS_VARIABLE] = weights
    vectors = vectors_of(products)
    counting = vectors is not None and "(bits" in vectors.word
    if counting is not (weights == "count") or ("-bit weights" in vectors.word) is not (weights == "unpack"):
        return None
    images = products.images(codes.astype(formats[0].storage))
    x = aligned(images.shape, images.dtype)
    x[:] = images
    out = aligned((int(np.prod(codes.shape[:1] + output.shape[:-1])), products.channels), storage)
    launch = vectors.launch(x, started(plain(products.channels), vectors.start), out)
    launch.run(1)
    if shape == "dense":  # a few rows: the reference takes longer than all else
        (exact,) = op.reference(codes[:4])
        assert np.array_equal(out[:4], exact.astype(storage))
    return lambda: launch.run(1), packing(vectors, x) if counting else None


def packing(vectors, x):
    """A call that packs all activations."""
    from intsim.kernels.bits import pack_pixels

    rows, depth = x.size // x.shape[3], x.shape[3]
    planes = np.array(vectors.x.planes)
    words, tail = np.zeros(rows * words_of(depth) * planes.size, np.int64), np.zeros(64, np.uint8)
    codes = x.view(np.uint8).ravel()
    return lambda: pack_pixels(codes, 0, rows, depth, planes, tail, words, 0)


def rows(options):
    """One result for each kernel of each pair of formats."""
    rng, storage = np.random.default_rng(0), np.dtype(options.store)
    for isa, shape, pair in itertools.product(options.isa, options.shapes, PAIRS):
        os.environ[VARIABLE] = isa
        op, _, high = layer(shape, options.size, PAIRS[pair], rng)
        wide, deep = op.weight.shape[0], op.weight[0].size
        a, b = (rng.standard_normal(one).astype(np.float32) for one in ((high, deep), (deep, wide)))
        floats = np.empty((high, wide), np.float32)
        names, calls = ["float32"], [lambda a=a, b=b, floats=floats: np.matmul(a, b, out=floats)]
        for weights in WEIGHTS:
            made = prepared(shape, PAIRS[pair], options.size, storage, weights, rng)
            if made is not None:
                names += [weights, "pack"][: 1 + (made[1] is not None)]
                calls += [call for call in made if call is not None]
        found = seconds(calls, options.repeat)
        for name, (least, middle) in zip(names, found, strict=True):
            yield {
                "isa": isa,
                "shape": shape,
                "pair": pair,
                "kernel": name,
                "least_us": 1e6 * least,
                "median_us": 1e6 * middle,
                "gops": None if name == "pack" else 2 * high * wide * deep / middle / 1e9,
                "times_float32": None if name == "pack" else found[0][1] / middle,
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [isa.name for isa in ISAS if runs(isa)]
    parser.add_argument("--size", type=int, default=1024, help="rows, terms and channels of the matrices")
    parser.add_argument("--shapes", nargs="*", default=["dense"], choices=["dense", "conv"])
    parser.add_argument("--isa", nargs="*", default=[chosen().name], choices=names)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--store", default="int32", choices=["int8", "int32"], help="dtype of the output")
    parser.add_argument("--json", action="store_true", help="one object for each line of the table")
    options = parser.parse_args()
    with threadpool_limits(1):
        for row in rows(options):
            if options.json:
                print(json.dumps(row), flush=True)
                continue
            speed = "" if row["gops"] is None else f"{row['gops']:7.0f} Gop/s {row['times_float32']:6.1f}x"
            shown = f"{row['least_us']:8.0f} us least {row['median_us']:8.0f} us median {speed}"
            print(f"{row['isa']:12} {row['shape']:5} {row['pair']:16} {row['kernel']:8} {shown}", flush=True)


if __name__ == "__main__":
    main()
