"""The reader: what a file holds, and what it says of a file that is cut or damaged."""

from __future__ import annotations

import struct
from datetime import timedelta
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER, read_model
from intsim_converters.tflite.names import unique_names

from intsim.errors import ConversionError, FileError
from intsim.network import Network
from tests.converters.models import CONV, classifier, many_operators, one_conv, weights
from tests.zoo.tflite_builder import ModelBuilder

CLASSIFIER, ONE = classifier(), one_conv()
FILES = {"classifier": CLASSIFIER, "one": ONE, "many": many_operators()}


def test_tensors_operators_and_options_are_the_files() -> None:
    model = read_model(CLASSIFIER)
    (graph,) = model.graphs
    assert model.description == "a small classifier"
    assert [operator.name for operator in graph.operators] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "ADD",
        "AVERAGE_POOL_2D",
        "RESHAPE",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    depthwise = graph.operators[1]
    assert (depthwise.version, depthwise.options.table) == (3, "DepthwiseConv2DOptions")
    assert (depthwise.options.stride_h, depthwise.options.padding) == (2, "SAME")
    assert (depthwise.options.dilation_h_factor, depthwise.options.depth_multiplier) == (1, 1)
    x = graph.tensors[graph.inputs[0]]
    assert (x.name, x.shape, x.signature, x.dtype) == ("x", (1, 8, 8, 3), (-1, 8, 8, 3), "int8")
    assert x.scales is not None
    assert (x.scales.scale.tolist(), x.scales.zero_point.tolist()) == ([np.float32(0.05)], [-4])
    assert not x.is_constant
    w = graph.tensors[graph.operators[1].inputs[1]]
    assert w.scales is not None
    assert (w.name, w.is_constant, w.scales.axis, w.scales.scale.size) == ("depthwise/w", True, 3, 4)


@pytest.mark.parametrize("dtype", ["int2", "int4", "int8", "int16", "int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 5), (3, 1, 3)])
def test_constants_of_every_width_are_unpacked(dtype: str, shape: tuple[int, ...]) -> None:
    info = np.iinfo(dtype) if dtype not in ("int2", "int4") else None
    low, high = (info.min, info.max) if info else {"int2": (-2, 1), "int4": (-8, 7)}[dtype]
    values = np.random.default_rng(1).integers(low, high, shape, endpoint=True, dtype=np.int64)
    values = values.astype(dtype) if info else values
    m = ModelBuilder()
    m.input("x", (1,), "int8")
    m.constant("w", values, dtype)
    tensor = read_model(m.build()).graphs[0].tensors[1]
    assert tensor.data.shape == shape
    assert tensor.data.dtype == (np.int8 if info is None else np.dtype(dtype))
    assert np.array_equal(tensor.data, values)
    assert not tensor.data.flags.writeable


@given(st.lists(st.sampled_from(["", "x", "y", "x#1", "#2", "x#0", "a\0b", "n" * 2000]), max_size=6))
def test_names_are_unique_and_kept_where_they_can_be(given: list[str]) -> None:
    names = unique_names(given)
    assert len(set(names)) == len(names) == len(given)
    for index, name in enumerate(given):
        if name and given.count(name) == 1 and len(name) < 900 and "\0" not in name:
            assert names[index] == name
        assert "\0" not in names[index]
        assert 1 <= len(names[index]) <= 910


def test_repeated_and_empty_names_get_their_index() -> None:
    assert unique_names(["x", "y", "x", "", "x#2"]) == ("x#0", "y", "x#2'", "#3", "x#2")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nothing\.tflite: cannot be read: No such file"):
        read_model(tmp_path / "nothing.tflite")
    with pytest.raises(FileError, match="must be a file"):
        read_model(tmp_path)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" * 10)
    message = (
        r"^model\.tflite: not a readable \.tflite file: bytes 4 to 7 must be b'TFL3', not b'\\r\\n\\x1a\\n'$"
    )
    with pytest.raises(FileError, match=message):
        read_model(path)


@pytest.mark.parametrize("name", ["classifier", "one"])
def test_a_file_cut_anywhere_is_refused_or_whole(name: str) -> None:
    """What is cut off may be nothing but padding and what no reader asks for."""
    data = FILES[name]
    for length in range(len(data) - 64):
        with pytest.raises(FileError) as caught:
            read_model(data[:length])
        assert len(caught.value.findings) == 1


def converts(data: bytes) -> bool:
    """Whether a file becomes a network; if not, it is refused in words."""
    try:
        network = CONVERTER.convert(data)
    except (FileError, ConversionError):
        return False
    return isinstance(network, Network)


def mutate(name: str, changes: list[tuple[int, int, int]]) -> bytes:
    """Overwrite 1, 2 or 4 bytes at places."""
    changed = bytearray(FILES[name])
    for place, width, value in changes:
        place %= len(changed) - width
        changed[place : place + width] = (value % (1 << (8 * width))).to_bytes(width, "little")
    return bytes(changed)


edges = st.sampled_from([0, 1, -1, -2, 127, 128, 255, 2**15, 2**31 - 1, 2**31, 2**16, 4096, 2**20])
changes = st.lists(
    st.tuples(st.integers(0, 2**20), st.sampled_from([1, 1, 2, 4]), edges | st.integers(0, 2**32 - 1)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=400, deadline=timedelta(seconds=20))
@given(st.sampled_from(sorted(FILES)), changes)
def test_a_damaged_file_is_a_network_or_an_error(name: str, changed: list[tuple[int, int, int]]) -> None:
    assert converts(mutate(name, changed)) in (True, False)


@pytest.mark.parametrize("name", FILES)
def test_the_whole_files_convert(name: str) -> None:
    assert converts(FILES[name])


@settings(max_examples=200, deadline=timedelta(seconds=20))
@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_are_refused(data: bytes, signed: bool) -> None:
    with pytest.raises(FileError):
        read_model(data[:4] + b"TFL3" + data[4:] if signed else data)


def test_a_list_longer_than_the_file_is_not_allocated() -> None:
    """Every length in the file, made as large as it can be."""
    for place in range(0, len(ONE) - 4, 4):
        data = bytearray(ONE)
        data[place : place + 4] = struct.pack("<I", 0x7FFFFFFF)
        assert converts(bytes(data)) in (True, False)


def test_a_constant_of_another_length_than_its_shape_is_named() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 4, 4, 2), "int8", 0.1)
    w = weights(m, "w", (3, 3, 3, 2))
    y = m.tensor("y", (1, 4, 4, 3), "int8", 0.1)
    m.operator("CONV_2D", [x, w, None], [y], **CONV)
    m._tensors[w.index].shape = [3, 3, 3, 4]
    m.output(y)
    message = (
        "^model in memory: not a readable .tflite file: tensor 1 'w': int8 of shape \\(3, 3, 3, 4\\)"
        " must have 108 bytes, not 54$"
    )
    with pytest.raises(FileError, match=message):
        read_model(m.build())


def test_parts_that_lie_over_each_other_are_not_unfolded() -> None:
    """One tensor with a long name, listed many times: a small file that would fill the memory."""
    builder = flatbuffers.Builder(1024)
    name = builder.CreateString("n" * 20000)
    schema.TensorStart(builder)
    schema.TensorAddName(builder, name)
    tensor = schema.TensorEnd(builder)
    schema.SubGraphStartTensorsVector(builder, 100_000)
    for _ in range(100_000):
        builder.PrependUOffsetTRelative(tensor)
    tensors = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    graph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    with pytest.raises(FileError, match="its parts must not lie over each other"):
        read_model(bytes(builder.Output()))
