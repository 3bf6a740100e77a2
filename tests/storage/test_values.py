"""Any value in any field of any op gives a network or a FileError, in little time."""

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from intsim.errors import FileError
from intsim.network import Network
from intsim.ops import OPS
from intsim.storage import load, save
from intsim.testing import network_of
from tests.contract.registry import CASES

NUMBERS = st.one_of(
    st.integers(-3, 40), st.sampled_from([-(2**63), -(2**31), 2**15, 2**31, 2**40, 2**62, 2**63 - 1])
)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
VALUES = st.one_of(
    NUMBERS.map(np.int64),
    SHAPES.flatmap(lambda shape: arrays.arrays(np.int64, shape, elements=NUMBERS)),
    SHAPES.flatmap(lambda shape: arrays.arrays(st.sampled_from([np.float32, np.float64]), shape)),
    st.sampled_from(["", "wrap", "hwc", "half_up", "int64", "uint1", "int65", "Clamp"]).map(
        lambda text: np.bytes_(text.encode())
    ),
)
ALIKE = st.integers(0, 3)  # three times of four


def homes(file):
    """Every attribute (place, name) and every dataset (place, None) of the nodes."""
    found = []

    def visit(place, entry):
        found.extend((place, name) for name in entry.attrs)
        if isinstance(entry, h5py.Dataset):
            found.append((place, None))

    file["nodes"].visititems(visit)
    return found


@pytest.mark.parametrize("name", sorted(OPS))
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value(name, data, tmp_path):
    path = tmp_path / "a.h5"
    save(network_of(data.draw(CASES[name])), path)
    with h5py.File(path, "r+") as file:
        for _ in range(data.draw(st.integers(1, 2))):
            place, attribute = data.draw(st.sampled_from(homes(file)))
            entry = file["nodes"][place]
            old = entry[()] if attribute is None else entry.attrs[attribute]
            new = data.draw(VALUES)
            if np.asarray(old).dtype.kind in "iu" and data.draw(ALIKE):
                new = data.draw(arrays.arrays(np.int64, np.shape(old), elements=NUMBERS))
            if attribute is None:
                del file["nodes"][place]
                file["nodes"].create_dataset(place, data=new)
            else:
                entry.attrs[attribute] = new
    try:
        loaded = load(path)
    except FileError:
        return
    assert isinstance(loaded, Network)
