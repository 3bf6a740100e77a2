"""Packed words against bits taken one by one."""

import numpy as np
import pytest

from intsim.kernels.bits import pack_pixels
from intsim.kernels.bits_packing import pack_weights, planes_of, words_of
from tests.oracles import bits as oracle


def signed(word):
    return word - 2**64 if word >= 2**63 else word


def expected(rows, planes):
    """Rows of words, word by word of every plane (rule W3)."""
    made = []
    for row in rows:
        words = [oracle.plane(row, plane) for plane in planes]
        made.append([signed(word) for group in zip(*words, strict=True) for word in group])
    return made


def packed(x, planes, at=0, rows=None):
    rows = x.shape[0] if rows is None else rows
    each = words_of(x.shape[1]) * len(planes)
    into = np.full(rows * each + 2, 77)
    tail = np.full(64, 255, np.uint8)
    pack_pixels(x.view(np.uint8).ravel(), at, rows, x.shape[1], np.array(planes), tail, into, 1)
    assert into[0] == into[-1] == 77
    return into[1:-1].reshape(rows, each).tolist()


@pytest.mark.parametrize("storage", [np.int8, np.uint8])
def test_every_length(storage):
    """The last row ends where the memory ends; every other is followed by the next."""
    rng = np.random.default_rng(0)
    ends = np.iinfo(storage)
    for length in range(1, 201):
        x = rng.integers(ends.min, ends.max + 1, (3, length)).astype(storage)
        planes = [(1,), (0, 1), tuple(range(8)), (7, 3)][length % 4]
        assert packed(x, planes) == expected(x.tolist(), planes), length
        assert planes_of(x, planes).reshape(3, -1).view(np.int64).tolist() == expected(x.tolist(), planes)
    assert packed(np.full((2, 70), -1, np.int8), (0, 7)) == [[-1, -1, 63, 63]] * 2


def test_rows_from_the_middle():
    x = np.arange(5 * 70, dtype=np.uint8).reshape(5, 70)
    assert packed(x, (0, 6), at=140, rows=2) == expected(x[2:4].tolist(), (0, 6))


def test_weights_lie_as_panels():
    """Rule W4, word by word; channels beyond the last are 0."""
    rng = np.random.default_rng(1)
    w = rng.integers(-2, 2, (11, 3, 2, 70))
    found = pack_weights(w, [(0, 1), (1, 0)]).reshape(2, 2, 3, 4, 2, 8)
    for s, planes in enumerate([(0, 1), (1, 0)]):
        for channel in range(16):
            for segment in range(3):
                for word in range(4):
                    for q, plane in enumerate(planes):
                        stretch, place = divmod(word, 2)
                        bits = (
                            oracle.plane(w[channel, segment, stretch].tolist(), plane)
                            if channel < 11
                            else [0, 0]
                        )
                        here = found[s, channel // 8, segment, word, q, channel % 8]
                        assert here == signed(bits[place])
