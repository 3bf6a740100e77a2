"""Strips of sums that are finished while they are near, against the same sums finished afterwards."""

import numpy as np
import pytest

from intsim import run
from intsim.engine.products import products_of
from intsim.engine.sums import vectors_of
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels.epilogue import SINGLE, padded, plain, started
from intsim.kernels.finish import finish
from intsim.kernels.isa.table import ISAS, VARIABLE, runs
from intsim.kernels.scratch import aligned
from intsim.ops import Conv2d, Dense
from intsim.testing import Case, network_of

HERE = [isa for isa in ISAS if runs(isa)]
BYTES = IntFormat(8, False)
MARK = 77


def codes(shape, format, seed):
    drawn = np.random.default_rng(seed).integers(format.min, format.max + 1, shape)
    return drawn.astype(format.storage)


def dense(rows, taps, channels):
    op = Dense(weight=codes((channels, taps), IntFormat(8), 1), bias=12345, input_zero_point=7)
    return op, codes((2, rows, taps), BYTES, rows)


def conv(size, depth, channels, kernel, **fields):
    groups = fields.get("groups", 1)
    weight = codes((channels, *kernel, depth // groups), IntFormat(8), 2)
    return Conv2d(weight=weight, bias=-54321, input_zero_point=3, **fields), codes(
        (2, *size, depth), BYTES, 3
    )


CASES = {
    **{f"dense {n} x {k} x {c}": dense(n, k, c) for n, k, c in (
        (1, 64, 64), (15, 64, 32), (16, 64, 16), (17, 128, 48), (33, 64, 96), (47, 70, 112), (100, 64, 67),
        (300, 192, 64), (40, 3264, 80), (97, 2112, 33))},
    "padded": conv((13, 9), 64, 48, (3, 3), padding=((1, 1), (1, 1))),
    "one window": conv((13, 9), 128, 32, (1, 1)),
    "long": conv((9, 60), 256, 64, (3, 2), stride=(2, 1)),
    "many segments": conv((7, 5), 448, 32, (3, 3), padding=((1, 1), (1, 1))),
    "whole groups": conv((9, 9), 96, 96, (3, 3), groups=3, padding=((1, 1), (1, 1))),
    "whole groups, alone": conv((9, 9), 64, 64, (1, 1), groups=2),
    "parted groups": conv((9, 9), 60, 60, (3, 3), groups=3),
}  # fmt: skip


def through(op, x, epilogue, storage):
    """The rows that the kernel writes, and that it writes no others."""
    spec = TensorSpec(x.shape[1:], BYTES)
    (output,) = op.infer(spec)
    products = products_of(op, spec, output)
    vectors = vectors_of(products)
    images = products.images(x)
    lying = aligned(images.shape, images.dtype)
    lying[:] = images
    rows = x.shape[0] * int(np.prod(output.shape[:-1]))
    memory = np.full((rows + 64, products.channels), MARK, storage)
    vectors.launch(lying, started(epilogue, vectors.start), memory[:rows]).run(2)
    assert (memory[rows:] == MARK).all()
    return memory[:rows]


def single(channels, **fields):
    """Codes of 8 bits, other ones for every channel."""
    epilogue = plain(channels)
    wide = padded(channels)
    factors = np.zeros((3, wide), np.float32)
    factors[0], factors[1] = 1e-4 + 1e-6 * np.arange(wide), np.arange(wide) % 7
    kinds = np.full(wide // 16, SINGLE, np.int64)
    return epilogue._replace(kinds=kinds, singles=factors, low=-100, high=100, **fields)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("isa", HERE, ids=lambda isa: isa.name)
def test_finished_strips_are_finished_sums(isa, name, monkeypatch):
    monkeypatch.setenv(VARIABLE, isa.name)
    op, x = CASES[name]
    case = Case(op, (TensorSpec(x.shape[1:], BYTES),), (x,))
    exact = run(network_of(case), x, engine="reference").output
    channels = exact.shape[-1]
    exact = exact.reshape(-1, channels).astype(np.int32)
    assert np.array_equal(through(op, x, plain(channels), np.int32), exact)
    lanes = np.zeros((exact.shape[0], padded(channels)), np.int32)
    table = np.random.default_rng(4).permutation(256) - 128
    for epilogue, storage in (
        (single(channels), np.int8),
        (single(channels, table=table.astype(np.int64), first=-128), np.int8),
        (plain(channels, IntFormat(13)), np.int32),
        (plain(channels, IntFormat(20)), np.int32),
    ):
        lanes[:, :channels] = exact
        expected = np.empty(exact.shape, storage)
        finish(lanes, exact.shape[0], epilogue, expected, 0, 0)
        assert np.array_equal(through(op, x, epilogue, storage), expected)
