"""What is saved is loaded again, as the same network, and saved again as the same bytes."""

import time

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat, Quantization
from intsim.network import Input, NetworkBuilder, Node
from intsim.ops import Clamp, Concat, Dense
from intsim.storage import FORMAT_VERSION, load, save
from intsim.storage.names import decode_name, encode_name
from intsim.testing.networks import networks
from tests.storage.files import small_network, split_network

TOUGH = [
    "a/b",
    "a.b",
    ".",
    "..",
    "100%",
    "%2F",
    "a%2Fb",
    "é",
    "日本",
    " ",
    "x" * 1000,
    "\U0001f600" * 1000,
    "\n",
    "\x7f",
]


@pytest.mark.parametrize("network", [small_network(), split_network()])
def test_loaded_is_saved(network, tmp_path):
    save(network, tmp_path / "a.h5")
    again = load(tmp_path / "a.h5")
    assert again == network
    assert repr(again) == repr(network)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25)
@given(network=networks())
def test_drawn_networks(network, tmp_path):
    save(network, tmp_path / "a.h5")
    again = load(tmp_path / "a.h5")
    assert again == network
    save(again, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_same_bytes_at_another_time(tmp_path):
    save(small_network(), tmp_path / "a.h5")
    time.sleep(1.1)  # HDF5's times count seconds
    save(small_network(), tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_the_layout(tmp_path):
    save(small_network(), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert sorted(file) == ["inputs", "nodes"]
        assert file.attrs["format"] == b"intsim-network"
        assert file.attrs["format_version"] == FORMAT_VERSION == 1
        assert file.attrs["writer"] == b"intsim"
        assert file.attrs["source"].decode() == "by hand: née Größe"
        assert file.attrs["outputs"].tolist() == [b"relu", b"conv/acc.1"]
        assert sorted(file["nodes"]) == ["conv", "conv%2Facc%2E1", "relu"]
        conv = file["nodes/conv%2Facc%2E1"]
        assert conv.attrs["position"] == 0
        assert conv.attrs["inputs"].tolist() == [b"x"]
        assert conv.attrs["padding"].tolist() == [[1, 0], [0, 1]]
        assert "outputs" not in conv.attrs
        assert conv["weight"].dtype == np.int8
        assert conv["bias"].dtype == np.int64
        assert conv["accumulator/inner"].attrs["format"] == b"int18"
        assert "tile" not in conv["accumulator/inner"].attrs
        steps = file["nodes/conv/requantization/steps"]
        assert [steps[key].attrs["type"] for key in steps] == [b"ShiftRight", b"Scale"]
        assert steps["1/factors"].dtype == np.float32
        assert "before" not in steps["1"]
        assert file["nodes/conv/output_quantization/0"].attrs["axis"] == 2


def test_outputs_of_their_own_names(tmp_path):
    save(split_network(), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["nodes/s"].attrs["outputs"].tolist() == [b"a", b"b", b"c"]
        assert list(file["nodes/s/output_quantization"]) == ["1"]


def test_empty_annotations_stay(tmp_path):
    node = Node("y", Clamp(lo=0, hi=1), ("x",), quantization=(None,))
    network = small_network()
    network = network.replace(nodes=(*network.nodes, node))
    save(network, tmp_path / "a.h5")
    assert load(tmp_path / "a.h5").node("y").quantization == (None,)


@pytest.mark.parametrize("name", TOUGH)
def test_names(name, tmp_path):
    n = NetworkBuilder()
    x = n.input(name, (2,), IntFormat(8))
    n.output(n.add(Clamp(lo=0, hi=1), x, name=f"{name[:990]}relu"))
    save(n.build(), tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == n.build()
    assert decode_name(encode_name(name)) == name


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_encoded_names(name):
    encoded = encode_name(name)
    assert "/" not in encoded
    assert "." not in encoded
    assert decode_name(encoded) == name


@pytest.mark.parametrize("wrong", ["%", "a%2", "%zz", "%ff", "100% "])
def test_names_that_are_not_encoded(wrong):
    with pytest.raises(ValueError, match="must"):
        decode_name(wrong)


def test_long_lists_are_datasets(tmp_path):
    taps = 5000  # 40 kB of order
    n = NetworkBuilder(source="long " * 20000)
    x = n.input("x", (taps,), IntFormat(8))
    dense = Dense(
        weight=np.ones((1, taps), np.int8), accumulator=Accumulator(order=tuple(reversed(range(taps))))
    )
    n.output(n.add(dense, x, name="y"))
    save(n.build(), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["nodes/y/accumulator/order"].shape == (taps,)
        assert file["source"].shape == ()
    assert load(tmp_path / "a.h5") == n.build()


def test_many_long_names(tmp_path):
    n = NetworkBuilder()
    names = [n.input(f"{i:01000d}", (1,), IntFormat(8)) for i in range(50)]
    n.output(n.add(Concat(axis=0), *names, name="y"))
    save(n.build(), tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == n.build()


def test_many_nodes_keep_their_order(tmp_path):
    n = NetworkBuilder()
    here = n.input("x", (1,), IntFormat(8))
    for i in range(150):
        here = n.add(Clamp(lo=0, hi=i % 128), here, name=f"node{(i * 37) % 150}")
    n.output(here)
    save(n.build(), tmp_path / "a.h5")
    assert [node.name for node in load(tmp_path / "a.h5").nodes] == [node.name for node in n.build().nodes]


@pytest.mark.parametrize("format", [IntFormat(1), IntFormat(64), IntFormat(64, signed=False), IntFormat(33)])
def test_the_ends_of_the_formats(format, tmp_path):
    n = NetworkBuilder()
    x = n.input("x", (), format)
    n.output(n.add(Clamp(lo=format.min, hi=format.max), x, name="y"))
    save(n.build(), tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == n.build()


def test_a_name_of_one_output_that_is_written_out(tmp_path):
    """Written by others: `outputs` may name the one output that the node is named for."""
    save(small_network(), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["nodes/relu"].attrs["outputs"] = np.array([b"relu"])
    assert load(tmp_path / "a.h5") == small_network()


def test_other_storage_of_the_same_values(tmp_path):
    """Written by others: other widths, byte orders, chunks, empty float lists, booleans as integers."""
    save(small_network(), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        conv = file["nodes/conv%2Facc%2E1"]
        for name, dtype in (("weight", ">i4"), ("bias", ">i2"), ("weight_zero_point", "u1")):
            values = conv[name][()]
            del conv[name]
            conv.create_dataset(name, data=values.astype(dtype))
        weight = conv["weight"][()]
        del conv["weight"]
        conv.create_dataset(
            "weight", data=weight, chunks=(2, 1, 2, 1), maxshape=(None, None, 2, 2), fletcher32=True
        )
        conv.attrs["stride"] = np.array([1, 1], ">u2")
        conv.attrs["groups"] = np.uint8(1)
        file.attrs["outputs"] = np.array([b"relu", b"conv/acc.1"], dtype=h5py.string_dtype("ascii", 40))
    assert load(tmp_path / "a.h5") == small_network()


def test_inputs_keep_their_order(tmp_path):
    network = small_network()
    extra = [Input(name, network.inputs[0].spec) for name in ("z", "a", "m")]
    network = network.replace(inputs=(*network.inputs, *extra))
    save(network, tmp_path / "a.h5")
    assert [entry.name for entry in load(tmp_path / "a.h5").inputs] == ["x", "z", "a", "m"]


def test_annotations_of_inputs(tmp_path):
    n = NetworkBuilder()
    x = n.input("x", (2, 3), IntFormat(4), Quantization([0.5, 2.0, 1e-300], [1, 2, 3], axis=1))
    n.output(n.add(Clamp(lo=0, hi=1), x, name="y"))
    save(n.build(), tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == n.build()
