"""Speed of products of blocks beside numpy's float32 product, and beside `block_dot`.

    python -m tests.benchmarks.blocks [--repeat N] [--size 1024] [--formats NAME ...] [--json FILE]
        [--accumulators] [--reference]

One thread (BLAS on one by threadpoolctl), all sides alternating in one process, time of the thread, least
and median of N. Data are Gaussian. Weights are prepared once, as a plan does; the time of a product has in
it everything that happens to activations: looking codes up, aligning, cutting into limbs, rounding.
With --accumulators every named accumulator is timed at 64 x 64 x 1024; with --reference, `block_dot` at
16 x 16 x 256 as well.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from threadpoolctl import threadpool_limits

from intsim.arithmetic.blocks import BLOCK_ACCUMULATORS
from intsim.arithmetic.encode_blocks import encode_blocks
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.table import named
from intsim.kernels.block_matmul import multiply, prepare, reference
from intsim.kernels.block_planes import source

FORMATS = ["mxfp4", "mxint8", "mxfp6-e3m2", "mxfp8-e4m3", "mxfp8-e5m2", "nvfp4", "vs-quant", "mx9", "mx6"]
SMALL, SMALLER = (64, 64, 1024), (16, 16, 256)


def drawn(name, rows, length, rng):
    """Gaussian values as blocks, their codes in the narrowest dtype."""
    made = encode_blocks(named(name).format, rng.standard_normal((rows, length)).astype(np.float32))
    levels = tuple(Shared(narrowest(level.scale)) for level in made.levels)
    return Blocks(made.format, narrowest(made.elements), levels)


def narrowest(codes):
    codes = np.asarray(codes)
    return codes.astype(next(d for d in (np.uint8, np.uint16, np.uint32) if codes.max() <= np.iinfo(d).max))


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


def beside_floats(name, size, repeat, rng):
    """The exact product, rounded once, beside float32."""
    a, b = drawn(name, size, size, rng), drawn(name, size, size, rng)
    prepared = prepare(b, BLOCK_ACCUMULATORS["exact-fp32"].accumulator)
    x, w = (rng.standard_normal((size, size)).astype(np.float32) for _ in range(2))
    ours, floats = seconds([lambda: multiply(prepared, a), lambda: x @ w], repeat)
    return {
        "format": name,
        "size": size,
        "path": multiply(prepared, a).path,
        "milliseconds": [1e3 * value for value in ours],
        "float32_milliseconds": [1e3 * value for value in floats],
        "ratio": [theirs / own for own, theirs in zip(ours, floats, strict=True)],
    }


def by_accumulator(name, preset, repeat, rng, asked):
    """Nanoseconds of a product of elements; how often as fast as the reference."""
    rows, columns, length = SMALL
    accumulator = BLOCK_ACCUMULATORS[preset].accumulator
    a, prepared = drawn(name, rows, length, rng), prepare(drawn(name, columns, length, rng), accumulator)
    ((least, median),) = seconds([lambda: multiply(prepared, a)], repeat)
    each = 1e9 / (rows * columns * length)
    found = {"format": name, "accumulator": preset, "nanoseconds": [least * each, median * each]}
    found["path"] = multiply(prepared, a).path
    if asked:
        rows, columns, length = SMALLER
        x, y = source(drawn(name, rows, length, rng)), source(drawn(name, columns, length, rng))
        ((least, _),) = seconds([lambda: reference(x, y, accumulator)], 2)
        found["reference_nanoseconds"] = 1e9 * least / (rows * columns * length)
        found["ratio"] = found["reference_nanoseconds"] / found["nanoseconds"][0]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    parser.add_argument("--accumulators", action="store_true", help="every named accumulator")
    parser.add_argument("--reference", action="store_true", help="beside block_dot")
    parser.add_argument("--json", help="a file for the figures")
    options = parser.parse_args()
    rng, lines = np.random.default_rng(0), []
    with threadpool_limits(1):
        print("exact, rounded once to binary32; ms least / median; ratio to float32 of least / of medians")
        for name in options.formats:
            lines.append(beside_floats(name, options.size, options.repeat, rng))
            shown = [
                f"{a:7.2f} /{b:7.2f}"
                for a, b in (lines[-1]["milliseconds"], lines[-1]["float32_milliseconds"])
            ]
            ratio = " / ".join(f"{value:.2f}x" for value in lines[-1]["ratio"])
            print(f"{name:12} {shown[0]}  float32 {shown[1]}  {ratio}", flush=True)
        for preset in BLOCK_ACCUMULATORS if options.accumulators else ():
            for name in options.formats[:1]:
                line = by_accumulator(name, preset, options.repeat, rng, options.reference)
                lines.append(line)
                beside = f"  {line['ratio']:.0f}x block_dot" if options.reference else ""
                print(f"{name:12} {preset:24} {line['nanoseconds'][0]:6.2f} ns{beside}", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(lines, file, indent=1)


if __name__ == "__main__":
    main()
