"""A network that is run again is not planned again, and is never run by another's plan (Q12, Q13)."""

import gc
import threading

import numpy as np
import pytest

from intsim.engine import plans, run, running, stream
from intsim.formats import IntFormat
from intsim.kernels.isa.table import WEIGHTS_VARIABLE
from intsim.network import NetworkBuilder
from intsim.ops import Dense

X = np.array([[1, 2]])


def scaled(factor):
    b = NetworkBuilder()
    x = b.input("x", (2,), IntFormat(8))
    b.output(b.add(Dense([[factor, 0]]), x, name="y"))
    return b.build()


@pytest.fixture
def made(monkeypatch):
    """Names of the engines that were planned, one for each plan."""
    count = []

    def counting(network, *, engine, events):
        count.append(engine)
        return original(network, engine=engine, events=events)

    original = plans.plan
    monkeypatch.setattr(plans, "plan", counting)
    monkeypatch.setattr(plans, "_plans", {})
    return count


def test_a_network_is_planned_once_for_each_engine(made):
    network = scaled(3)
    for _ in range(3):
        assert run(network, X).output.tolist() == [[3]]
        assert run(network, X, engine="reference").output.tolist() == [[3]]
        assert [part.output.tolist() for part in stream(network, X)] == [[[3]]]
    assert made == ["fast", "reference"]
    run(network, X, events=True)
    assert made == ["fast", "reference", "fast"]


def test_an_equal_network_is_another_one(made):
    for _ in range(2):
        assert run(scaled(3), X).output.tolist() == [[3]]
    assert len(made) == 2


def test_what_the_environment_tells_kernels_makes_another_plan(made, monkeypatch):
    network = scaled(3)
    run(network, X)
    monkeypatch.setenv(WEIGHTS_VARIABLE, "bytes")
    run(network, X)
    run(network, X)
    monkeypatch.delenv(WEIGHTS_VARIABLE)
    run(network, X)
    assert len(made) == 2


def test_networks_that_are_gone_leave_nothing_to_others(made):
    """New networks at the places in memory of old ones."""
    for factor in range(50):
        assert run(scaled(factor), X).output.tolist() == [[factor]]
        gc.collect()
    assert len(made) == 50


def test_those_used_last_are_kept(made):
    first, *others = (scaled(factor) for factor in range(plans._KEPT + 1))
    for network in others:
        run(first, X)
        run(network, X)
    assert len(made) == plans._KEPT + 1
    assert len(plans._plans) == plans._KEPT
    run(first, X)
    assert len(made) == plans._KEPT + 1
    run(others[0], X)
    assert len(made) == plans._KEPT + 2


def test_threads_may_run_networks_at_once(made):
    networks = [scaled(factor) for factor in range(6)]
    wrong = []

    def work():
        for turn in range(30):
            factor = turn % 6
            if running.run(networks[factor], X).output.tolist() != [[factor]]:
                wrong.append(factor)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
