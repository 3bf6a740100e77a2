"""intsim info, check-model, ops, formats and dialects."""

import json

import h5py
import numpy as np
import pytest

from intsim.arithmetic.dialects import DIALECTS
from intsim.formats import IntFormat
from intsim.formats.table import FORMATS
from intsim.network import NetworkBuilder
from intsim.ops import OPS, BatchMatmul, Conv2d, DepthwiseConv2d
from intsim.record import schema
from intsim.storage import save
from tests.cli.files import call, setup, small


@pytest.fixture
def network(tmp_path):
    return setup(tmp_path)[0]


def test_info(network, capsys):
    done = call(capsys, "info", network)
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        "by hand\n"
        "\n"
        "        tensor  format  shape  stands for\n"
        "input   x       int8    4      0.5 * (q - 1)\n"
        "output  relu    int8    2\n"
        "\n"
        "op          format  shape  accumulator  MACs  parameters  weight bits  node\n"
        "dense       int32   2      int32 wrap      8          10           64  fc/acc\n"
        "requantize  int8    2                      0           0            0  fc\n"
        "clamp       int8    2                      0           0            0  relu\n"
        "\n"
        "MACs         8\n"
        "parameters   10\n"
        "weight bits  64\n"
    )


def test_info_as_json(network, capsys):
    done = call(capsys, "info", network, "--json")
    assert done.status == 0
    told = json.loads(done.out)
    assert told["source"] == "by hand"
    assert told["inputs"] == [
        {"name": "x", "format": "int8", "shape": [4], "scale": [0.5], "zero_point": [1], "axis": None}
    ]
    assert told["outputs"] == [{"name": "relu", "format": "int8", "shape": [2]}]
    assert (told["macs"], told["parameters"], told["weight_bits"]) == (8, 10, 64)
    assert [node["name"] for node in told["nodes"]] == ["fc/acc", "fc", "relu"]


def test_multiply_accumulates(tmp_path, capsys):
    """By hand: 16 places, 5 channels, 3 * 3 * 2 taps; 16, 6 * 1, 9; and 4 * 6 * 5 of a matrix product."""
    n = NetworkBuilder()
    x = n.input("x", (4, 4, 4), IntFormat(8))
    y, z = n.input("y", (4, 5), IntFormat(8)), n.input("z", (6, 5), IntFormat(8))
    pad = ((1, 1), (1, 1))
    n.output(
        n.add(
            Conv2d(weight=np.ones((6, 3, 3, 2), int), weight_format=IntFormat(4), groups=2, padding=pad),
            x,
            name="c",
        ),
        n.add(
            DepthwiseConv2d(weight=np.ones((4, 1, 3, 3), int), padding=pad, bias=[1, 2, 3, 4]), x, name="d"
        ),
        n.add(BatchMatmul(transpose_y=True), y, z, name="m"),
    )
    save(n.build(), tmp_path / "net.h5")
    nodes = json.loads(call(capsys, "info", tmp_path / "net.h5", "--json").out)["nodes"]
    assert [node["macs"] for node in nodes] == [16 * 6 * 18, 16 * 4 * 9, 4 * 6 * 5]
    assert [node["weight_bits"] for node in nodes] == [6 * 18 * 4, 36 * 8, 0]
    assert [node["parameters"] for node in nodes] == [6 * 18 + 1, 36 + 4, 0]


def test_check_model(network, capsys):
    done = call(capsys, "check-model", network)
    assert (done.status, done.out, done.err) == (0, f"{network}: valid, 3 nodes\n", "")
    done = call(capsys, "check-model", network, "--json")
    assert (done.status, json.loads(done.out)) == (0, {"valid": True, "findings": []})


def test_check_model_of_a_bad_file(network, capsys):
    with h5py.File(network, "r+") as file:
        del file["nodes/relu"].attrs["lo"]
        file["nodes/fc"].attrs["op_version"] = 9
    where = f"{network}:/nodes/"
    found = [
        (f"{where}fc.op_version", "must be 1 for requantize, not 9"),
        (f"{where}relu.lo", "must be an integer (an attribute), not missing"),
    ]
    done = call(capsys, "check-model", network)
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines() == [f"intsim: error: {place}: {what}" for place, what in found]
    done = call(capsys, "check-model", network, "--json")
    assert (done.status, done.err) == (2, "")
    findings = [{"where": place, "what": what} for place, what in found]
    assert json.loads(done.out) == {"valid": False, "findings": findings}


def test_ops(capsys):
    done = call(capsys, "ops")
    assert (done.status, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == sorted(OPS)
    told = json.loads(call(capsys, "ops", "--json").out)
    assert [entry["name"] for entry in told] == sorted(OPS)
    assert all(entry["summary"] for entry in told)


@pytest.mark.parametrize("name", sorted(OPS))
def test_one_op(name, capsys):
    done = call(capsys, "ops", name)
    assert (done.status, done.err) == (0, "")
    told = json.loads(call(capsys, "ops", name, "--json").out)
    op = OPS[name]
    assert told["name"] == name
    assert told["version"] == op.version
    assert "Rules" in told["rules"]
    assert [entry["name"] for entry in told["fields"]] == [entry.name for entry, _ in schema(op)]
    for entry in told["fields"]:
        assert entry["meaning"]
        assert f"\n  {entry['name']}: {entry['type']}" in done.out
        assert "attribute" in entry["type"] or "dataset" in entry["type"] or "group" in entry["type"]


def test_the_records_of_an_op(capsys):
    told = json.loads(call(capsys, "ops", "requantize", "--json").out)
    names = [record["name"] for record in told["records"]]
    assert names[:3] == ["Requantization", "Add", "ShiftLeft"]
    assert "Register" in names
    assert len(names) == len(set(names))
    told = json.loads(call(capsys, "ops", "conv2d", "--json").out)
    assert [record["name"] for record in told["records"]] == ["Accumulator", "Bipolar", "Ternary", "Codebook"]


def test_formats(capsys):
    assert "int1 to int64" in call(capsys, "formats").out
    listed = json.loads(call(capsys, "formats", "--json").out)
    assert [entry["name"] for entry in listed[3:]] == list(FORMATS)
    assert all(entry["source"] and entry["bits"] for entry in listed[3:])
    done = call(capsys, "formats", "int2")
    assert done.status == 0
    assert done.out.endswith("\n\ncode  value\n00        0\n01        1\n10       -2\n11       -1\n")
    told = json.loads(call(capsys, "formats", "uint2", "--json").out)
    assert told == {"name": "uint2", "bits": 2, "min": 0, "max": 3, "codes": [0, 1, 2, 3]}
    told = json.loads(call(capsys, "formats", "int64", "--json").out)
    assert told == {"name": "int64", "bits": 64, "min": -(2**63), "max": 2**63 - 1}
    assert json.loads(call(capsys, "formats", "float32", "--json").out)["bits"] == 32


@pytest.mark.parametrize(
    ("name", "bits", "codes"),
    [
        ("e2m1", 4, [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]),
        ("bipolar", 1, [-1, 1]),
        ("ternary", 2, [-1, 0, 1, "nan"]),
        ("MXFP4", 4, [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]),
        ("mx4", 3, [0, 0.5, 1, 1.5, 0, -0.5, -1, -1.5]),
        ("Q4_0", 4, list(range(-8, 8))),
    ],
)
def test_codes_of_a_low_bit_format(name, bits, codes, capsys):
    told = json.loads(call(capsys, "formats", name, "--json").out)
    assert (told["name"], told["bits"], told["codes"]) == (name.lower(), bits, codes)
    last = call(capsys, "formats", name).out.splitlines()[-1].split()
    assert (last[0], last[1].removesuffix(".0")) == (f"{2**bits - 1:b}", str(codes[-1]))


@pytest.mark.parametrize("name", FORMATS)
def test_every_low_bit_format(name, capsys):
    done = call(capsys, "formats", name)
    assert (done.status, done.err) == (0, "")
    told = json.loads(call(capsys, "formats", name, "--json").out)
    assert told["name"] == name
    assert ("codes" in told) == (told["bits"] <= 8)
    assert len(told.get("codes", [])) in (0, 2 ** told["bits"])


def test_specials_among_codes_are_words(capsys):
    codes = json.loads(call(capsys, "formats", "e5m2", "--json").out)["codes"]
    assert [codes[code] for code in (0x7B, 0x7C, 0x7F, 0xFC)] == [57344, "inf", "nan", "-inf"]
    assert json.loads(call(capsys, "formats", "e8m0", "--json").out)["codes"][-2:] == [2.0**127, "nan"]
    assert json.loads(call(capsys, "formats", "nvfp4", "--json").out)["bits_per_element"] == 4.5


def test_dialects(capsys):
    done = call(capsys, "dialects")
    assert (done.status, done.err) == (0, "")
    listed = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert listed[: len(DIALECTS)] == list(DIALECTS)
    told = json.loads(call(capsys, "dialects", "--json").out)
    assert {entry["name"] for entry in told} >= set(DIALECTS)
    told = json.loads(call(capsys, "dialects", "tflite-double", "--json").out)
    assert told["source"] == DIALECTS["tflite-double"].source


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ops", "conv9"), "op must be one of add, "),
        (("formats", "int65"), "IntFormat.bits: must be 1 to 64, not 65"),
        (
            ("formats", "double"),
            "format must be int1 to int64 or uint1 to uint64, not 'double'. `intsim formats` lists",
        ),
        (("dialects", "nobody"), "dialect must be one of "),
    ],
)
def test_names_that_are_none(arguments, said, capsys):
    done = call(capsys, *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"intsim: error: {said}")


@pytest.mark.parametrize("verb", ["info", "check-model"])
def test_files_that_are_none(verb, tmp_path, capsys):
    (tmp_path / "a.h5").write_text("no HDF5")
    done = call(capsys, verb, tmp_path / "a.h5")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"intsim: error: {tmp_path / 'a.h5'}: must be a whole HDF5 file: ")
    assert small().nodes
