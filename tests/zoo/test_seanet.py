"""TensorFlow Lite Micro's own golden integers: int16 ADD and CONV_2D networks of its integration tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

from intsim.engine import run
from tests.zoo.folder import zoo

CASES = sorted(zoo("seanet").glob("*/*[0-9].tflite"))


def integers(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.array([int(entry) for entry in path.read_text().split(",")], np.int16).reshape(shape)


def test_all_cases_are_there() -> None:
    assert [case.parent.name for case in CASES].count("add") == 17
    assert [case.parent.name for case in CASES].count("conv") == 22


@pytest.mark.parametrize("dialect", ["tflm", "litert-ref"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_golden_integers(case: Path, dialect: str) -> None:
    network, layout = CONVERTER.convert(case, dialect), batch_layout(case)
    inputs = {
        entry.name: integers(case.with_name(f"{case.stem}_input{i}_int16.csv"), layout.shapes[entry.name])
        for i, entry in enumerate(network.inputs)
    }
    (found,) = from_sample_batch(layout, run(network, to_sample_batch(layout, [inputs])).outputs)
    (name,) = network.outputs
    golden = integers(case.with_name(f"{case.stem}_golden_int16.csv"), layout.shapes[name])
    assert np.array_equal(found[name], golden)
