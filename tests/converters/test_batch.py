"""The batch (rules B1 to B3), the names of the samples' tensors, and the shape arithmetic that is folded."""

from __future__ import annotations

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER, BatchLayout, from_sample_batch, to_sample_batch
from intsim_converters.tflite.folding import fold
from intsim_converters.tflite.reader import read_model

from intsim.errors import InputError
from tests.converters.agree import assert_agrees
from tests.converters.models import bias, conv, one_conv, weights
from tests.zoo.tflite_builder import ModelBuilder


def layout(*shapes: tuple[int, ...]) -> BatchLayout:
    """Of a graph with inputs of these shapes."""
    m = ModelBuilder()
    for i, shape in enumerate(shapes):
        m.input(f"x{i}", shape, "int8", 0.1)
    return BatchLayout.of(read_model(m.build()).graphs[0])


@pytest.mark.parametrize(
    ("shapes", "size"),
    [
        (((1, 8, 8, 3),), 1),
        (((4, 8, 8, 3),), 4),
        (((4, 5), (4, 7)), 4),
        (((4, 5), (3, 7)), 1),
        (((4, 5), (4,)), 1),
        (((1, 5), (4,)), 1),
        (((7,),), 1),
        (((),), 1),
    ],
)
def test_the_batch_is_the_inputs_common_leading_size(shapes: tuple[tuple[int, ...], ...], size: int) -> None:
    assert layout(*shapes).size == size


def test_what_a_sample_is() -> None:
    one = layout((1, 5))
    assert [one.sample_shape(shape) for shape in ((1, 5), (1,), (3, 5), (5,), ())] == [
        (5,),
        (),
        (3, 5),
        (5,),
        (),
    ]
    four = layout((4, 5))
    assert [four.sample_shape(shape) for shape in ((4, 5), (1, 5))] == [(5,), (1, 5)]


@pytest.mark.parametrize("shapes", [{"x": (1, 5), "y": (3, 5)}, {"x": (4, 5), "y": (4, 2, 3)}])
def test_runs_to_samples_and_back(shapes: dict[str, tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    runs = [
        {name: rng.integers(-9, 9, shape, dtype=np.int8) for name, shape in shapes.items()} for _ in range(3)
    ]
    kept = BatchLayout(shapes["x"][0], shapes)
    samples = to_sample_batch(kept, runs)
    assert len({len(array) for array in samples.values()}) == 1
    back = from_sample_batch(kept, {**samples, "y/accumulator": np.zeros(3)})
    for run, again in zip(runs, back, strict=True):
        assert run.keys() == again.keys()
        assert all(np.array_equal(run[name], again[name]) for name in run)


def test_arrays_of_other_shapes_are_refused() -> None:
    kept = BatchLayout(2, {"x": (2, 5)})
    with pytest.raises(InputError, match=r"^x: shape must be \(2, 5\), not \(2, 4\)$"):
        to_sample_batch(kept, [{"x": np.zeros((2, 4))}])
    with pytest.raises(InputError, match=r"^x: samples must make whole tensors of \(2, 5\), not \(3, 5\)$"):
        from_sample_batch(kept, {"x": np.zeros((3, 5))})
    with pytest.raises(InputError, match="every run must give the same tensors"):
        to_sample_batch(kept, [{"x": np.zeros((2, 5))}, {}])


def test_rows_of_one_sample_stay_together() -> None:
    """FULLY_CONNECTED gives (T, O) for (1, T, C): a whole sample, not a batch of T."""
    m = ModelBuilder()
    x = m.input("x", (1, 3, 4), "int8", 0.1)
    w = weights(m, "w", (5, 4))
    y = m.tensor("y", (3, 5), "int8", 0.1, -2)
    m.operator("FULLY_CONNECTED", [x, w, bias(m, "b", 5)], [y], version=9, fused_activation_function="RELU")
    m.output(y)
    assert CONVERTER.convert(m.build()).specs["y"].shape == (3, 5)
    assert assert_agrees(m.build()) > 0


def test_a_batch_of_several_runs_as_several_samples() -> None:
    m = ModelBuilder()
    m.output(conv(m, m.input("x", (3, 5, 5, 2), "int8", 0.05, -4), "y", 3))
    assert CONVERTER.convert(m.build()).specs["x"].shape == (5, 5, 2)
    assert assert_agrees(m.build()) > 0


def test_a_network_of_batch_one_takes_any_number_of_samples() -> None:
    assert assert_agrees(one_conv(), count=9) > 0


def flattening() -> bytes:
    """What exporters leave of x.reshape(batch, -1): SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    m = ModelBuilder()
    x = m.input("x", (1, 2, 3, 4), "int8", 0.1, shape_signature=(-1, 2, 3, 4))
    shape = m.tensor("shape", (4,), "int32")
    m.operator("SHAPE", [x], [shape], out_type="INT32")
    batch = m.tensor("batch", (), "int32")
    ends = [m.constant(f"c{i}", np.array([value], np.int32), "int32") for i, value in enumerate((0, 1, 1))]
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 1}
    m.operator("STRIDED_SLICE", [shape, *ends], [batch], **masks)
    wanted = m.tensor("wanted", (2,), "int32")
    rest = m.constant("rest", np.array(24, np.int32), "int32")
    m.operator("PACK", [batch, rest], [wanted], values_count=2, axis=0)
    y = m.tensor("y", (1, 24), "int8", 0.1)
    m.operator("RESHAPE", [x, wanted], [y])
    m.output(y)
    return m.build()


def test_shape_arithmetic_is_done_at_conversion() -> None:
    graph = fold(read_model(flattening()).graphs[0])
    assert [operator.name for operator in graph.operators] == ["RESHAPE"]
    assert [node.op.name for node in CONVERTER.convert(flattening()).nodes] == ["reshape"]
    assert assert_agrees(flattening()) > 0
