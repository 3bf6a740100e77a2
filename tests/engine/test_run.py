"""The door, the chunks and the trace of a run."""

import re

import numpy as np
import pytest

from intsim import NetworkBuilder, plan, run, stream
from intsim.arithmetic import Accumulator, Events, Overflow, Register, Requantization, ShiftRight
from intsim.errors import InputError, MismatchError, OverflowTrap, SpecError
from intsim.formats import IntFormat
from intsim.ops import Add, Clamp, Dense, Requantize

ENGINES = ["fast", "reference", "exact", "crosscheck", "crosscheck:fast,exact"]


WIDE = Accumulator()


def small(accumulator=WIDE):
    """x (4) -> dense 3 -> requantize -> relu; and y (3) is added to it."""
    b = NetworkBuilder()
    x = b.input("x", (4,), IntFormat(8))
    y = b.input("y", (3,), IntFormat(4))
    weight = np.array([[1, -2, 3, 4], [100, 100, 100, 100], [-7, 0, 7, 1]])
    sums = b.add(Dense(weight=weight, bias=[5, -6, 7], accumulator=accumulator), x, name="fc/accumulator")
    code = b.add(
        Requantize(requantization=Requantization((ShiftRight(bits=4),), IntFormat(8))), sums, name="fc"
    )
    relu = b.add(Clamp(lo=0, hi=100), code, name="relu")
    b.output(b.add(Add(register=Register(IntFormat(9))), relu, y, name="sum"), relu)
    return b.build()


def given(batch, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.integers(-128, 128, (batch, 4)).astype(np.int8),
        "y": rng.integers(-8, 8, (batch, 3)).astype(np.int8),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_the_numbers_of_a_small_network(engine):
    x = np.array([[1, 2, 3, 4], [127, 127, 127, 127]])
    y = np.array([[-8, 7, 0], [1, 1, 1]])
    result = run(small(), {"x": x, "y": y}, engine=engine, trace=["*/accumulator", "x"])
    assert result.trace["fc/accumulator"].tolist() == [
        [1 - 4 + 9 + 16 + 5, 994, -7 + 21 + 4 + 7],
        [767, 50794, 134],
    ]
    assert result.trace["x"].dtype == np.int8
    assert result.outputs["relu"].tolist() == [[1, 62, 1], [47, 100, 8]]
    assert result.outputs["sum"].tolist() == [[-7, 69, 1], [48, 101, 9]]
    assert result.outputs["sum"].dtype == np.int16
    assert list(result.outputs) == ["sum", "relu"]
    assert result.events == {}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "accumulator", [Accumulator(IntFormat(12)), Accumulator(IntFormat(12), Overflow.SATURATE)]
)
def test_chunk_threads_and_company_change_nothing(engine, accumulator):
    network, inputs = small(accumulator), given(7)
    whole = run(network, inputs, engine=engine, trace=["*"], events=True)
    assert whole.events["fc/accumulator"].total > 0
    for chunk, threads in ((1, 1), (2, 3), (3, 1), (100, 2)):
        other = run(network, inputs, engine=engine, trace=["*"], events=True, chunk=chunk, threads=threads)
        assert other.events == whole.events
        for name in whole.trace:
            assert other.trace[name].tobytes() == whole.trace[name].tobytes()
    alone = Events([0], [0])
    for n in range(7):
        one = run(network, {name: v[n : n + 1] for name, v in inputs.items()}, engine=engine, events=True)
        alone.add(one.events["fc/accumulator"])
        assert one.outputs["sum"][0].tolist() == whole.outputs["sum"][n].tolist()
    assert alone == whole.events["fc/accumulator"]


def test_stream_gives_the_chunks_in_order():
    inputs = given(5)
    done = []
    parts = list(stream(small(), inputs, chunk=2, progress=lambda a, b: done.append((a, b))))
    assert [part.batch for part in parts] == [2, 2, 1]
    assert done == [(2, 5), (4, 5), (5, 5)]
    joined = np.concatenate([part.outputs["sum"] for part in parts])
    assert joined.tolist() == run(small(), inputs).outputs["sum"].tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_batch(engine):
    result = run(small(), given(0), engine=engine, trace=["fc*"], events=True)
    assert result.batch == 0
    assert result.outputs["sum"].shape == (0, 3)
    assert result.outputs["sum"].dtype == np.int16
    assert result.trace["fc/accumulator"].shape == (0, 3)
    assert result.events == {"fc/accumulator": Events([0], [0])}


def test_one_array_for_one_input():
    b = NetworkBuilder()
    b.output(b.add(Clamp(lo=0, hi=3), b.input("x", (2,), IntFormat(8)), name="y"))
    network = b.build()
    assert run(network, np.array([[-1, 7]])).output.tolist() == [[0, 3]]
    assert run(network, [[-1, 7]]).output.tolist() == [[0, 3]]
    assert run(network, np.array([[1, 2]], dtype=">i8")).output.tolist() == [[1, 2]]
    with pytest.raises(ValueError, match=r"^outputs must be one, not sum, relu$"):
        _ = run(small(), given(1)).output


def test_every_finding_is_listed():
    x = np.zeros((2, 4), np.int64)
    x[1, 2], x[1, 3] = 128, -129
    with pytest.raises(InputError) as caught:
        run(small(), {"x": x, "y": np.zeros((3,), np.float32)})
    assert str(caught.value).splitlines() == [
        "x: values must fit int8 (-128 to 127), not 128 at (1, 2); 2 values do not fit. [I4]",
        "y: values must be integers (int4), not float32. Quantize them first. [I2]",
        "y: shape must be (batch, 3), not (3,). Put a batch axis in front: x[None]. [I3]",
    ]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((1, 4), np.int8), "inputs must be given by name (x, y), not as one array. [I1]"),
        ({"x": np.zeros((1, 4), np.int8)}, "y: must be given; inputs are x, y. [I1]"),
        ({**given(1), "z": 0}, "z: inputs must be x, y, not 'z'. [I1]"),
        (
            {"x": np.zeros((1, 4), bool), "y": given(1)["y"]},
            "x: values must be integers (int8), not bool. [I2]",
        ),
        (
            {"x": given(2)["x"], "y": given(1)["y"]},
            "inputs: batch sizes must be the same, not x 2, y 1. [I5]",
        ),
        (
            {"x": np.int8(0), "y": given(1)["y"]},
            "x: shape must be (batch, 4), not (). [I3]",
        ),
    ],
)
def test_what_is_refused_at_the_door(inputs, message):
    with pytest.raises(InputError) as caught:
        run(small(), inputs)
    assert str(caught.value) == message


def test_values_are_looked_at_piece_by_piece(monkeypatch):
    from intsim.engine import inputs

    monkeypatch.setattr(inputs, "_SCANNED", 8)  # two samples at a time
    x = np.zeros((7, 4), np.int64)
    x[5, 1], x[6, 0] = 200, 300
    with pytest.raises(
        InputError, match=r"^x: values must fit int8 .*, not 200 at \(5, 1\); 2 values do not fit"
    ):
        run(small(), {"x": x, "y": np.zeros((7, 3), np.int8)})


def test_options_are_checked():
    with pytest.raises(InputError, match=r"^trace: pattern must name a tensor of the network, not 'q\*'$"):
        run(small(), given(1), trace=["q*"])
    known = "fast, reference, exact, crosscheck or crosscheck:fast,exact (any two)"
    for engine in ("quick", "crosscheck:fast", "crosscheck:fast,crosscheck", "exact:fast,exact"):
        with pytest.raises(SpecError, match=re.escape(f"engine must be one of {known}, not {engine!r}")):
            run(small(), given(1), engine=engine)
    with pytest.raises(SpecError, match=r"^chunk must be at least 1, not 0$"):
        run(small(), given(1), chunk=0)
    with pytest.raises(SpecError, match=r"^threads must be at least 1, not 0$"):
        run(small(), given(1), threads=0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_a_trap_names_the_sample_and_the_node(engine, chunk):
    network = small(Accumulator(IntFormat(12), Overflow.TRAP))
    x = np.zeros((5, 4), np.int8)
    x[3], x[4] = 50, 127
    with pytest.raises(OverflowTrap) as caught:
        run(network, {"x": x, "y": np.zeros((5, 3), np.int8)}, engine=engine, chunk=chunk)
    assert str(caught.value) == (
        "fc/accumulator: sample 3: register must hold int12 (-2048 to 2047), not 5000 at (0, 1):"
        " 1 of 3 values do not fit"
    )


def test_a_plan_runs_many_times_and_tensors_are_freed():
    made = plan(small())
    assert made.run(given(2)).outputs["sum"].tolist() == run(small(), given(2)).outputs["sum"].tolist()
    assert made.run(given(3, 1)).outputs["sum"].tolist() == run(small(), given(3, 1)).outputs["sum"].tolist()
    assert [entry.freed for entry in made.nodes] == [("x",), ("fc/accumulator",), ("fc",), ("y",)]
    assert all(entry.kernel and entry.reason for entry in made.nodes)


def test_a_chunk_stays_within_the_memory(monkeypatch):
    from intsim.engine import running

    made = plan(small())
    seen = []
    monkeypatch.setattr(running, "MEMORY", 3 * made.sample_bytes + 1)
    made.run(given(8), progress=lambda done, batch: seen.append(done))
    assert seen == [3, 6, 8]


def test_a_crosscheck_names_the_first_difference(monkeypatch):
    from intsim.engine import planning

    def faulty(site):
        from dataclasses import replace

        right = planning.lower_reference(site)

        def call(inputs, work):
            results = tuple(result.copy() for result in right.call(inputs, work))
            if site.node.name == "fc":
                results[0][1, 2] ^= 1
            return results

        return replace(right, call=call)

    monkeypatch.setitem(planning._SINGLE, "fast", faulty)
    x = np.array([[1, 2, 3, 4], [1, 2, 3, 4]])
    inputs = {"x": x, "y": np.zeros((2, 3), np.int8)}
    with pytest.raises(MismatchError) as caught:
        run(small(), inputs, engine="crosscheck")
    assert (
        str(caught.value)
        == "fc: first difference at (1, 2): fast 0 (0x00), reference 1 (0x01); 1 of 6 differ"
    )
    assert run(small(), inputs, engine="crosscheck:exact,reference").outputs["sum"].shape == (2, 3)
