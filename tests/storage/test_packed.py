"""Low-bit formats in files: by name or as a group, weights in packed codes."""

import h5py
import numpy as np
import pytest

from intsim.errors import FileError
from intsim.formats import Bipolar, Codebook, FixedPoint, IntFormat, Minifloat, Ternary, TernaryCoding
from intsim.formats.table import FORMATS
from intsim.network import NetworkBuilder
from intsim.ops import Constant, Dense, Reshape
from intsim.storage import load, save

FORMATS_OF_WEIGHTS = {
    "bits": [Bipolar(), Bipolar(positive=0), IntFormat(1), Codebook([5, -7])],
    "two-bit": [*map(Ternary, TernaryCoding), IntFormat(2), Codebook([-1, 0, 3])],
    "nibbles": [IntFormat(4), IntFormat(4, signed=False), FORMATS["iq4_nl"].format],
    "six-bit": [IntFormat(6)],
    None: [IntFormat(3), IntFormat(8), Codebook([0, 2, 4, 6, 9])],
}
EVERY = [(packing, format) for packing, formats in FORMATS_OF_WEIGHTS.items() for format in formats]


def entries_of(format, size, seed=0):
    possible = np.arange(format.min, format.max + 1)
    return np.random.default_rng(seed).choice(possible[~format.outside(possible)], size)


def network_of(format, shape=(3, 7)):
    builder = NetworkBuilder()
    x = builder.input("x", (shape[1],), IntFormat(8))
    builder.output(builder.add(Dense(entries_of(format, shape), format), x, name="y"))
    return builder.build()


@pytest.mark.parametrize(("packing", "format"), EVERY, ids=repr)
def test_weights_come_back(packing, format, tmp_path):
    network = network_of(format)
    save(network, tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == network
    with h5py.File(tmp_path / "a.h5") as file:
        stored = file["nodes/y/weight"]
        if packing is None:
            assert stored.shape == (3, 7)
        else:
            assert stored.attrs["packing"].decode() == packing
            assert stored.attrs["shape"].tolist() == [3, 7]
            assert stored["bytes"].dtype == np.uint8


def test_the_bytes_are_one_stream_of_codes(tmp_path):
    """numpy's own packing says the same."""
    network = network_of(Bipolar(positive=0), (5, 13))
    save(network, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        stored = file["nodes/y/weight/bytes"][()]
    weight = network.node("y").op.weight
    assert stored.tolist() == np.packbits(weight.ravel() == -1, bitorder="little").tolist()


@pytest.mark.parametrize("format", [Bipolar(), Ternary(), IntFormat(4)], ids=repr)
def test_plain_integers_are_read_as_well(format, tmp_path):
    network = network_of(format)
    save(network, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["nodes/y/weight"]
        file["nodes/y/weight"] = network.node("y").op.weight.astype(np.int32)
    assert load(tmp_path / "a.h5") == network


def change(path, attribute, value):
    with h5py.File(path, "a") as file:
        file["nodes/y/weight"].attrs[attribute] = value


REFUSED = [
    ("packing", np.bytes_("nibbles"), ".bytes: must be 11 for shape (3, 7), not of shape (6,). [K3]"),
    (
        "packing",
        np.bytes_("zip"),
        ".packing: must be one of bits, two-bit, nibbles, six-bit, not 'zip'. [K3]",
    ),
    ("shape", [3, 8], ": weight must have"),
    ("shape", [3, 9], ".bytes: must be 7 for shape (3, 9), not of shape (6,). [K3]"),
    ("shape", [-3, -7], ".shape: must have no negative size, not (-3, -7). [K3]"),
    ("shape", [2**31, 2**40], f".bytes: must be {2**69} for shape {(2**31, 2**40)}, not of shape (6,). [K3]"),
]


@pytest.mark.parametrize(("attribute", "value", "message"), REFUSED)
def test_refused(attribute, value, message, tmp_path):
    path = tmp_path / "a.h5"
    save(network_of(Ternary()), path)
    change(path, attribute, value)
    with pytest.raises(FileError) as caught:
        load(path)
    if value == [3, 8]:  # 24 codes take the same bytes: the network is one of 8 inputs
        assert "input must have 8 elements" in str(caught.value)
    else:
        assert str(caught.value) == f"{path}:/nodes/y/weight{message}"


def test_the_packing_is_that_of_the_bits(tmp_path):
    path = tmp_path / "a.h5"
    save(network_of(Ternary()), path)
    with h5py.File(path, "a") as file:
        group = file["nodes/y/weight"]
        group.attrs["packing"] = np.bytes_("bits")
        del group["bytes"]
        group["bytes"] = np.zeros(3, np.uint8)
    with pytest.raises(
        FileError, match=r"weight.packing: must be of 2 bits for ternary, not 'bits'. \[K3\]$"
    ):
        load(path)


def test_a_code_that_stands_for_nothing(tmp_path):
    path = tmp_path / "a.h5"
    save(network_of(Ternary()), path)
    with h5py.File(path, "a") as file:
        file["nodes/y/weight/bytes"][2] = 0b11
    with pytest.raises(FileError, match=r"weight: codes of ternary must stand for something, not 3$"):
        load(path)


@pytest.mark.parametrize(
    "format",
    [
        *(entry.format for entry in FORMATS.values() if not hasattr(entry.format, "levels")),
        Codebook([-4, 9], exponent=-2),
        FixedPoint(8, exponent=-6),
        Minifloat(4, 2, bias=6),
    ],
    ids=repr,
)
def test_tensors_of_every_format(format, tmp_path):
    """They are moved, stored and described; what they hold is checked at the door."""
    builder = NetworkBuilder()
    x = builder.input("x", (2, 3), format)
    builder.output(builder.add(Reshape((6,)), x, name="y"))
    constant = entries_of(format, (4,)) if format.bits < 20 else np.array([0, 1, 2**20, format.max])
    builder.output(builder.add(Constant(constant, format), name="c"))
    network = builder.build()
    save(network, tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == network
    assert network.specs["y"].format == format
