"""A file that is not what the layout says is refused, with the HDF5 path and the rule."""

import re

import h5py
import numpy as np
import pytest

from intsim.errors import FileError, SpecError
from intsim.storage import load, save
from tests.storage.files import (
    drop,
    drop_attribute,
    put,
    set_attribute,
    small_network,
    split_network,
    spoiled,
)

CONV = "/nodes/conv%2Facc%2E1"
STEPS = "/nodes/conv/requantization/steps"
CHOICES = "wrap, saturate, trap"


def rename(old, new):
    def change(file):
        file.move(old, new)

    return change


def findings_of(path):
    with pytest.raises(FileError) as caught:
        load(path)
    return [str(finding).removeprefix(f"{path}:") for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # the root
        (set_attribute("/", "format", np.bytes_("keras")), "/.format: must be 'intsim-network', not 'keras'"),
        (drop_attribute("/", "format"), "/.format: must be 'intsim-network', not 'missing'"),
        (set_attribute("/", "format_version", 2), "/.format_version: must be 1, not 2"),
        (set_attribute("/", "format_version", np.bytes_("1")), "/.format_version: must be 1, not '1'"),
        (drop_attribute("/", "writer"), "/.writer: must be a text (an attribute), not missing"),
        (
            drop_attribute("/", "outputs"),
            "/.outputs: must be a list (a text each) (an attribute), not missing",
        ),
        (
            set_attribute("/", "nodes", np.array([b"conv"])),
            "/.nodes: must be a field of root (format, format_version, writer, source, outputs), not 'nodes'",
        ),
        (
            set_attribute("/", "outputs", np.array([b"nothing"])),
            "/outputs: must name tensors of the network, not 'nothing'. [N5]",
        ),
        (drop("/nodes"), "/nodes: must be a group, not missing"),
        (
            put("/inputs", data=1),
            "/.inputs: must be a field of root (format, format_version, writer, source, outputs), not",
        ),
        # positions
        (set_attribute(CONV, "position", 1), "/nodes: positions must be 0 to 2, each once, not [1, 1, 2]"),
        (set_attribute("/inputs/x", "position", 7), "/inputs: positions must be 0 to 0, each once, not [7]"),
        (
            set_attribute(CONV, "position", 0.0),
            f"{CONV}.position: must be an integer, not 0.0",
        ),
        # inputs
        (
            set_attribute("/inputs/x", "shape", [4, 0, 2]),
            "/inputs/x.shape: must have sizes of at least 1, not (4, 0, 2)",
        ),
        (
            set_attribute("/inputs/x", "format", np.bytes_("int65")),
            "/inputs/x.format.IntFormat.bits: must be 1 to 64, not 65",
        ),
        (
            set_attribute("/inputs/x", "format", np.bytes_("float8")),
            "/inputs/x.format: must be float32 or float64 or int1 to int64, uint1 to uint64"
            " or a name of `intsim formats`, not 'float8'",
        ),
        (
            set_attribute("/inputs/x", "format", 8),
            "/inputs/x.format: must be a number format, not 8",
        ),
        (
            put("/inputs/x/quantization/scale", data=[-1.0]),
            "/inputs/x/quantization.scale: must be positive and finite",
        ),
        # ops
        (set_attribute(CONV, "op", np.bytes_("convolve")), f"{CONV}.op: must be a known op ("),
        (set_attribute(CONV, "op_version", 99), f"{CONV}.op_version: must be "),
        (
            set_attribute(CONV, "outputs", np.zeros(0, "S1")),
            f"{CONV}.outputs: must not be empty; leave it out",
        ),
        # fields
        (set_attribute(CONV, "strides", [1, 1]), f"{CONV}.strides: must be a field of conv2d (weight, "),
        (put(f"{CONV}/extra", data=1), f"{CONV}.extra: must be a field of conv2d (weight, "),
        (
            drop_attribute(CONV, "stride"),
            f"{CONV}.stride: must be (an integer, an integer) (an attribute), not missing",
        ),
        (drop(f"{CONV}/weight"), f"{CONV}.weight: must be an array of integers (a dataset), not missing"),
        (drop(f"{CONV}/accumulator"), f"{CONV}.accumulator: must be Accumulator (a group), not missing"),
        (set_attribute(CONV, "stride", [1, 1, 1]), f"{CONV}.stride: must have 2 entries, not 3: (1, 1, 1)"),
        (set_attribute(CONV, "stride", [1.0, 1.0]), f"{CONV}.stride: must be an integer, not 1.0"),
        (set_attribute(CONV, "stride", [0, 1]), f"{CONV}.stride: must be 1 to 65536, not (0, 1). [W3]"),
        (set_attribute(CONV, "groups", True), f"{CONV}.groups: must be an integer, not True"),
        (
            set_attribute(CONV, "groups", [[1]]),
            f"{CONV}.groups: must be an integer (an attribute), not of shape (1, 1)",
        ),
        (set_attribute(CONV, "groups", np.bytes_("one")), f"{CONV}.groups: must be an integer, not 'one'"),
        (
            put(f"{CONV}/weight", data=np.zeros((3, 2, 2, 2))),
            f"{CONV}.weight: must be integers, not float64",
        ),
        (
            put(f"{CONV}/weight", data=np.full((3, 2, 2, 2), 128)),
            f"{CONV}.weight: values must fit int8 (-128 to 127), not 128 at (0, 0, 0, 0). [R4]",
        ),
        (
            put(f"{CONV}/bias", data=np.array([2**63], np.uint64)),
            f"{CONV}.bias: must be below 2**63, not 9223372036854775808",
        ),
        (
            set_attribute(CONV, "weight", np.zeros(3)),
            f"{CONV}.weight: must be there once, not in several ways",
        ),
        (
            set_attribute(f"{CONV}/accumulator", "overflow", np.bytes_("clip")),
            f"{CONV}/accumulator.overflow: must be one of {CHOICES}, not 'clip'",
        ),
        (
            set_attribute(f"{CONV}/accumulator", "overflow", 1),
            f"{CONV}/accumulator.overflow: must be one of {CHOICES}, not 1",
        ),
        (
            set_attribute(f"{CONV}/accumulator/inner", "tile", 4),
            f"{CONV}/accumulator.inner.tile: must be below the outer tile 4, not 4. [A3]",
        ),
        (
            set_attribute(f"{CONV}/accumulator/inner", "type", np.bytes_("Accumulator")),
            f"{CONV}/accumulator/inner.type: must be a field of Accumulator (",
        ),
        # lists of records
        (
            set_attribute(f"{STEPS}/0", "type", np.bytes_("Shift")),
            f"{STEPS}/0.type: must be one of Add, ShiftLeft, ",
        ),
        (drop_attribute(f"{STEPS}/0", "type"), f"{STEPS}/0.type: must be a text (an attribute), not missing"),
        (drop(f"{STEPS}/0"), f"{STEPS}.1: entries must be named 0 to 0, not '1'"),
        (rename(f"{STEPS}/1", f"{STEPS}/01"), f"{STEPS}.01: entries must be named 0 to 1, not '01'"),
        (set_attribute(STEPS, "2", 1), f"{STEPS}.2: must be "),
        (
            put(f"{STEPS}/1/factors", data=np.float64(0.5)),
            f"{STEPS}/1.after: must be float64 as factors is, not float32",
        ),
        (
            put(f"{STEPS}/1/factors", data=np.int64(1)),
            f"{STEPS}/1.factors: must be float32 or float64, not int64",
        ),
        # things of another kind
        (
            put(f"{CONV}/accumulator", data=1),
            f"{CONV}.accumulator: must be Accumulator (a group), not a dataset",
        ),
        (
            set_attribute(f"{CONV}/accumulator", "inner", 1),
            f"{CONV}/accumulator.inner: must be there once, not in several ways",
        ),
        (
            lambda file: (drop(f"{CONV}/bias")(file), file[CONV].create_group("bias")),
            f"{CONV}.bias: must be an array of integers (a dataset), not a group",
        ),
        (
            lambda file: (drop(f"{CONV}/bias")(file), set_attribute(CONV, "bias", 1)(file)),
            f"{CONV}.bias: must be an array of integers (a dataset), not an attribute",
        ),
        (set_attribute(f"{CONV}/weight", "unit", 1), f"{CONV}/weight.unit: attribute is unknown"),
        (put("/nodes/odd", data=1), "/nodes/odd: must be a group"),
        (set_attribute("/nodes", "odd", 1), "/nodes/odd: must be a group"),
        (
            rename("/nodes/relu", "/nodes/100%"),
            "/nodes/100%: name must have two hex digits after every %, not '100%'",
        ),
        (
            lambda file: file["/nodes/relu"].attrs.create("output_quantization", 1),
            "/nodes/relu.output_quantization: must be a field of clamp (lo, hi), not 'output_quantization'",
        ),
        (
            lambda file: file.create_group("/nodes/relu/output_quantization/1"),
            "/nodes/relu/output_quantization/1: must be the number of an output, 0 to 0",
        ),
    ],
)
def test_one_mistake(change, expected, tmp_path):
    found = findings_of(spoiled(tmp_path / "model.h5", change))
    assert len(found) == 1, found
    assert found[0].startswith(expected), found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            set_attribute(CONV, "inputs", np.array([b"y"])),
            f"{CONV}: input 'y' must be made before it is read. [N2]",
        ),
        (
            set_attribute(CONV, "inputs", np.array([b"x", b"x"])),
            f"{CONV}: conv2d takes 1 inputs, not 2. [N2]",
        ),
        (set_attribute(CONV, "outputs", np.array([b"x"])), "/inputs/x: name must be unique. [N1]"),
        (
            set_attribute("/inputs/x", "shape", [4, 4]),
            f"{CONV}: conv2d: input must have shape (H, W, C), not (4, 4). [R1]",
        ),
    ],
)
def test_rules_of_the_network(change, expected, tmp_path):
    """The graph's own rules come last, with the HDF5 path of the node; what follows from one is told too."""
    assert findings_of(spoiled(tmp_path / "model.h5", change))[0] == expected


def test_the_whole_message(tmp_path):
    path = spoiled(tmp_path / "model.h5", set_attribute(CONV, "stride", [0, 1]))
    message = f"{path}:{CONV}.stride: must be 1 to 65536, not (0, 1). [W3]"
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        load(path)


def test_all_mistakes_are_told_at_once(tmp_path):
    def change(file):
        drop_attribute("/", "source")(file)
        set_attribute(CONV, "stride", [1, 1, 1])(file)
        drop(f"{CONV}/weight")(file)
        set_attribute("/nodes/relu", "op", np.bytes_("rely"))(file)
        drop_attribute("/inputs/x", "shape")(file)

    found = findings_of(spoiled(tmp_path / "a.h5", change))
    assert [text.split(":")[0] for text in found] == [
        "/.source",
        "/inputs/x.shape",
        f"{CONV}.weight",
        "/nodes/relu.op",
    ]  # a stride of three is a rule of the record, which is not built without its weight


def test_a_long_list_is_cut(tmp_path):
    def change(file):
        for index in range(200):
            file.attrs[f"extra{index}"] = index

    found = findings_of(spoiled(tmp_path / "a.h5", change))
    assert len(found) == 51
    assert found[-1] == " and 150 more"


def test_annotations_of_other_outputs(tmp_path):
    def change(file):
        file.move("/nodes/s/output_quantization/1", "/nodes/s/output_quantization/3")

    found = findings_of(spoiled(tmp_path / "a.h5", change, split_network()))
    assert found == ["/nodes/s/output_quantization/3: must be the number of an output, 0 to 2"]


def test_a_field_that_the_op_lets_be_nothing(tmp_path):
    """Without its `tile`, an accumulator with an inner one breaks a rule; without both it is a plain one."""
    path = spoiled(tmp_path / "a.h5", drop_attribute(f"{CONV}/accumulator", "tile"))
    assert findings_of(path) == [f"{CONV}/accumulator.inner: needs a tile. [A3]"]
    with h5py.File(path, "r+") as file:
        del file[f"{CONV}/accumulator/inner"]
    assert load(path).node("conv/acc.1").op.accumulator.inner is None


def test_an_extra_op_has_a_name_of_its_own(tmp_path):
    save(small_network(), tmp_path / "a.h5")
    op = type(small_network().node("relu").op)
    with pytest.raises(SpecError, match=r"^extra op must have a name of its own, not 'clamp'$"):
        load(tmp_path / "a.h5", extra_ops=[op])
