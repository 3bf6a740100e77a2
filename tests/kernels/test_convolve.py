"""Matrices are read where they lie, and no byte beyond them (rule B7)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from intsim.kernels.isa.table import ISAS, VARIABLE, runs

PROGRAM = """
import ctypes, itertools, mmap
import numpy as np
from intsim.engine.products import products_of
from intsim.engine.sums import vectors_of
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels.epilogue import plain, started
from intsim.ops import Dense

page, rng = mmap.PAGESIZE, np.random.default_rng(0)
memory = mmap.mmap(-1, 9 * page)
whole = np.frombuffer(memory, np.uint8)
protect = ctypes.CDLL(None).mprotect
protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
assert protect(whole.ctypes.data + 8 * page, page, 0) == 0  # whoever touches it ends here

here = 0
for depth, word in itertools.product((1, 3, 8, 24, 63, 64, 65, 96, 200), (np.int8, np.int16)):
    format = IntFormat(8 * np.dtype(word).itemsize)
    op = Dense(weight=rng.integers(-128, 128, (20, depth)))
    spec = TensorSpec((depth,), format)
    products = products_of(op, spec, *op.infer(spec))
    vectors = vectors_of(products)
    for rows in (1, 2, 5, 6, 7, 15, 16, 17, 31, 32, 33, 48, 50, 80):
        size = rows * depth * np.dtype(word).itemsize
        x = whole[8 * page - size : 8 * page].view(word).reshape(rows, depth)
        x[:] = rng.integers(format.min, format.max + 1, x.shape)
        out = np.zeros((rows, 20), np.int32)
        launch = vectors.launch(products.images(x), started(plain(20), vectors.start), out)
        launch.run(1)
        wanted = x.astype(np.int64) @ op.weight.T.astype(np.int64)
        assert np.array_equal(out, wanted.astype(np.int32)), (depth, word, rows)
        here += int(vectors._as_it_lies(products.images(x)))
print(here > 100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to guard a page")
@pytest.mark.parametrize("isa", [isa.name for isa in ISAS if runs(isa)])
def test_nothing_is_read_beyond_the_input(isa):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, VARIABLE: isa},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
