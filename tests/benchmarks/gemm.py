"""Speed of integer matrix products and convolutions beside peers and beside the processor's most.

    python -m tests.benchmarks.gemm [--isa NAME ...] [--repeat N] [--floats] [--store int8]
        [--shapes square|resnet50|mobilenet|small ...]

One thread, both sides alternating in one process, time of the thread, least and median of N. Sums are
stored as int32, as the peers do, or as int8: a fused requantization writes as little. Peers: ONNX
Runtime's MatMulInteger (uint8 x int8, the one it has fast kernels for) where it is installed, on
convolutions given the window matrix ready-made; numpy's float32 product, on one thread with
OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from intsim.bench.peak import peak as measured_peak
from intsim.engine.products import products_of
from intsim.engine.sums import vectors_of
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels.epilogue import plain, started
from intsim.kernels.isa.table import ISAS, VARIABLE, chosen, runs
from intsim.kernels.scratch import aligned
from intsim.ops import Conv2d, Dense, DepthwiseConv2d
from tests.benchmarks.onnx_matmul import session

SHAPES = {
    "square": [("dense", 1024, 1024, 1024), ("dense", 256, 1024, 1024), ("dense", 1, 2048, 1000)],
    "resnet50": [
        ("conv", 224, 3, 64, 7, 2),
        ("conv", 56, 64, 64, 1, 1),
        ("conv", 56, 64, 64, 3, 1),
        ("conv", 56, 64, 256, 1, 1),
        ("conv", 56, 256, 64, 1, 1),
        ("conv", 56, 128, 128, 3, 2),
        ("conv", 28, 128, 128, 3, 1),
        ("conv", 28, 512, 128, 1, 1),
        ("conv", 56, 256, 512, 1, 2),
        ("conv", 14, 256, 256, 3, 1),
        ("conv", 14, 1024, 256, 1, 1),
        ("conv", 7, 512, 512, 3, 1),
        ("conv", 7, 512, 2048, 1, 1),
    ],
    "mobilenet": [("depthwise", size, depth, depth, 3, stride) for size, depth, stride in (
        (112, 32, 1), (112, 96, 2), (56, 144, 1), (28, 192, 1), (14, 576, 1), (7, 960, 1))],
    "small": [("conv", 32, 3, 16, 3, 1), ("conv", 32, 16, 16, 3, 1), ("conv", 8, 64, 64, 3, 1)],
}  # fmt: skip


def layer(shape, signed, rng):
    """The op and its input."""
    word, size, depth, channels, *rest = shape
    format = IntFormat(8, signed)
    if word == "dense":
        op = Dense(weight=rng.integers(-128, 128, (channels, depth)))
        return op, rng.integers(format.min, format.max + 1, (size, depth)).astype(format.storage)
    kernel, stride = rest
    fields = {"stride": (stride, stride), "padding": ((kernel // 2, kernel // 2),) * 2}
    x = rng.integers(format.min, format.max + 1, (1, size, size, depth)).astype(format.storage)
    if word == "depthwise":
        return DepthwiseConv2d(weight=rng.integers(-128, 128, (depth, 1, kernel, kernel)), **fields), x
    return Conv2d(weight=rng.integers(-128, 128, (channels, kernel, kernel, depth)), **fields), x


def prepared(op, x, storage):
    """A call of the kernel, its output, and what it does."""
    spec = TensorSpec(x.shape[1:], IntFormat(8, x.dtype == np.int8))
    (output,) = op.infer(spec)
    products = products_of(op, spec, output)
    vectors = vectors_of(products)
    images = products.images(x)
    images, out = (
        aligned(images.shape, images.dtype),
        np.empty((x.shape[0] * int(np.prod(output.shape[:-1])), products.channels), storage),
    )
    images[:] = products.images(x)
    epilogue = started(plain(products.channels), vectors.start)
    return lambda: vectors.launch(images, epilogue, out).run(1), out, 2 * out.size * products.taps


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


def row(shape, signed, repeat, peak, rng, floats, storage):
    """One line of the table."""
    op, x = layer(shape, signed, rng)
    call, out, work = prepared(op, x, storage)
    calls, names = [call], ["intsim"]
    if shape[0] != "depthwise":
        depth = work // (2 * out.size)
        a = rng.integers(0, 256, (out.shape[0], depth)).astype(np.uint8)
        w = op.weight.reshape(out.shape[1], -1).T
        peer = session(out.shape[0], w)
        if peer is not None:
            calls.append(lambda: peer.run(None, {"x": a}))
            names.append("ort u8s8")
    found = seconds(calls, repeat)
    if floats and shape[0] != "depthwise":  # apart: its threads go on turning for a while
        left, right = a.astype(np.float32), w.astype(np.float32)
        names.append("float32")
        found += seconds([lambda: left @ right], max(3, repeat // 4))
    shown = [f"{work / least / 1e9:6.0f} /{work / middle / 1e9:6.0f}" for least, middle in found]
    ratio = f"{found[1][0] / found[0][0]:5.2f}x" if len(found) > 1 else ""
    code = "int8" if signed else "uint8"
    print(
        f"{' '.join(map(str, shape)):26} {code:5} {100 * work / found[0][0] / peak:4.0f}%  {ratio:7}", end=" "
    )
    print("  ".join(f"{name} {text}" for name, text in zip(names, shown, strict=True)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [isa.name for isa in ISAS if runs(isa)]
    parser.add_argument("--isa", nargs="*", default=[chosen().name], choices=names)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--shapes", nargs="*", default=["square", "resnet50"], choices=list(SHAPES))
    parser.add_argument("--floats", action="store_true", help="numpy's float32 product too")
    parser.add_argument("--store", default="int32", choices=["int8", "int32"], help="dtype of the output")
    options = parser.parse_args()
    print("Gop/s, least time / median time; % of what registers alone do; ratio to the first peer")
    for name in options.isa:
        os.environ[VARIABLE] = name
        isa = chosen()
        kernel = isa.bytes or isa.words
        peak = 1e9 * measured_peak(1, kernel=kernel)
        print(f"{name}: {peak / 1e9:.0f} Gop/s on registers")
        for shape in (entry for key in options.shapes for entry in SHAPES[key]):
            for signed in (False, True):
                row(
                    shape,
                    signed,
                    options.repeat,
                    peak,
                    np.random.default_rng(0),
                    options.floats,
                    options.store,
                )


if __name__ == "__main__":
    main()
