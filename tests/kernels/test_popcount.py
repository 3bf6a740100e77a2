"""Counts of bits: every kernel, every count, every length, against bits counted one by one."""

import re

import numpy as np
import pytest

from intsim.kernels.bits import count_rows
from intsim.kernels.bits_packing import pack_weights, planes_of, words_of
from intsim.kernels.isa import table
from intsim.kernels.isa.counters import COUNTERS, Count, counter_of, most, shapes
from intsim.kernels.isa.popcount import count_block
from intsim.kernels.isa.table import ISAS
from tests.kernels.assembled import assembly
from tests.oracles import bits as oracle

HERE = list({counter_of(isa): None for isa in ISAS if table.runs(isa)})


def name_of(value):
    return type(value).__name__


def drawn(count, planes, rows, length, rng):
    """Codes of so many planes: a sign is set only where there is something."""
    codes = rng.integers(0, 1 << planes, (rows, length))
    return np.where(codes == 2, 0, codes) if planes == 2 else codes


def kernels(counter, count, x, w, segments=1, factor=1, before=None):
    """factor * counts, of codes (rows, terms) with (channels, terms), by the kernel."""
    rows, (channels, terms) = x.shape[0], w.shape
    stretches = (segments, -1) if segments > 1 else (1, terms)
    codes = x.reshape(rows, *stretches)
    words = planes_of(codes, range(count.x)).reshape(rows, -1).view(np.int64)
    packed = pack_weights(w.reshape(channels, segments, 1, -1), [range(count.w)])
    steps = words_of(codes.shape[-1])
    panels = -(-channels // 8)
    offsets = np.arange(segments) * steps * count.x * 8
    high, wide = most(counter, count)
    layout = [steps, segments, panels, 0, 0, 0, 0, 0, high, wide, count.w]
    sums = np.full((rows + 1, 8 * panels + 3), 77, np.int32)
    ends = np.zeros(count.x, np.int64) if before is None else np.array(before)
    passes = np.array([[0, 0, factor]])
    stride = words.shape[1] * 8
    count_rows(
        counter, count.place, words.ctypes.data, stride, rows, count.x, packed, offsets, np.array(layout),
        passes, ends, sums,
    )  # fmt: skip
    assert (sums[rows] == 77).all(), "no row beyond"
    return sums[:rows, :channels]


def planes(codes, count):
    return [[code >> plane & 1 for code in codes] for plane in range(count)]


def expected(count, x, w):
    name = count.name
    return [[oracle.counted(name, planes(a, count.x), planes(b, count.w)) for b in w] for a in x]


@pytest.mark.parametrize("count", Count, ids=lambda count: count.name)
@pytest.mark.parametrize("counter", HERE, ids=name_of)
def test_every_length(counter, count):
    """What pads a row to whole words is in no count, whatever the row holds."""
    rng = np.random.default_rng(0)
    for length in range(1, 201):
        x, w = drawn(count, count.x, 2, length, rng), drawn(count, count.w, 3, length, rng)
        assert kernels(counter, count, x, w).tolist() == expected(count, x.tolist(), w.tolist()), length
    for x_code, w_code in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        for length in (1, 63, 64, 65, 200):
            x = np.full((1, length), x_code % (1 << count.x))
            w = np.full((1, length), w_code % (1 << count.w))
            assert kernels(counter, count, x, w).tolist() == expected(count, x.tolist(), w.tolist())


@pytest.mark.parametrize("count", Count, ids=lambda count: count.name)
@pytest.mark.parametrize("counter", HERE, ids=name_of)
def test_every_block_of_registers(counter, count):
    rng = np.random.default_rng(1)
    x, w = drawn(count, count.x, 13, 70, rng), drawn(count, count.w, 60, 70, rng)
    counts = np.array(expected(count, x.tolist(), w.tolist()))
    for rows in range(1, 14):
        assert np.array_equal(kernels(counter, count, x[:rows], w[:20]), counts[:rows, :20])
    for channels in range(1, 61):
        assert np.array_equal(kernels(counter, count, x[:5], w[:channels]), counts[:5, :channels])


@pytest.mark.parametrize("counter", HERE, ids=name_of)
def test_segments_and_factors(counter):
    rng = np.random.default_rng(2)
    for count in Count:
        x, w = drawn(count, count.x, 6, 3 * 66, rng), drawn(count, count.w, 9, 3 * 66, rng)
        counts = np.array(expected(count, x.tolist(), w.tolist()))
        for factor in (1, -2, 128, -(2**31)):
            wrapped = (counts * factor + 2**31) % 2**32 - 2**31
            assert np.array_equal(kernels(counter, count, x, w, segments=3, factor=factor), wrapped)


@pytest.mark.parametrize("counter", HERE, ids=name_of)
def test_bits_that_are_set_in_a_row(counter):
    rng = np.random.default_rng(3)
    x, w = rng.integers(0, 4, (5, 130)), np.zeros((11, 130), int)
    ends = (x & 1).sum(axis=1) * 3 - (x >> 1).sum(axis=1) * 70
    found = kernels(counter, Count.SIGNS, x, w, before=[3, -70])
    assert np.array_equal(found, np.broadcast_to(ends[:, None], (5, 11)))


@pytest.mark.parametrize("counter", HERE, ids=name_of)
def test_long_rows(counter):
    """Longer than any count of bytes could hold."""
    x, w = np.ones((5, 100_000), np.int8), np.zeros((9, 100_000), np.int8)
    assert (kernels(counter, Count.DIFFER, x, w) == 100_000).all()
    assert (kernels(counter, Count.BOTH, x, x) == 100_000).all()


TARGETS = {
    "Popcount512": (
        "x86_64-linux-gnu",
        ["avx512f", "avx512bw", "avx512vpopcntdq"],
        [r"vpxorq|vpternlogq|vpandq", r"vpopcntq\s+%zmm"],
    ),
    "Popcount256": ("x86_64-linux-gnu", ["avx2"], [r"vpshufb\s.*%ymm", r"vpsadbw\s.*%ymm"]),
    "PopcountNeon": ("aarch64-linux-gnu", ["dotprod"], [r"cnt\s+v\d+\.16b", r"udot\s+v\d+\.4s"]),
    "PopcountPortable": ("aarch64-linux-gnu", [], [r"cnt\s+v\d+\.16b"]),
}


@pytest.mark.parametrize("count", Count, ids=lambda count: count.name)
@pytest.mark.parametrize("counter", COUNTERS, ids=name_of)
def test_the_instructions_are_the_ones_meant(counter, count):
    """Also where this processor lacks them: compiled for one that has them. Nothing spills in the loop."""
    triple, features, wanted = TARGETS[name_of(counter)]

    def blocks(module):
        return [count_block(module, name_of(counter), count, *s) for s in shapes(counter, count)]

    shown = assembly(blocks, triple, features)
    for instruction in wanted:
        assert re.search(instruction, shown), instruction
    assert not re.search(r"^\s+(call|bl)\s", shown, re.M), "no function of a library is called"
    for body in shown.split(".Lfunc_end")[:-2:2]:
        places = [match.start() for match in re.finditer(wanted[-1], body)]
        loop = body[places[0] : places[-1]]
        assert not re.search(r"rsp\).*%[yz]mm|%[yz]mm\d+, .*rsp\)|\bq\d+, .*\[sp", loop), (
            "sums stay in registers"
        )


def test_the_choice_by_features(monkeypatch):
    found = {isa.name: name_of(counter_of(isa)) for isa in ISAS}
    assert {found["avx2"], found["avx_vnni"]} == {"Popcount256"}
    assert found["neon"] == "PopcountNeon"
    assert found["portable"] == "PopcountPortable"
    from intsim.kernels.isa import counters

    for feature, name in ((True, "Popcount512"), (False, "Popcount256")):
        monkeypatch.setattr(counters, "host_features", lambda held=feature: {"avx512vpopcntdq": held})
        assert name_of(counter_of(ISAS[0])) == name
        assert name_of(counter_of(ISAS[1])) == name
