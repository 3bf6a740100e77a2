"""A few tensors of different kinds, written and read."""

import numpy as np
import pytest

from intsim.errors import FileError
from intsim.formats import IntFormat, Quantization, RealFormat, TensorSpec
from intsim.storage import open_tensors, write_tensors

SPECS = {
    "b/first.1": TensorSpec((2, 3), IntFormat(4), Quantization([0.5, 1, 2], [0, 1, 2], axis=1)),
    "a second": TensorSpec((), IntFormat(33)),
    "zé": TensorSpec((1,), RealFormat(32)),
    "datapath": TensorSpec((2,), IntFormat(64, signed=False)),
}


def arrays_of(batch, specs=SPECS):
    rng = np.random.default_rng(batch)
    return {
        name: rng.integers(0, 7, (batch, *spec.shape)).astype(spec.format.storage)
        for name, spec in specs.items()
    }


def written(path, batch=5, chunks=(2, 3), specs=SPECS, notes=None):
    arrays = arrays_of(batch, specs)
    with write_tensors(path, specs, batch, notes) as writer:
        begin = 0
        for chunk in chunks:
            writer.append({name: values[begin : begin + chunk] for name, values in arrays.items()})
            begin += chunk
    return arrays


def read(path):
    with open_tensors(path) as file:
        return {name: np.array(file[name]) for name in file}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        assert found[name].shape == values.shape
        assert found[name].tobytes() == values.tobytes()


def message_of(path):
    with pytest.raises(FileError) as caught:
        read(path)
    return str(caught.value)
