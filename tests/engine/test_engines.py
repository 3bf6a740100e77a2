"""All engines give the same integers, events and traps, whatever the chunk and the threads."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim import NetworkBuilder, plan, run, stream
from intsim.arithmetic import Accumulator
from intsim.engine import crosscheck
from intsim.errors import InputError, OverflowTrap
from intsim.formats import IntFormat, RealFormat, TensorSpec
from intsim.ops import Add, Concat, Constant, Conv2d, Dequantize, Quantize, Reshape, Split, Transpose
from intsim.testing.networks import networks
from intsim.testing.strategies import tensors


def outcome(network, x, **options):
    try:
        result = run(network, x, trace=["*"], events=True, **options)
    except OverflowTrap as trap:
        return str(trap)
    return {name: (v.dtype, v.tolist()) for name, v in result.trace.items()}, dict(result.events)


@given(st.data())
def test_drawn_networks(data):
    network = data.draw(networks(trap=True))
    x = data.draw(tensors(TensorSpec(network.inputs[0].spec.shape, network.inputs[0].spec.format)))
    expected = outcome(network, x, engine="exact")
    for engine in ("reference", "fast", "crosscheck"):
        assert outcome(network, x, engine=engine) == expected
    assert outcome(network, x, chunk=1, threads=data.draw(st.integers(1, 3))) == expected


def test_constants_meet_every_sample():
    b = NetworkBuilder()
    x = b.input("x", (2,), IntFormat(8))
    one = b.add(Constant(values=[10, -20], format=IntFormat(8)), name="one")
    b.output(b.add(Add(), x, one, name="y"), one)
    for engine in ("fast", "reference", "exact"):
        result = run(b.build(), [[1, 2], [3, 4], [5, 6]], engine=engine, chunk=2)
        assert result.outputs["y"].tolist() == [[11, -18], [13, -16], [15, -14]]
        assert result.outputs["one"].tolist() == [[10, -20]] * 3


def test_real_tensors_at_the_doors():
    b = NetworkBuilder()
    x = b.input("x", (2,), RealFormat(32))
    codes = b.add(Quantize(scale=np.float32([0.5]), zero_point=1, format=IntFormat(8)), x, name="codes")
    b.output(b.add(Dequantize(scale=np.float32([0.5]), zero_point=1), codes, name="y"))
    network = b.build()
    for engine in ("fast", "reference", "exact", "crosscheck:exact,reference"):
        result = run(network, np.float32([[0.25, -3], [1e9, 0.7]]), engine=engine, trace=["codes"])
        assert result.trace["codes"].tolist() == [[2, -5], [127, 2]]
        assert result.output.dtype == np.float32
    with pytest.raises(InputError, match=r"^x: values must be float32, not float64\. \[I2\]$"):
        run(network, np.zeros((1, 2)))
    wrong = np.zeros((5, 2), np.float32)
    wrong[3, 1] = np.nan
    for chunk, engine in itertools.product((1, 2, 5), ("fast", "exact")):
        with pytest.raises(InputError, match=r"^codes: sample 3: quantize: values must be numbers"):
            run(network, wrong, chunk=chunk, engine=engine)


def test_a_result_outside_its_format_is_never_narrowed(monkeypatch):
    b = NetworkBuilder()
    b.output(b.add(Add(), b.input("x", (1,), IntFormat(8)), "x", name="y"))
    network = b.build()
    monkeypatch.setattr(Add, "reference", lambda self, *x, events=None: (x[0] + 2**40,))
    fault = r"^y: result must fit int32, not 1099511627777 at \(0, 0\)\. This is a fault of the op"
    for engine in ("fast", "reference", "exact"):
        with pytest.raises(RuntimeError, match=fault):
            run(network, [[1]], engine=engine)
    monkeypatch.setattr(Add, "reference", lambda self, *x, events=None: (x[0][:, :0],))
    with pytest.raises(RuntimeError, match=r"^y: result must have shape \(1,\) after the batch"):
        run(network, [[1]], engine="reference")
    monkeypatch.setattr(Add, "reference", lambda self, *x, events=None: (x[0] * 0.5,))
    with pytest.raises(RuntimeError, match=r"^y: result must be integers, not float64"):
        run(network, [[1]], engine="reference")


def test_data_is_moved_as_it_is_held():
    b = NetworkBuilder()
    x = b.input("x", (2, 4, 6), IntFormat(5))
    turned = b.add(Transpose(permutation=(2, 0, 1)), x, name="turned")
    flat = b.add(Reshape(shape=(6, 8)), turned, name="flat")
    halves = b.add_many(Split(axis=1, sizes=(3, 5)), flat, name="halves", outputs=("left", "right"))
    b.output(b.add(Concat(axis=1), halves[1], halves[0], name="joined"), "turned")
    network = b.build()
    x = np.random.default_rng(0).integers(-16, 16, (3, 2, 4, 6)).astype(np.int8)
    expected = np.roll(x.transpose(0, 3, 1, 2).reshape(3, 6, 8), -3, axis=2)
    for engine in ("fast", "exact", "crosscheck"):
        assert run(network, x, engine=engine).outputs["joined"].tolist() == expected.tolist()
    kernels = [node.kernel for node in plan(network).nodes]
    assert kernels == [f"{name} as held" for name in ("transpose", "reshape", "split", "concat")]


def test_a_streams_arrays_are_its_own():
    b = NetworkBuilder()
    x = b.input("x", (4,), IntFormat(8))
    b.output(b.add(Reshape(shape=(2, 2)), x, name="y"), x)
    given_ = np.arange(8, dtype=np.int8).reshape(2, 4)
    for part in stream(b.build(), given_, trace=["x"]):
        for values in (part.outputs["y"], part.outputs["x"], part.trace["x"]):
            assert not np.shares_memory(values, given_)
            values[:] = 0
    assert given_.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_values_beyond_int64_run_on_python_ints():
    b = NetworkBuilder()
    x = b.input("x", (1,), IntFormat(64, signed=False))
    b.output(b.add(Add(), x, x, name="y"))
    planned = plan(b.build(), engine="reference").nodes[0]
    assert planned.kernel == "reference exact"
    assert planned.reason.endswith("beyond int64")
    assert run(b.build(), np.array([[2**64 - 1]], dtype=np.uint64)).output.tolist() == [[-2]]


def test_one_thread_and_many_give_the_same_bytes():
    rng = np.random.default_rng(0)
    weight = rng.integers(-128, 128, (16, 3, 3, 8))
    b = NetworkBuilder()
    x = b.input("x", (20, 20, 8), IntFormat(8))
    b.output(b.add(Conv2d(weight=weight, accumulator=Accumulator(IntFormat(14))), x, name="y"))
    network, given_ = b.build(), rng.integers(-128, 128, (3, 20, 20, 8)).astype(np.int8)
    for events in (False, True):
        one = run(network, given_, threads=1, events=events)
        for threads in (2, 3, 7):
            many = run(network, given_, threads=threads, events=events)
            assert many.output.tobytes() == one.output.tobytes()
            assert many.events == one.events
    assert one.events["y"].total > 0
    assert one.output.tolist() == run(network, given_, engine="reference").output.tolist()


def test_a_crosscheck_sees_events_and_traps_too():
    arrays = (np.array([[1]]),)
    b = NetworkBuilder()
    b.output(b.add(Add(), b.input("x", (1,), IntFormat(8)), "x", name="y"))
    node = plan(b.build()).nodes[0].node
    site = type("Site", (), {"node": node, "outputs": (TensorSpec((1,), IntFormat(32)),)})()
    trap = OverflowTrap("y: full")
    cases = [
        ((arrays, None, None), ((), None, trap), "y: fast: no trap; exact: y: full"),
        (((arrays), 1, None), ((arrays), 2, None), "y: events: fast 1, exact 2"),
    ]
    for first, second, message in cases:
        with pytest.raises(crosscheck.MismatchError) as caught:
            crosscheck._compare(site, ("fast", first), ("exact", second))
        assert str(caught.value) == message
