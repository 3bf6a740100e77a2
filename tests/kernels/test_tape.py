"""Launches one after another without Python between them: rules N1 to N5."""

import itertools
import threading
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.errors import IntsimError
from intsim.kernels.bound import bound
from intsim.kernels.jit import compiled
from intsim.kernels.launch import Launch
from intsim.kernels.native import WORDS, block_of, places_of, words_of
from intsim.kernels.tape import play, resting
from intsim.kernels.threads import workers


class Inner(NamedTuple):
    factors: np.ndarray
    more: float


class Numbers(NamedTuple):
    inner: Inner
    half: np.float32
    count: int


@compiled
def mixed(x, numbers, plane, begin, end, work, out):
    """Uses an argument of every kind; says how many elements were negative."""
    work[:] = numbers.count
    negative = 0
    for i in range(begin, end):
        negative += x[i] < 0
        out[i] = (
            x[i] * numbers.inner.factors[i % 3] + numbers.inner.more + numbers.half * work[0] + plane[1, 2]
        )
    return negative


@compiled
def reversed_plus_one(x, begin, end, out):
    """Reads what another part of the step before wrote."""
    for i in range(begin, end):
        out[i] = x[x.size - 1 - i] + 1


@compiled
def greedy(x, begin, end, out):
    """Asks for more memory than there is."""
    out[begin] = np.empty(x[0], np.int64)[0]


NUMBERS = Numbers(Inner(np.array([2.0, 3.0, 5.0]), 0.25), np.float32(0.5), 7)
PLANE = np.arange(20, dtype=np.int16).reshape(4, 5)[:, 1:4]
SCRATCH = (((3,), np.int64),)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_kind_of_argument_arrives(threads):
    x, out = np.arange(-5, 12, dtype=np.int32), np.zeros(17)
    launch = Launch(mixed, (x, NUMBERS, PLANE), (out,), 17, 4, SCRATCH)
    expected = [v * (2, 3, 5)[i % 3] + 0.25 + 3.5 + 8 for i, v in enumerate(range(-5, 12))]
    assert bound([[launch]], {}, threads).play({}) == 5
    assert out.tolist() == expected
    out[:] = 0
    assert launch.run(threads) == 5
    assert out.tolist() == expected


def test_the_words_of_arguments():
    array = np.zeros((2, 3), np.int16)
    address = array.ctypes.data
    assert words_of((array, 5)) == [0, 0, 6, 2, address, 2, 3, 6, 2, 5]
    assert words_of((1.0, np.float32(1.0))) == [0x3FF0000000000000, 0x3F800000]
    assert [(place - WORDS, found is array) for place, found in places_of((3, (4, array)))] == [(6, True)]
    with pytest.raises(IntsimError, match=r"^a kernel's arguments must be words, not i32$"):
        block_of(reversed_plus_one, (np.zeros(3), np.int32(1), 2, np.zeros(3)))


def chain(count, size):
    """Launches that reverse and add one, and the numbers that come out."""
    tensors = [np.zeros(size, np.int64) for _ in range(count + 1)]
    tensors[0][:] = np.arange(size)
    launches = [Launch(reversed_plus_one, (a,), (b,), size) for a, b in itertools.pairwise(tensors)]
    expected = np.arange(size)
    for _ in range(count):
        expected = expected[::-1] + 1
    return launches, tensors, expected


@settings(deadline=None, max_examples=60)
@given(count=st.integers(1, 30), size=st.integers(1, 300), threads=st.integers(1, 4))
def test_no_step_begins_before_the_one_before_it_is_done(count, size, threads):
    launches, tensors, expected = chain(count, size)
    tape = bound([launches], {"first": tensors[0], "last": tensors[-1]}, threads)
    for _ in range(3):
        first, last = tensors[0].copy(), np.zeros_like(tensors[-1])
        assert tape.play({"first": first, "last": last}) == 0
        assert np.array_equal(last, expected)


@pytest.mark.parametrize("present", [[0], [1], [0, 1], [1, 2], [2, 0, 1]])
def test_whoever_comes_does_all(present):
    """Nobody waits for a thread that has not begun."""
    launches, tensors, expected = chain(9, 1000)
    tape = bound([launches], {}, 3)
    marks = np.zeros((10, 4), np.int64)
    started = [
        threading.Thread(target=play, args=(tape.stages, tape.blocks, marks, me, resting())) for me in present
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert np.array_equal(tensors[-1], expected)
    tensors[-1][:] = -1
    play(tape.stages, tape.blocks, marks, 0, resting())  # too late: nothing is left
    assert (tensors[-1] == -1).all()


def test_a_function_that_fails():
    x = np.array([2**45, 1])
    with pytest.raises(MemoryError, match=r"^a kernel found no memory to work in$"):
        bound([[Launch(greedy, (x,), (x.copy(),), 1)]], {}, 1).play({})


def test_without_a_function_that_rests():
    launches, tensors, expected = chain(5, 100)
    tape = bound([launches], {}, 2)
    marks = np.zeros((6, 3), np.int64)
    other = workers(1).submit(play, tape.stages, tape.blocks, marks, 1, 0)
    play(tape.stages, tape.blocks, marks, 0, 0)
    other.result()
    assert np.array_equal(tensors[-1], expected)
