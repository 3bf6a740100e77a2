"""Every instruction set: its blocks of registers against numpy's int64, and its instructions by name."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim import plan, run
from intsim.arithmetic import Accumulator
from intsim.errors import SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels.gemm import multiply
from intsim.kernels.isa import micro, table
from intsim.kernels.isa.table import ISAS, VARIABLE
from intsim.kernels.jit import compiled
from intsim.kernels.packing import chunk, operands, pack, pieces, steps_of
from intsim.ops import Conv2d, Dense, DepthwiseConv2d
from intsim.testing import Case, network_of
from tests.kernels.assembled import assembly

HERE = [isa for isa in ISAS if table.runs(isa)]
BYTES = [isa for isa in HERE if isa.bytes is not None]
WORDS = list({type(isa.words).__name__: isa for isa in HERE}.values())
DTYPES = {np.dtype(np.int8): IntFormat(8), np.dtype(np.uint8): IntFormat(8, False)}
DTYPES[np.dtype(np.int16)] = IntFormat(16)


def name_of(isa):
    return isa.name


@compiled
def products(kernel, x, begin, stride, rows, w, offsets, layout, sums):
    from_here = micro.address(x) + begin
    micro.begin_tiles(kernel)
    multiply(kernel, from_here, stride, rows, w, offsets, layout, sums)
    micro.end_tiles(kernel)


def wrapped(exact):
    return (exact + 2**31) % 2**32 - 2**31


def multiplied(isa, x, w, shift=0):
    """x @ w.T modulo 2**32 by a kernel, its operands beginning `shift` bytes into a line of memory."""
    found = operands(isa, x.dtype, int(w.min()), int(w.max()))
    kernel, item = found.kernel, found.operand.itemsize
    (rows, taps), channels = x.shape, w.shape[0]
    steps = steps_of(taps, kernel, item)
    segments = pieces(steps, kernel)
    stride = steps * kernel.depth
    memory = np.full(shift + (rows + kernel.rows) * stride, 77, np.uint8)
    held = memory[shift : shift + rows * stride].view(found.operand).reshape(rows, -1)
    held[:, :taps] = (x.view(found.code) ^ found.code.type(found.flip)).astype(np.int64) - found.back
    offsets = np.arange(segments) * (steps // segments * kernel.depth)
    panels = -(-channels // 16)
    each = steps // segments
    layout = [each, segments, chunk(each, kernel), panels, channels, 0, found.signed, item]
    sums = np.full((rows + kernel.rows, 16 * panels + 16), 99, np.int32)
    packed = pack(w[None, :, None, :], kernel, item)
    products(kernel, memory, shift, stride, rows, packed, offsets, np.array(layout), sums)
    high = -(-rows // kernel.least) * kernel.least
    if kernel.least == 1:
        assert (sums[high:] == 99).all()
    assert (sums[:, 16 * panels :] == 99).all()
    moved = found.moved * w.astype(np.int64).sum(axis=1)
    return wrapped(sums[:rows, :channels].astype(np.int64) - moved)


def filled(shape, format, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(format.min, format.max + 1, shape).astype(format.storage)
    x.flat[::5] = rng.choice([format.min, format.max], x.flat[::5].size)
    return x


def same(isa, x, w, shift=0):
    exact = x.astype(np.int64) @ w.T.astype(np.int64)
    assert np.array_equal(multiplied(isa, x, w, shift), wrapped(exact))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_every_remainder(isa, dtype):
    format = DTYPES[dtype]
    for rows in (*range(1, 14), 31, 32, 33, 47, 48, 49, 65):
        same(isa, filled((rows, 9), format, 1), filled((19, 9), IntFormat(8), 2))
    for channels in (1, 15, 16, 17, 32, 33, 48, 63, 64, 65, 112):
        same(isa, filled((7, 9), format, 3), filled((channels, 9), IntFormat(8), 4))
    for taps in (*range(1, 10), 63, 64, 65, 127, 128, 129, 1000, 4096):
        same(isa, filled((7, taps), format, 5), filled((3, taps), IntFormat(8), 6), shift=taps % 5 * 2)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("isa", HERE, ids=name_of)
@given(data=st.data())
@settings(max_examples=30)
def test_drawn_products(isa, dtype, data):
    rows, channels, taps = (data.draw(st.integers(1, most)) for most in (70, 70, 300))
    weights = data.draw(st.sampled_from([IntFormat(8), IntFormat(4), IntFormat(16)]))
    seed = data.draw(st.integers(0, 2**20))
    x, w = filled((rows, taps), DTYPES[dtype], seed), filled((channels, taps), weights, seed + 1)
    same(isa, x, w, shift=2 * data.draw(st.integers(0, 40)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_the_ends_of_the_formats(isa, dtype):
    """All at the least, all at the most, so many that int32 wraps."""
    for bits, taps in ((8, 150_000), (16, 33)):
        for x_end in (DTYPES[dtype].min, DTYPES[dtype].max):
            for w_end in (IntFormat(bits).min, IntFormat(bits).max):
                w = np.full((17, taps), w_end, np.int16 if bits == 16 else np.int8)
                same(isa, np.full((2, taps), x_end, dtype), w)


ACCUMULATORS = st.sampled_from([Accumulator(), Accumulator(IntFormat(32, False)), Accumulator(IntFormat(20))])


@st.composite
def windows(draw, channels, item):
    """A convolution, plain, in groups or depthwise, and its input."""
    size, kernel, stride, dilation = (
        (draw(st.integers(1, most)), draw(st.integers(1, most))) for most in (9, 3, 3, 2)
    )
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(
        (max(draw(st.integers(0, 3)), r - s), draw(st.integers(0, 3)))
        for r, s in zip(reach, size, strict=True)
    )
    format = IntFormat(16) if item == 2 else draw(st.sampled_from([IntFormat(8), IntFormat(8, False)]))
    weights = IntFormat(draw(st.sampled_from([3, 8])))
    seed, groups = draw(st.integers(0, 2**20)), draw(st.sampled_from([1, 1, 2, 3]))
    fields = {
        "input_zero_point": draw(st.sampled_from([0, format.min, 5])),
        "bias": draw(st.integers(-(2**31), 2**31)),
        "accumulator": draw(ACCUMULATORS),
        "weight_format": weights,
        "stride": stride,
        "dilation": dilation,
        "padding": padding,
    }
    depth = draw(st.integers(1, channels))
    if draw(st.booleans()):
        w = filled((depth + 1, draw(st.integers(1, 2)), *kernel), weights, seed)
        op, depth = DepthwiseConv2d(weight=w, **fields), depth + 1
    else:
        w = filled((groups * draw(st.integers(1, 20)), *kernel, depth), weights, seed)
        op, depth = Conv2d(weight=w, groups=groups, **fields), depth * groups
    x = filled((draw(st.integers(1, 2)), *size, depth), format, seed + 1)
    return Case(op, (TensorSpec(x.shape[1:], format),), (x,))


def agree(isa, case, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, isa.name)
        planned = plan(network_of(case))
    shown = re.search(r"-bit operands, (\w+)\)", planned.nodes[0].kernel)
    assert shown is not None
    assert shown[1] in (isa.name, isa.lanes.name)
    expected = run(network_of(case), case.inputs[0], engine="reference").output
    assert np.array_equal(planned.run(case.inputs[0], threads=threads).output, expected)


@pytest.mark.parametrize("isa", HERE, ids=name_of)
@given(data=st.data())
@settings(max_examples=60)
def test_drawn_windows(isa, data):
    agree(isa, data.draw(windows(data.draw(st.sampled_from([3, 20, 80])), 1)), data.draw(st.integers(1, 3)))


@given(data=st.data())
@settings(max_examples=40)
def test_drawn_windows_of_words(data):
    agree(WORDS[0], data.draw(windows(20, 2)), data.draw(st.integers(1, 3)))


@pytest.mark.parametrize("isa", HERE, ids=name_of)
@pytest.mark.parametrize("format", [IntFormat(8), IntFormat(8, False)], ids=str)
def test_matrices_that_are_read_where_they_lie(isa, format):
    """Every number of rows of a dense layer whose rows are whole steps, and of one whose are not."""
    for taps in (64, 70):
        op = Dense(weight=filled((20, taps), IntFormat(8), 1), bias=-7, input_zero_point=3)
        for rows in (1, 2, 5, 15, 16, 17, 31, 33, 100, 700):
            x = filled((2, rows, taps), format, rows)
            agree(isa, Case(op, (TensorSpec((rows, taps), format),), (x,)), 2)


@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_wide_and_long_images(isa):
    """Lines longer than a block of sums, bands of one line, windows that leave few columns."""
    for size, kernel, stride in (
        ((3, 1200), (3, 3), (1, 1)),
        ((5, 40), (2, 33), (1, 1)),
        ((40, 3), (9, 2), (3, 2)),
    ):
        op = Conv2d(weight=filled((18, *kernel, 5), IntFormat(8), 1), stride=stride, padding=((1, 1), (1, 1)))
        x = filled((2, *size, 5), IntFormat(8), 2)
        agree(isa, Case(op, (TensorSpec(x.shape[1:], IntFormat(8)),), (x,)), 2)


TARGETS = {
    "amx": ("x86_64-linux-gnu", ["tdpbssd", "tdpbusd", "tileloadd"]),
    "avx512_vnni": ("x86_64-linux-gnu", ["vpdpbusd", "zmm"]),
    "avx_vnni": ("x86_64-linux-gnu", ["vpdpbusd", "ymm"]),
    "avx2": ("x86_64-linux-gnu", ["vpmaddwd", "ymm"]),
    "neon": ("aarch64-linux-gnu", ["sdot"]),
    "portable": ("aarch64-linux-gnu", ["smull"]),
}


def assembled(kernel, triple, features, signs=(True,)):
    def blocks(module):
        return [micro.block(module, kernel, *shape, sign) for sign in signs for shape in SHAPES[kernel]]

    return assembly(blocks, triple, features)


SHAPES = {
    type(kernel).__name__: micro.variants(kernel)
    for isa in ISAS
    for kernel in (isa.bytes, isa.words)
    if kernel is not None
}


@pytest.mark.parametrize("isa", ISAS, ids=name_of)
def test_the_instructions_are_the_ones_meant(isa):
    """Also where this processor lacks them: compiled for one that has them."""
    triple, expected = TARGETS[isa.name]
    name = type(isa.bytes or isa.words).__name__
    shown = assembled(name, triple, isa.features, (True, False) if isa.name == "amx" else (True,))
    for instruction in expected:
        assert re.search(rf"\b{instruction}", shown), instruction
    loops = [line for line in shown.splitlines() if "call" in line.split()[:1]]
    assert not loops, "no function of a library is called"


def test_sums_stay_in_registers():
    """A product each for the vectors of sums of a block, and none of them on the stack."""
    shown = assembled("VnniBytes512", "x86_64-linux-gnu", ISAS[1].features)
    body = shown.split("VnniBytes512.6x4:")[1].split(".Lfunc_end")[0]
    assert len(re.findall(r"vpdpbusd\s", body)) >= 24
    assert not re.findall(r"%rsp.*%zmm|%zmm.*%rsp", body)


def test_the_choice_can_be_forced(monkeypatch):
    for isa in HERE:
        monkeypatch.setenv(VARIABLE, isa.name)
        assert table.chosen() is isa
    monkeypatch.setenv(VARIABLE, "")
    assert table.chosen() is HERE[0]
    monkeypatch.delenv(VARIABLE)
    assert table.chosen() is HERE[0]


def test_a_choice_that_cannot_be_made_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "sse9")
    with pytest.raises(SpecError, match=r"INTSIM_ISA must be one of amx, .*, portable, not 'sse9'"):
        table.chosen()
    strangers = [isa for isa in ISAS if not table.runs(isa)]
    monkeypatch.setenv(VARIABLE, strangers[0].name)
    with pytest.raises(SpecError, match=f"must have .*, to be told {strangers[0].name!r}"):
        table.chosen()


def test_features_that_numba_is_told_not_to_use_are_not_used():
    code = "from intsim.kernels.isa.table import chosen; print(chosen().name)"
    for features, expected in (("+avx2,-avx512f", "avx2"), ("", "portable")):
        if expected in [isa.name for isa in HERE]:
            environment = {**os.environ, "NUMBA_CPU_FEATURES": features, VARIABLE: ""}
            done = subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True
            )
            assert done.stdout.strip() == expected, done.stderr
