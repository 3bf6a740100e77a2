"""Steps on a tape give what they give one by one: rules Q7 to Q11."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim import NetworkBuilder, plan, run
from intsim.arithmetic import FixedPointSoftmax, Requantization, ShiftLeft
from intsim.arithmetic.dialects import DIALECTS
from intsim.engine import taped
from intsim.engine.taped import placed
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.ops import Concat, Dense, Requantize, Reshape, Softmax, Sub
from intsim.testing.networks import inputs, networks
from tests.engine.test_fusion import INT8, operand, requantize, residual

IMAGES = np.random.default_rng(5).integers(-128, 128, (6, 5, 6, 3)).astype(np.int8)


@pytest.fixture(autouse=True)
def little_is_worth_a_thread(monkeypatch):
    monkeypatch.setattr(taped, "_WORTH", 1e-9)


def kernels(made, traced=()):
    return [step.kernel.split(" ")[0] for step in made.calls_for(traced)]


def test_one_tape_for_all_launches():
    made = plan(residual(np.random.default_rng(0)))
    (whole,) = made.calls_for(())
    assert (whole.kernel, whole.inputs, whole.outputs, whole.freed) == ("tape", ("x",), ("last",), ("x",))
    assert len(whole.nodes) == 15
    assert whole.name == "last"
    (traced,) = made.calls_for(("depthwise", "table"))
    assert traced.outputs == ("depthwise", "table", "last")
    assert made.calls_for(()) is made.calls_for(())


def branching(rng):
    """Launches, then a concat that is none, then launches; a tensor of the first is read behind the last."""
    b = NetworkBuilder()
    x = b.input("x", (4,), INT8)
    first = b.add(Dense(weight=rng.integers(-9, 9, (4, 4))), x, name="first/sums")
    first = b.add(requantize(rng, "tflite-double", 4), first, name="first")
    both = b.add(Concat(axis=0), first, x, name="both")
    second = b.add(Dense(weight=rng.integers(-9, 9, (4, 8))), both, name="second/sums")
    second = b.add(requantize(rng, "tflite-double", 4), second, name="second")
    grid = b.add(Reshape(shape=(2, 2)), second, name="grid")
    flat = b.add(Reshape(shape=(4,)), grid, name="flat")
    b.output(b.add(Concat(axis=0), flat, first, name="last"), flat)
    return b.build()


def test_what_is_no_launch_stays_between_tapes():
    network = branching(np.random.default_rng(1))
    made = plan(network)
    assert kernels(made) == ["tape", "concat", "tape", "concat"]
    first, both, second, _ = made.calls_for(())
    assert (first.outputs, both.freed, second.inputs, second.outputs) == (
        ("first",),
        ("both", "x") if "both" in both.freed else ("x",),
        ("both",),
        ("flat",),
    )
    x = np.arange(-12, 12, dtype=np.int8).reshape(6, 4)
    for traced in ((), ("grid",), ("second", "first")):
        expected = run(network, x, engine="reference", trace=traced)
        for threads, chunk in ((1, None), (2, 4), (3, 1)):
            found = made.run(x, trace=traced, threads=threads, chunk=chunk)
            for name in (*network.outputs, *traced):
                left, right = {**found.outputs, **found.trace}, {**expected.outputs, **expected.trace}
                assert left[name].tobytes() == right[name].tobytes()


def test_what_came_out_stays_when_it_runs_again():
    network = residual(np.random.default_rng(2))
    made, expected = plan(network), run(network, IMAGES, engine="reference", trace=["add"])
    found = [made.run(IMAGES[i : i + 1], trace=["add"]) for i in range(6)]
    for i, one in enumerate(found):
        assert np.array_equal(one.output[0], expected.output[i])
        assert np.array_equal(one.trace["add"][0], expected.trace["add"][i])


@pytest.mark.parametrize(
    "lying",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.frombuffer(b"abc" + x.tobytes(), np.int8, offset=3).reshape(x.shape),
        lambda x: x.astype(">i8"),
    ],
)
def test_an_input_may_lie_as_it_likes(lying):
    network = residual(np.random.default_rng(3))
    made, expected = plan(network), run(network, IMAGES, engine="reference")
    for given_input in (IMAGES, lying(IMAGES), IMAGES):
        assert np.array_equal(made.run(given_input).output, expected.output)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_lanes_and_rows_change_nothing(batch, threads):
    network = residual(np.random.default_rng(9))
    made = plan(network)
    for step in made.steps:  # every row is worth a thread
        begin = step.lowered.begin
        object.__setattr__(
            step.lowered, "begin", lambda x, out, begin=begin: dataclasses.replace(begin(x, out), least=1)
        )
    expected = run(network, IMAGES[:batch], engine="reference", trace=["conv"])
    for _ in range(20):
        found = made.run(IMAGES[:batch], threads=threads, trace=["conv"])
        assert found.output.tobytes() == expected.output.tobytes()
        assert found.trace["conv"].tobytes() == expected.trace["conv"].tobytes()


def test_a_launch_on_a_copy_is_refused():
    made = plan(residual(np.random.default_rng(4)))
    lowered = made.steps[1].lowered
    begin = lowered.begin
    object.__setattr__(lowered, "begin", lambda x, out: begin((x[0].copy(),), out))
    with pytest.raises(
        RuntimeError, match=r"^depthwise: its launch must work on conv itself, not on a copy\."
    ):
        made.run(IMAGES)


def test_few_samples_of_little_work_take_one_thread(monkeypatch):
    monkeypatch.undo()
    made = plan(residual(np.random.default_rng(4)))
    made.run(IMAGES, threads=2)
    (whole,) = made.calls_for(())
    ((bound,),) = whole.lowered.call.__self__._bound.values()
    assert bound.blocks.shape[1] == 1


def test_two_inputs_may_be_one_array():
    b = NetworkBuilder()
    x, y = (b.input(name, (20,), INT8) for name in "xy")
    left, right = (b.add(operand(np.random.default_rng(8), 0), t, name=t + "/32") for t in (x, y))
    rule = DIALECTS["tflite-double"].requantization(2.0**-21)
    b.output(b.add(Requantize(requantization=rule), b.add(Sub(), left, right, name="sub"), name="z"))
    made, values = plan(b.build()), IMAGES.reshape(-1)[:120].reshape(6, 20)
    assert kernels(made) == ["tape"]
    for x, y in ((values, values), (values, values[::-1].copy()), (values[:3], values[1:4])):
        expected = run(made.network, {"x": x, "y": y}, engine="reference").output
        assert np.array_equal(made.run({"x": x, "y": y}, chunk=3).output, expected)


def test_runs_at_the_same_time():
    network = residual(np.random.default_rng(4))
    made, expected = plan(network), run(network, IMAGES, engine="reference").output

    def one(i):
        size = 1 + i % 3
        first = i % (7 - size)
        found = made.run(IMAGES[first : first + size], threads=1 + i % 2).output
        return np.array_equal(found, expected[first : first + size])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(60)))


def test_few_batch_sizes_stay_bound():
    made = plan(residual(np.random.default_rng(4)))
    (whole,) = made.calls_for(())
    for size in (1, 2, 3, 4, 2):
        made.run(IMAGES[:size], threads=1)
    held = whole.lowered.call.__self__._bound
    assert [key[0] for key in held] == [4, 2]
    assert [len(idle) for idle in held.values()] == [1, 1]


def equal_codes():
    """A softmax of 600 codes, half of them x and half of them -x: where all are equal, their sum traps."""
    b = NetworkBuilder()
    x = b.input("x", (1,), IntFormat(5))
    sums = b.add(Dense(weight=[[1]] * 300 + [[-1]] * 300), x, name="sums")
    codes = b.add(Requantize(requantization=Requantization((), INT8)), sums, name="codes")
    recipe = FixedPointSoftmax(Requantization((ShiftLeft(bits=22),), IntFormat(32)), -512)
    b.output(b.add(Softmax(recipe, INT8), codes, name="shares"))
    return b.build()


@pytest.mark.parametrize(("threads", "chunk"), [(1, None), (2, None), (2, 2), (1, 1)])
def test_the_first_sample_that_traps_is_named(threads, chunk):
    made = plan(equal_codes())
    assert kernels(made) == ["tape"]
    x = np.array([[9], [8], [-9], [3], [0], [1], [0]])
    with pytest.raises(OverflowTrap, match=r"^shares: sample 4: "):
        made.run(x, threads=threads, chunk=chunk)
    expected = run(made.network, x[:4], engine="reference").output
    assert np.array_equal(made.run(x[:4], threads=threads, chunk=chunk).output, expected)


@settings(deadline=None, max_examples=12)
@given(data=st.data(), threads=st.integers(1, 3))
def test_random_networks(data, threads):
    network = data.draw(networks(max_layers=2))
    x = data.draw(inputs(network))
    made, names = plan(network), sorted(network.specs)
    traced = data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    expected = run(network, x, engine="reference", trace=traced)
    for _ in range(2):
        found = made.run(x, trace=traced, threads=threads)
        for name in network.outputs:
            assert found.outputs[name].tobytes() == expected.outputs[name].tobytes()
        for name in traced:
            assert found.trace[name].tobytes() == expected.trace[name].tobytes()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 500)), max_size=12))
def test_tensors_that_live_together_lie_apart(drawn):
    drawn.sort()
    lives = {str(i): (first, first + more, size) for i, (first, more, size) in enumerate(drawn)}
    offsets, most = placed(lives)
    assert all(offset % 64 == 0 for offset in offsets.values())
    assert all(offsets[name] + lives[name][2] <= most for name in lives)
    for a in lives:
        for b in lives:
            together = lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]
            apart = offsets[a] + lives[a][2] <= offsets[b] or offsets[b] + lives[b][2] <= offsets[a]
            assert a == b or not together or apart
