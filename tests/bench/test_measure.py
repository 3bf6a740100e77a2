"""Taking turns, with a clock of the test's own."""

import pytest

from intsim.bench import measure


class Clock:
    """Time passes when a contender works."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.log = []
        for name in ("process_time", "perf_counter"):
            monkeypatch.setattr(measure.time, name, lambda name=name: self.read(name))
        self.read_by = set()
        self.rests = []
        monkeypatch.setattr(measure.time, "sleep", self.rests.append)

    def read(self, name):
        self.read_by.add(name)
        return self.now

    def worker(self, name, *costs):
        """A call that takes each of the costs in turn, the last one for ever."""
        left = list(costs)

        def call():
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_the_first_call_is_not_counted(clock):
    times = measure.take_turns({"a": clock.worker("a", 100.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0)}, 0.5, 1)["a"]
    assert times.seconds == [1.0]  # one measurement: a call is longer than the time to measure
    assert clock.log == ["a"] * 3


def test_medians_and_least(clock):
    times = measure.take_turns({"a": clock.worker("a", 1, 1, 4.0, 2.0, 9.0, 3.0, 2.0)}, 15.0, 1)["a"]
    assert (times.seconds, times.median, times.least) == ([4.0, 2.0, 9.0, 3.0, 2.0], 3.0, 2.0)


def test_they_take_turns_and_begin_in_turn(clock):
    contenders = {name: clock.worker(name, 0.1) for name in "abc"}
    times = measure.take_turns(contenders, 0.3, 1)
    rounds = ["".join(clock.log[i : i + 3]) for i in range(6, len(clock.log), 3)]
    assert rounds == ["abc", "bca", "cab", "abc", "bca"]
    assert {len(found.seconds) for found in times.values()} == {measure.ROUNDS}


def test_short_calls_are_repeated(clock):
    times = measure.take_turns({"a": clock.worker("a", 0.001)}, 0.02, 1)["a"]
    assert len(times.seconds) == measure.ROUNDS
    assert times.median == pytest.approx(0.001)
    assert len(clock.log) == 2 + 5 * measure.ROUNDS


def test_who_is_slow_does_not_hold_up_the_others(clock):
    times = measure.take_turns(
        {"slow": clock.worker("slow", 10.0), "fast": clock.worker("fast", 0.1)}, 1.0, 1
    )
    assert (len(times["slow"].seconds), len(times["fast"].seconds)) == (1, 10)


def test_threads_rest_before_they_are_measured(clock):
    measure.take_turns({"a": clock.worker("a", 1.0)}, 0.1, 1)
    assert clock.rests == [measure.REST]
    clock.rests.clear()
    times = measure.take_turns({"a": clock.worker("a", 0.01), "b": clock.worker("b", 0.01)}, 0.1, 2)
    assert len(clock.rests) == 1 + sum(len(found.seconds) for found in times.values())
    assert len(clock.log) == 3 + 2 * (2 + 5 * measure.ROUNDS)  # measurements of five calls: 0.05 s


@pytest.mark.parametrize(("threads", "name"), [(1, "process_time"), (2, "perf_counter")])
def test_which_clock(threads, name, clock):
    measure.take_turns({"a": clock.worker("a", 1.0)}, 0.1, threads)
    assert clock.read_by == {name}
