"""The checker: what it accepts, and every way of tampering that it has to find."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from golden.make_digits import FOLDER, NETWORKS
from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Clamp,
    Interval,
    Multiply,
    Overflow,
    Requantization,
    Rounding,
    ShiftRight,
    Topology,
    ZeroPointPlace,
)
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import BatchMatmul, Conv2d, Dense, DepthwiseConv2d, Requantize, TransposeConv2d
from intsim.storage import load, save
from intsim.verify import check_certificate
from intsim.verify.certificate import text_of
from intsim.verify.prove import prove
from tests.verify.certified import certify, copied, disagreements, examined

CHECKER = Path(check_certificate.__file__)


def check(certificate, network):
    return check_certificate.examine(certificate, network).findings


INT16, INT20 = IntFormat(16), IntFormat(20)
RANGE = Interval(-100, 90)


def small_network(accumulator=None):
    """A grouped convolution through tiles, a requantization per channel, and a dense layer."""
    builder = NetworkBuilder()
    image = builder.input("image", (4, 4, 2), IntFormat(8))
    tiles = accumulator or Accumulator(
        INT20,
        Overflow.SATURATE,
        order="chw",
        tile=3,
        inner=Accumulator(INT16, Overflow.TRAP),
        bias=BiasPlace.FIRST,
        zero_point=ZeroPointPlace.PRELOAD,
    )
    weight = np.arange(-13, 14).repeat(2)[:36].reshape(2, 3, 3, 2)
    sums = builder.add(
        Conv2d(
            weight=weight, bias=[70, -9], input_zero_point=-3, padding=((1, 1), (1, 1)), accumulator=tiles
        ),
        image,
        name="conv",
    )
    rule = Requantization(
        (
            Multiply(multipliers=[3, 7]),
            ShiftRight(bits=6, rounding=Rounding.HALF_EVEN),
            Clamp(lo=-50, hi=[40, 60]),
        )
    )
    code = builder.add(Requantize(requantization=rule), sums, name="code")
    dense = Dense(weight=[[5, -7], [100, 90]], accumulator=Accumulator(INT16, topology=Topology.TREE))
    builder.output(builder.add(dense, code, name="dense"))
    return builder.build()


@pytest.fixture
def small(tmp_path):
    return certify(tmp_path, small_network(), {"image": RANGE})


def test_it_accepts_what_is_true(small):
    claims, path = small
    outcome = examined(path, claims)
    assert outcome == ([], ["input image is within (-100, 90)"], [], 2)
    assert claims["proved"] is True
    assert check(str(path.with_suffix(".json")), str(path)) == []


# Accumulators of every kind, in every op that has one


ACCUMULATORS = {
    "wrap": Accumulator(),
    "saturate": Accumulator(INT20, Overflow.SATURATE),
    "trap": Accumulator(INT20, Overflow.TRAP),
    "bias first": Accumulator(INT20, Overflow.SATURATE, bias=BiasPlace.FIRST),
    "preload": Accumulator(INT20, Overflow.SATURATE, zero_point=ZeroPointPlace.PRELOAD),
    "after": Accumulator(INT20, Overflow.SATURATE, zero_point=ZeroPointPlace.AFTER),
    "tree": Accumulator(INT20, Overflow.SATURATE, topology=Topology.TREE, zero_point=ZeroPointPlace.PRELOAD),
    "exact tiles": Accumulator(INT20, Overflow.SATURATE, tile=2),
    "inner register": Accumulator(
        tile=2, inner=Accumulator(INT16, Overflow.SATURATE, topology=Topology.TREE)
    ),
    "inner tile": Accumulator(
        tile=3, inner=Accumulator(INT20, tile=2, inner=Accumulator(INT16), topology=Topology.TREE)
    ),
    "inner after": Accumulator(
        INT20, tile=3, inner=Accumulator(IntFormat(10)), zero_point=ZeroPointPlace.AFTER
    ),
    "ring": Accumulator(INT16, tile=2, inner=Accumulator(IntFormat(17))),
    "narrow ring": Accumulator(IntFormat(9), tile=2, inner=Accumulator(IntFormat(9))),
    "narrow inner": Accumulator(tile=2, inner=Accumulator(IntFormat(9))),
    "inner preload": Accumulator(tile=2, inner=Accumulator(IntFormat(9)), zero_point=ZeroPointPlace.PRELOAD),
    "unsigned": Accumulator(IntFormat(16, signed=False), Overflow.SATURATE),
    "another order": Accumulator(INT16, Overflow.SATURATE, order="wch"),
}
OPS = {
    "dense": lambda acc: Dense(
        weight=[[1, -9], [7, 8]], weight_zero_point=[0, 2], bias=[1, 2], accumulator=acc
    ),
    "conv2d": lambda acc: Conv2d(
        weight=np.arange(-9, 9).reshape(2, 3, 3, 1),
        groups=2,
        input_zero_point=5,
        weight_zero_point=1,
        padding=((1, 0), (2, 1)),
        dilation=(2, 1),
        accumulator=acc,
    ),
    "depthwise_conv2d": lambda acc: DepthwiseConv2d(
        weight=np.arange(-9, 7).reshape(2, 2, 2, 2),
        input_zero_point=300,
        stride=(2, 1),
        padding=((1, 1), (1, 1)),
        accumulator=acc,
    ),
    "transpose_conv2d": lambda acc: TransposeConv2d(
        weight=np.arange(-9, 9).reshape(1, 3, 3, 2),
        output_size=(9, 8),
        stride=(2, 2),
        offset=(0, 1),
        input_zero_point=-1,
        accumulator=acc,
    ),
}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("kind", ACCUMULATORS)
def test_every_accumulator_in_every_op(kind, op, tmp_path):
    builder = NetworkBuilder()
    x = builder.input("x", (4, 4, 2), IntFormat(8))
    builder.output(builder.add(OPS[op](ACCUMULATORS[kind]), x, name="sums"))
    ranges = {"x": Interval(np.array([-3, 20], object), np.array([10, 30], object))}
    network = builder.build()
    claims, path = certify(tmp_path, network, ranges)
    assert examined(path, claims).findings == []
    assert disagreements(path, claims) == []
    verdicts = [verdict == "proved" for verdict in prove(network, ranges, witnesses=False).nodes[0].verdicts]
    said = np.broadcast_to(claims["nodes"]["sums"]["proved"], len(verdicts))
    assert np.array_equal(said, verdicts) or op != "dense"
    assert np.all(verdicts | ~said)  # windows that reach over an edge are proved with more room


@pytest.mark.parametrize("kind", ACCUMULATORS)
def test_every_accumulator_of_two_tensors(kind, tmp_path):
    builder = NetworkBuilder()
    x, y = builder.input("x", (3, 5), IntFormat(8)), builder.input("y", (3, 5), IntFormat(7))
    op = BatchMatmul(transpose_y=True, x_zero_point=-4, y_zero_point=9, accumulator=ACCUMULATORS[kind])
    builder.output(builder.add(op, x, y, name="sums"))
    claims, path = certify(tmp_path, builder.build(), {"x": Interval(-7, 3)})
    assert claims["nodes"]["sums"]["registers"] is None
    assert examined(path, claims) == ([], ["input x is within (-7, 3)"], ["sums"], 1)
    claims["nodes"]["sums"]["proved"] = claims["proved"] = True
    assert examined(path, claims).findings == ["nodes.sums.proved: must be False where nothing is claimed"]


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_golden_networks(name, tmp_path):
    claims, path = certify(tmp_path, load(FOLDER / name / "network.h5"))
    outcome = examined(path, claims)
    assert (outcome.findings, outcome.assumptions, outcome.unproved) == ([], [], [])
    assert claims["proved"] is True


def test_an_assumed_datapath_is_told(tmp_path):
    assumed = Accumulator(INT20, Overflow.SATURATE)
    claims, path = certify(tmp_path, small_network(assumed), {"image": RANGE}, stored=small_network())
    assert claims["assumptions"]["datapath"] == ["conv"]
    outcome = examined(path, claims)
    assert outcome.findings == []
    assert outcome.assumptions[1].startswith("node conv sums through {")


def test_what_is_not_proved_is_told(tmp_path):
    claims, path = certify(tmp_path, small_network(Accumulator(IntFormat(9), Overflow.SATURATE)))
    assert claims["proved"] is False
    assert examined(path, claims) == ([], [], ["conv"], 2)


# Tampering with the claims. Every entry: the path to a place, what stands there instead, what is said.

GONE = object()
TAMPERINGS = {
    "another file's hash": ("network.sha256", "0" * 64, "network.sha256: must be "),
    "hash in upper case": ("network.sha256", str.upper, "network.sha256: must be "),
    "another format": ("format", "intsim-network", "format: must have the form"),
    "another version": ("format_version", 2, "format_version: must have the form"),
    "version true": ("format_version", True, "format_version: must have the form"),
    "wider register": (
        "nodes.conv.accumulator.format",
        "int21",
        "nodes.conv.accumulator: must be {",
    ),
    "unknown format": (
        "nodes.conv.accumulator.format",
        "in20",
        "nodes.conv.accumulator.format: must have the form",
    ),
    "too wide a format": (
        "nodes.conv.accumulator.format",
        "int65",
        "nodes.conv.accumulator.format: must have the form",
    ),
    "format as a number": (
        "nodes.conv.accumulator.format",
        20,
        "nodes.conv.accumulator.format: must have the form",
    ),
    "another overflow": (
        "nodes.conv.accumulator.overflow",
        "wrap",
        "nodes.conv.accumulator: must be {",
    ),
    "unknown overflow": (
        "nodes.conv.accumulator.overflow",
        "WRAP",
        "nodes.conv.accumulator.overflow: must have the form",
    ),
    "overflow as a list": (
        "nodes.conv.accumulator.overflow",
        ["wrap"],
        "nodes.conv.accumulator.overflow: must have the form",
    ),
    "another order": (
        "nodes.conv.accumulator.order",
        "hwc",
        "nodes.conv.accumulator: must be {",
    ),
    "order by places": (
        "nodes.conv.accumulator.order",
        list(range(18)),
        "nodes.conv.accumulator: must be {",
    ),
    "order that repeats": (
        "nodes.conv.accumulator.order",
        [0, 0],
        "nodes.conv.accumulator: must be {",
    ),
    "order of nothing": (
        "nodes.conv.accumulator.order",
        None,
        "nodes.conv.accumulator.order: must have the form",
    ),
    "another topology": (
        "nodes.conv.accumulator.topology",
        "tree",
        "nodes.conv.accumulator: must be {",
    ),
    "another tile": ("nodes.conv.accumulator.tile", 4, "nodes.conv.accumulator: must be {"),
    "tile of none": ("nodes.conv.accumulator.tile", None, "nodes.conv.accumulator: must be {"),
    "tile true": ("nodes.conv.accumulator.tile", True, "nodes.conv.accumulator.tile: must have the form"),
    "wider inner register": (
        "nodes.conv.accumulator.inner.format",
        "int32",
        "nodes.conv.accumulator: must be {",
    ),
    "inner overflow": (
        "nodes.conv.accumulator.inner.overflow",
        "saturate",
        "nodes.conv.accumulator: must be {",
    ),
    "exact inside": ("nodes.conv.accumulator.inner", None, "nodes.conv.accumulator: must be {"),
    "inner bias": (
        "nodes.conv.accumulator.inner.bias",
        "last",
        "nodes.conv.accumulator.inner.bias: must have the form",
    ),
    "bias elsewhere": (
        "nodes.conv.accumulator.bias",
        "last",
        "nodes.conv.accumulator: must be {",
    ),
    "zero point elsewhere": (
        "nodes.conv.accumulator.zero_point",
        "after",
        "nodes.conv.accumulator: must be {",
    ),
    "an invented datapath": ("assumptions.datapath", ["conv"], "assumptions.datapath: must not name 'conv'"),
    "a datapath of no node": (
        "assumptions.datapath",
        ["code"],
        "assumptions.datapath: must be of ['conv', 'dense']",
    ),
    "datapath as a text": ("assumptions.datapath", "conv", "assumptions.datapath: must have the form"),
    "wider input": ("assumptions.inputs.image.hi", 120, "final: must contain "),
    "input beyond its format": (
        "assumptions.inputs.image.hi",
        128,
        "assumptions.inputs.image: must be inside (-128, 127), not (-100, 128)",
    ),
    "empty input": (
        "assumptions.inputs.image.hi",
        -101,
        "assumptions.inputs.image: must not be empty, not (-100, -101)",
    ),
    "input dropped": ("assumptions.inputs.image", GONE, "assumptions.inputs: must be of ['image']"),
    "input added": ("assumptions.inputs.x", {"lo": 0, "hi": 0}, "assumptions.inputs: must be of ['image']"),
    "one end per channel": (
        "assumptions.inputs.image.lo",
        [-100, -100],
        "assumptions.inputs.image: must have as many values in lo as in hi",
    ),
    "narrower tensor": (
        "tensors.code.hi.0",
        39,
        "tensors.code: must contain (-50, 40), not (-50, 39)",
    ),
    "tensor beyond its format": (
        "tensors.code.hi.0",
        300,
        "tensors.code: must be inside (-128, 127), not (-50, 300)",
    ),
    "tensor of no node": ("tensors.image", {"lo": 0, "hi": 0}, "tensors: must be outputs of nodes"),
    "tensor dropped": ("tensors", {}, "nodes.dense.registers.0.final: must contain "),
    "tensors as a list": ("tensors", [], "tensors: must have the form"),
    "narrower final": (
        "nodes.conv.registers.0.final.hi.1",
        lambda v: v - 1,
        "conv.registers.0.final: must contain ",
    ),
    "narrower partial": (
        "nodes.conv.registers.0.partial.lo.0",
        lambda v: v + 1,
        "conv.registers.0.partial: must contain",
    ),
    "narrower inner final": (
        "nodes.conv.registers.1.final.lo.0",
        lambda v: v + 1,
        "conv.registers.1.final: must contain",
    ),
    "narrower inner partial": (
        "nodes.conv.registers.1.partial.hi.1",
        lambda v: v - 1,
        "registers.1.partial: must contain",
    ),
    "wider than the register": (
        "nodes.conv.registers.0.partial.hi.1",
        2**19,
        "conv.proved: must be [True, False] as the",
    ),
    "swapped channels": ("nodes.conv.registers.0.final.hi", lambda v: v[::-1], "final: must contain "),
    "channel dropped": (
        "nodes.conv.registers.0.final.hi",
        lambda v: v[:1],
        "final: must have as many values in lo as in hi",
    ),
    "channel added": (
        "nodes.conv.registers.0.final.hi",
        lambda v: [*v, 0],
        "final: must have as many values in lo as in hi",
    ),
    "no channel": (
        "nodes.conv.registers.0.final",
        {"lo": [], "hi": []},
        "nodes.conv.registers.0.final: must have as many values in lo as in hi",
    ),
    "register dropped": (
        "nodes.conv.registers",
        lambda v: v[:1],
        "conv.registers: must be a list of 2, outermost first",
    ),
    "register added": (
        "nodes.conv.registers",
        lambda v: [*v, v[0]],
        "conv.registers: must be a list of 2, outermost first",
    ),
    "registers swapped": ("nodes.conv.registers", lambda v: v[::-1], "conv.registers.0.final: must contain "),
    "verdict flipped": (
        "nodes.conv.proved",
        False,
        "nodes.conv.proved: must be True as the ranges say",
    ),
    "verdict one": ("nodes.conv.proved", 1, "nodes.conv.proved: must have the form"),
    "the whole's verdict": ("proved", False, "proved: must be True as the nodes say"),
    "node dropped": ("nodes.conv", GONE, "nodes: must be ['conv', 'dense']"),
    "node added": ("nodes.code", {}, "nodes.code.accumulator: must have the form"),
    "no nodes": ("nodes", None, "nodes: must have the form"),
    "key missing": ("nodes.conv.proved", GONE, "nodes.conv.proved: must have the form"),
    "section missing": ("tensors", GONE, "tensors: must have the form"),
    "key added": ("nodes.conv.note", "fine", "nodes.conv.note: must have the form"),
    "real number": (
        "nodes.conv.registers.0.final.hi.1",
        1.0,
        "invalid literal for int() with base 10: '1.0'",
    ),
    "real with an exponent": (
        "nodes.conv.registers.0.final.hi.1",
        1e30,
        "invalid literal for int() with base 10: '1e+30'",
    ),
    "not a number": (
        "nodes.conv.registers.0.final.hi.1",
        float("nan"),
        "invalid literal for int() with base 10: 'NaN'",
    ),
    "infinite": (
        "nodes.conv.registers.0.final.hi.1",
        float("inf"),
        "invalid literal for int() with base 10: 'Infinity'",
    ),
    "text for a number": (
        "nodes.conv.registers.0.final.hi.1",
        "7",
        "nodes.conv.registers.final.hi: must have the form",
    ),
    "true for a number": (
        "nodes.conv.registers.0.final.hi.1",
        True,
        "nodes.conv.registers.final.hi: must have the form",
    ),
    "a huge number": (
        "nodes.conv.registers.0.final.hi.1",
        2**256,
        "nodes.conv.registers.final.hi: must have the form",
    ),
    "list in a list": (
        "nodes.conv.registers.0.final.hi.1",
        [1],
        "nodes.conv.registers.final.hi: must have the form",
    ),
    "range as a list": (
        "nodes.conv.registers.0.final",
        [0, 1],
        "nodes.conv.registers.final: must have the form",
    ),
}


def tampered(claims, path, value):
    claims = copied(claims)
    *above, last = (int(key) if key.isdigit() else key for key in path.split("."))
    place = claims
    for key in above:
        place = place[key]
    if value is GONE:
        del place[last]
    else:
        place[last] = value(place[last]) if callable(value) else value
    return claims


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_tampering_is_found(kind, small):
    claims, path = small
    place, value, message = TAMPERINGS[kind]
    findings = examined(path, tampered(claims, place, value)).findings
    assert any(message in finding for finding in findings), findings
    assert all("\n" not in finding for finding in findings)


def test_the_tamperings_are_of_a_certificate_that_is_accepted(small):
    assert len(TAMPERINGS) >= 25
    claims, path = small
    assert examined(path, claims).findings == []


# Tampering with the text


TEXTS = {
    "empty": (lambda text: "", "cannot be followed: "),
    "cut off": (lambda text: text[: len(text) // 2], "cannot be followed: "),
    "more behind": (lambda text: text + "{}", "cannot be followed: "),
    "a list": (lambda text: "[]", "certificate: must have the form"),
    "a key twice": (lambda text: text.replace("{", '{"format": 1,', 1), "keys must be there once"),
    "a node twice": (
        lambda text: text.replace('"dense": {', '"dense": 1, "dense": {'),
        "keys must be there once",
    ),
    "nested deeply": (lambda text: '{"nodes":' * 100_000, "RecursionError"),
    "lists nested deeply": (lambda text: "[" * 100_000 + "]" * 100_000, "RecursionError"),
    "digits without end": (lambda text: "9" * 10_000, "Exceeds the limit"),
    "a byte that is no text": (lambda text: "\udcff", "cannot be followed: "),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_is_no_certificate(kind, small):
    claims, path = small
    change, message = TEXTS[kind]
    written = path.with_suffix(".json")
    written.write_bytes(change(text_of(claims)).encode("utf-8", "surrogateescape"))
    (finding,) = check(str(written), str(path))
    assert message in finding


def test_deep_registers_are_an_error_without_a_trace(small):
    claims, path = small
    inner = None
    for _ in range(400):
        inner = {"format": "int16", "overflow": "trap", "topology": "chain", "tile": 1, "inner": inner}
    outcome = examined(path, tampered(claims, "nodes.conv.accumulator.inner", inner))
    assert outcome.findings


# Another network


def test_another_network(small, tmp_path):
    claims, _ = small
    other = tmp_path / "other.h5"
    save(small_network(Accumulator()), other)
    (finding,) = examined(other, claims).findings
    assert finding.startswith("network.sha256: must be ")


def test_another_weight_under_the_same_name(small):
    claims, path = small
    with h5py.File(path, "r+") as file:
        file["nodes/conv/weight"][0, 0, 0, 0] = 90
    assert examined(path, claims).findings[0].startswith("network.sha256: must be ")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    findings = examined(path, tampered(claims, "network.sha256", digest)).findings
    assert any(finding.startswith("nodes.conv.registers.") for finding in findings)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.__delitem__("nodes/conv/weight"),
        lambda file: file["nodes/conv"].attrs.__setitem__("stride", 7),
        lambda file: file["nodes/code"].attrs.__setitem__("op", np.bytes_("invented")),
        lambda file: file["nodes/code"].attrs.__setitem__("op_version", 2),
        lambda file: file["nodes/code"].attrs.__setitem__("inputs", np.array(["none"], "S")),
        lambda file: file["inputs"].__delitem__("image"),
    ],
    ids=["no weight", "stride", "unknown op", "another version", "input of nothing", "no input"],
)
def test_a_damaged_network(damage, small):
    claims, path = small
    with h5py.File(path, "r+") as file:
        damage(file)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert examined(path, tampered(claims, "network.sha256", digest)).findings


def test_no_network_at_all(small, tmp_path):
    claims, path = small
    nothing = tmp_path / "nothing.h5"
    (finding,) = check(str(path.with_suffix(".json")), str(nothing))
    assert "cannot be followed: FileNotFoundError" in finding
    nothing.write_bytes(b"nothing")
    digest = hashlib.sha256(b"nothing").hexdigest()
    (finding,) = examined(nothing, tampered(claims, "network.sha256", digest)).findings
    assert "cannot be followed" in finding


def test_it_stands_alone(small, tmp_path):
    """A copy of the file runs without intsim, and its status is the verdict."""
    claims, path = small
    examined(path, claims)
    shutil.copy(CHECKER, tmp_path)
    (tmp_path / "intsim.py").write_text("raise ImportError", encoding="utf-8")
    command = [sys.executable, "check_certificate.py", str(path.with_suffix(".json")), str(path)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    outcome = {"findings": [], "assumptions": ["input image is within (-100, 90)"], "unproved": [], "sums": 2}
    assert (said.returncode, json.loads(said.stdout)) == (0, outcome), said
    examined(path, tampered(claims, "format_version", 9))
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (said.returncode, "certificate.format_version: must " in said.stdout) == (1, True)
    said = subprocess.run(command[:3], capture_output=True, text=True, cwd=tmp_path)
    assert (said.returncode, said.stdout) == (2, "")


def test_it_is_one_short_file_that_shares_nothing():
    """Python's own library and h5py, and no more than can be read in ten minutes."""
    text = CHECKER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 445
    assert CHECKER.suffix == ".py"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert all(alias.name in (*sys.stdlib_module_names, "h5py") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert (node.module or "").split(".")[0] in sys.stdlib_module_names
