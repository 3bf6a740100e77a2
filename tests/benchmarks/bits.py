"""Speed of products of bits, trits and few-bit integers beside numpy's float32 product.

    python -m tests.benchmarks.bits [--size N] [--isa NAME ...] [--repeat N] [--store int32|int8] [--json]

One thread (threadpoolctl holds numpy's library to one), all sides alternating in one process, time of the
thread, least and median of N. Every kernel is told, not chosen: `count` counts bits in packed words,
`unpack` makes bytes of packed weights on the way (tiles only), `bytes` multiplies bytes. `pack` is what
`count` takes to pack the activations, alone; `count` includes it. Sums are stored as int32, as the float
product stores 32 bits, or as int8, as a fused requantization does.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import numpy as np
from threadpoolctl import threadpool_limits

from intsim.engine.products import products_of
from intsim.engine.sums import vectors_of
from intsim.formats import Bipolar, IntFormat, TensorSpec, Ternary
from intsim.kernels.bits_packing import words_of
from intsim.kernels.epilogue import plain, started
from intsim.kernels.isa.table import ISAS, VARIABLE, WEIGHTS, WEIGHTS_VARIABLE, chosen, runs
from intsim.kernels.scratch import aligned
from intsim.ops import Dense

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


def prepared(formats, size, storage, weights, rng):
    """A call of the kernel that is told, its name, and a call that packs the activations alone; or None."""
    left, right = formats
    op = Dense(weight=drawn(right, (size, size), rng), weight_format=right)
    spec = TensorSpec((size,), left)
    (output,) = op.infer(spec)
    products = products_of(op, spec, output)
    os.environ[WEIGHTS_VARIABLE] = weights
    vectors = vectors_of(products)
    counting = vectors is not None and "(bits" in vectors.word
    if counting is not (weights == "count") or ("-bit weights" in vectors.word) is not (weights == "unpack"):
        return None
    x, out = aligned((size, 1, 1, size), left.storage), aligned((size, size), storage)
    x[:] = drawn(left, x.shape, rng)
    epilogue = started(plain(size), vectors.start)
    launch = vectors.launch(x, epilogue, out)
    exact = x.reshape(size, size).astype(np.float32) @ op.weight.T.astype(np.float32)
    launch.run(1)
    assert np.array_equal(out, exact.astype(storage)), "below 2**24 float32 is exact"
    return lambda: launch.run(1), vectors.word, packing(vectors, x) if counting else None


def packing(vectors, x):
    """A call that packs all activations."""
    from intsim.kernels.bits import pack_pixels

    rows, depth = x.shape[0], x.shape[3]
    planes = np.array(vectors.x.planes)
    words, tail = np.zeros(rows * words_of(depth) * planes.size, np.int64), np.zeros(64, np.uint8)
    codes = x.view(np.uint8).ravel()
    return lambda: pack_pixels(codes, 0, rows, depth, planes, tail, words, 0)


def seconds(calls, repeat):
    """Least and median of every call's thread time, the calls alternating."""
    taken = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeat):
        for call, held in zip(calls, taken, strict=True):
            begin = time.thread_time()
            call()
            held.append(time.thread_time() - begin)
    return [(min(held), float(np.median(held))) for held in taken]


def rows(options):
    """One result for each kernel of each pair of formats."""
    size, work = options.size, 2 * options.size**3
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size)).astype(np.float32) for _ in range(2))
    floats = np.empty((size, size), np.float32)
    for isa in options.isa:
        os.environ[VARIABLE] = isa
        for pair, formats in PAIRS.items():
            names, calls = ["float32"], [lambda: np.matmul(a, b, out=floats)]
            for weights in WEIGHTS:
                made = prepared(formats, size, np.dtype(options.store), weights, rng)
                if made is not None:
                    names += [weights] + (["pack"] if made[2] else [])
                    calls += [made[0]] + ([made[2]] if made[2] else [])
            found = seconds(calls, options.repeat)
            for name, (least, middle) in zip(names, found, strict=True):
                yield {
                    "isa": isa,
                    "pair": pair,
                    "kernel": name,
                    "least_us": 1e6 * least,
                    "median_us": 1e6 * middle,
                    "gops": None if name == "pack" else work / middle / 1e9,
                    "times_float32": None if name == "pack" else found[0][1] / middle,
                }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [isa.name for isa in ISAS if runs(isa)]
    parser.add_argument("--size", type=int, default=1024, help="rows, terms and channels")
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
            print(f"{row['isa']:12} {row['pair']:16} {row['kernel']:8} {shown}", flush=True)


if __name__ == "__main__":
    main()
