"""The writer in one file says all that intsim knows, and what it writes is what intsim would have written."""

import ast
import doctest
import functools
import operator
import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, get_args, get_origin

import h5py
import intsim_converters.writer as module
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intsim_converters.writer import CHOICES, OPS, RECORDS, REQUIRED, NetworkWriter, WriterError

from intsim import IntFormat, NetworkBuilder, Quantization, RealFormat, TensorSpec, load, ops, run, save
from intsim.arithmetic import (
    Accumulator,
    Add,
    BiasPlace,
    Clamp,
    Compare,
    Multiply,
    Overflow,
    Requantization,
    Rounding,
    Scale,
    ShiftRight,
    Thresholds,
    Topology,
    ZeroPointPlace,
)
from intsim.arithmetic.blocks import (
    BLOCK_ACCUMULATORS,
    Alignment,
    Anchor,
    BlockAccumulator,
    FixedRegister,
    FloatOverflow,
    FloatRegister,
    ScaleArithmetic,
    ScaleOrder,
    ScalePlace,
    SoftFloat,
    Tiny,
)
from intsim.arithmetic.encode import Beyond
from intsim.arithmetic.scale_mode import ScaleMode
from intsim.errors import FileError, SpecError
from intsim.formats import (
    AnyDiscrete,
    Bipolar,
    BlockFormat,
    BlockSpecials,
    Codebook,
    Discrete,
    FixedPoint,
    Level,
    Minifloat,
    NanCodes,
    PowerOfTwo,
    Ternary,
    TernaryCoding,
    WeightFormat,
)
from intsim.formats.discrete import Listed
from intsim.formats.minifloat import BFLOAT16
from intsim.formats.table import FORMATS, name_of
from intsim.formats.trits import SignedTriples
from intsim.ops.block_planes import planes
from intsim.ops.group_dense import GroupScales
from intsim.record import Record, schema
from intsim.storage import kinds
from intsim.testing.case import Case, network_of
from tests.contract.registry import CASES

ENUMS = {
    Rounding: "rounding",
    Overflow: "overflow",
    Topology: "topology",
    BiasPlace: "bias place",
    ZeroPointPlace: "zero point place",
    Compare: "compare",
    ops.FloatFunction: "float function",
    ops.PadMode: "border",
    TernaryCoding: "ternary coding",
    NanCodes: "nan codes",
    GroupScales: "group scales",
    ScaleMode: "scale mode",
    Beyond: "beyond",
    BlockSpecials: "block specials",
    ScalePlace: "scale place",
    ScaleOrder: "scale order",
    Tiny: "tiny",
    FloatOverflow: "float overflow",
    Anchor: "anchor",
}
INTEGERS = {
    int: "integer",
    bool: "boolean",
    IntFormat: "format",
    RealFormat: "real format",
    WeightFormat: "weight format",
    WeightFormat | FixedPoint: "whole format",
    IntFormat | FixedPoint: "zero format",
    IntFormat | Minifloat: "code format",
    AnyDiscrete: "tensor format",
    Bipolar | Ternary: "sign format",
    FixedPoint | Minifloat | Bipolar | Ternary | Codebook: "element format",
    PowerOfTwo | Minifloat | FixedPoint: "scale format",
    Minifloat | FixedPoint: "number format",
    Minifloat: "float format",
    BlockFormat: "block format",
    BlockFormat | Minifloat | FixedPoint: "block or number format",
    tuple[int, int]: "pair",
    tuple[tuple[int, int], tuple[int, int]]: "padding",
    tuple[tuple[int, int], ...]: "pairs",
    tuple[int, ...]: "integers",
    str | tuple[int, ...]: "order",
}
ARRAYS = {
    "int64": {"array", "vector", "value or vector"},
    "codes": {"codes", "codes in format", "codes in slope_format", "codes in int16"},
    "real": {"real vector", "real value", "real value or vector"},
}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
every_op = pytest.mark.parametrize("name", sorted(ops.OPS))
every_op_with_fields = pytest.mark.parametrize("name", sorted(name for name in OPS if OPS[name]))
few = settings(max_examples=6, suppress_health_check=SLOW, deadline=None)


# ---- The tables are intsim's own -------------------------------------------------------------------------


def kinds_of(annotation):
    """The kinds that the writer may say for a field of this type."""
    if annotation in INTEGERS or annotation in ENUMS:
        return {(INTEGERS | ENUMS)[annotation]}
    if get_origin(annotation) is Annotated:
        return ARRAYS[get_args(annotation)[1]]
    if get_origin(annotation) is tuple:
        return {f"list of {kind}" for kind in kinds_of(get_args(annotation)[0])}
    return {" | ".join(arm.__name__ for arm in kinds.arms(annotation))}


def arm_of(annotation):
    """The type of a field, None left out."""
    return functools.reduce(operator.or_, kinds.arms(annotation))


def plain(value, annotation):
    """A field's value as the writer takes it."""
    if isinstance(value, (IntFormat, RealFormat)):
        return str(value)
    if isinstance(value, (Discrete, BlockFormat)) and name_of(value):
        return name_of(value)
    if isinstance(value, Record):
        union = len(kinds.records(annotation)) > 1
        return {**({"type": type(value).__name__} if union else {}), **plain_fields(value)}
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, tuple) and any(isinstance(entry, Record) for entry in value):
        return [plain(entry, get_args(annotation)[0]) for entry in value]
    return value


def plain_fields(record):
    return {entry.name: plain(getattr(record, entry.name), hint) for entry, hint in schema(type(record))}


def check_table(record, table):
    """The writer's table of a record or an op: names, order, types, what may be left out, defaults."""
    fields = schema(record)
    assert [entry.name for entry, _ in fields] == list(table)
    for entry, annotation in fields:
        said = table[entry.name]
        packed = entry.metadata["format"]
        wanted = kinds_of(arm_of(annotation)) if packed is None else {f"packed in {packed}"}
        assert said.kind in wanted, entry.name
        required = str(entry.default).startswith("<dataclasses._MISSING")
        assert (said.default is REQUIRED) == required, entry.name
        assert (said.default is None) == kinds.optional(annotation), entry.name
        if not required:
            default = entry.default
            if kinds.is_array(arm_of(annotation)) and default is not None:
                default = np.asarray(default)
            formats = {packed: module._format_of_name(table[packed].default)} if packed else {}
            written = said_of(module._conform(said, said.default, entry.name, formats))
            if packed:  # in the narrowest type of the format
                default = default.astype(written.dtype)
            assert same(written, plain(default, annotation)), entry.name


def said_of(value):
    """What is written for a value."""
    if isinstance(value, dict):
        return {name: said_of(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [said_of(entry) for entry in value]
    return said_of(value.said) if isinstance(value, module.Format) else value


def same(a, b):
    """Equality of plain values, arrays by dtype and shape."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b) and np.shape(a) == np.shape(b) and a.dtype == np.asarray(b).dtype
    return type(a) is type(b) and a == b


def records_of(record):
    """Every kind of record that is in another, with itself."""
    found, left = {}, [record]
    while left:
        here = left.pop()
        if here not in found.values():
            found[here.__name__] = here
            left += [inside for _, hint in schema(here) for inside in kinds.records(hint)]
    return found


@every_op
def test_an_op_is_said_as_intsim_has_it(name):
    op = ops.OPS[name]
    assert module.VERSIONS.get(name, 1) == op.version
    assert module.INPUTS.get(name, (1, 1)) == op.arity
    check_table(op, OPS[name])


def test_every_op_and_record_is_there():
    assert list(OPS) == sorted(ops.OPS)
    formats = Bipolar, Ternary, Codebook, FixedPoint, Minifloat, PowerOfTwo
    needed = {"Quantization": Quantization, **{format.__name__: format for format in formats}}
    for op in ops.OPS.values():
        needed |= {name: record for name, record in records_of(op).items() if record is not op}
    assert RECORDS.keys() == needed.keys()
    for name, record in needed.items():
        if record is Quantization:  # whose scale and zero_point the writer makes lists of
            assert [entry.name for entry, _ in schema(record)] == list(RECORDS[name])
        else:
            check_table(record, RECORDS[name])


def test_every_choice_is_there():
    assert {kind: tuple(m.name.lower() for m in enum) for enum, kind in ENUMS.items()} == CHOICES


def test_every_named_format_is_there():
    assert list(module.NAMED) == list(FORMATS)
    for name, entry in FORMATS.items():
        said, format = module._format_of_name(name), entry.format
        assert (said.said, said.type) == (name, type(format).__name__)
        assert same(said_of(said.record), {"type": said.type, **plain_fields(format)})
        if isinstance(format, Discrete):
            assert (said.bits, said.low, said.high) == (format.bits, format.min, format.max)
            assert said.dtype == format.storage


def test_every_field_has_a_rule_to_be_written_by():
    taken = {"name", "op", "inputs", "outputs", "quantization", "self"}
    assert not [name for op in OPS.values() for name in op if name in taken]
    assert module._GIVES.keys() == OPS.keys()
    assert module._RULES.keys() <= RECORDS.keys()
    assert module.INPUTS.keys() | module.READS.keys() | module.VERSIONS.keys() <= OPS.keys()


# ---- The file is the one that intsim writes --------------------------------------------------------------


def written(case, change=None, specs=None):
    """The network of a case as the writer has it.

    `change` does something to the op's plain fields; `specs` are the inputs', where they are not the case's.
    """
    w = NetworkWriter(writer="intsim")
    formats = [plain(spec.format, AnyDiscrete | RealFormat) for spec in specs or case.specs]
    names = [w.input(f"x{i}", spec.shape, formats[i]) for i, spec in enumerate(case.specs)]
    if not names:
        w.input("x0", (1,), "int8")
    fields = plain_fields(case.op)
    if change is not None:
        change(fields)
    count = len(case.op.infer(*case.specs))
    outputs = None if count == 1 else [f"y{i}" for i in range(count)]
    given = w.node("node", case.op.name, names, outputs=outputs, **fields)
    w.output(*([given] if outputs is None else given))
    return w


@every_op
@few
@given(data=st.data())
def test_the_same_network_is_the_same_bytes(name, data, tmp_path_factory):
    case, folder = data.draw(CASES[name]), tmp_path_factory.getbasetemp()
    network, w = network_of(case), written(case)
    w.save(folder / "written.h5")
    save(network, folder / "saved.h5")
    assert load(folder / "written.h5") == network
    assert (folder / "written.h5").read_bytes() == (folder / "saved.h5").read_bytes()
    for y in network.outputs:
        spec = network.specs[y]
        assert w.shape(y) == spec.shape
        assert same(said_of(w.format(y)), plain(spec.format, AnyDiscrete | RealFormat))


def test_names_lists_annotations_and_large_attributes(tmp_path):
    per_channel = {"scale": [0.5, 0.25], "zero_point": [1, -2], "axis": 0}
    order = tuple(range(8191, -1, -1))
    w = NetworkWriter(source="söurce", writer="intsim")
    x = w.input("a/b.c %", (8192,), "uint4", scale=0.1, zero_point=3)
    w.input("unused", (2, 3), "float64")
    d = w.node(
        "d",
        "dense",
        [x],
        quantization=per_channel,
        weight=np.ones((2, 8192), int),
        accumulator={"order": order},
    )
    left, right = w.node(
        "s", "split", [d], axis=0, sizes=[1, 1], outputs=["l", "r"], quantization=[None, {"scale": 2.0}]
    )
    w.output(right, d, left)
    w.save(tmp_path / "written.h5")

    b = NetworkBuilder(source="söurce")
    b.input("a/b.c %", (8192,), IntFormat(4, signed=False), Quantization.per_tensor(0.1, 3))
    b.input("unused", (2, 3), RealFormat(64))
    meaning = Quantization(np.array([0.5, 0.25]), np.array([1, -2]), 0)
    b.add(
        ops.Dense(weight=np.ones((2, 8192), int), accumulator=Accumulator(order=order)),
        "a/b.c %",
        name="d",
        quantization=meaning,
    )
    last = Quantization.per_tensor(2.0)
    b.add_many(ops.Split(0, (1, 1)), "d", name="s", outputs=("l", "r"), quantization=(None, last))
    b.output("r", "d", "l")
    save(b.build(), tmp_path / "saved.h5")
    assert load(tmp_path / "written.h5") == b.build()
    assert (tmp_path / "written.h5").read_bytes() == (tmp_path / "saved.h5").read_bytes()


@pytest.mark.parametrize(
    "format",
    [
        *(IntFormat(bits, signed) for bits in (1, 2, 3, 4, 6, 8) for signed in (False, True)),
        *(entry.format for entry in FORMATS.values() if isinstance(entry.format, Discrete)),
        *(Codebook(values=np.arange(-5, size - 5)[::-1]) for size in (2, 3, 16, 64, 300)),
        *(Bipolar(positive=0, zero=-1), PowerOfTwo(6, bias=3, down=True), Minifloat(3, 2, 0, signed=False)),
        *(FixedPoint(6, offset=9), FixedPoint(4, signed=False, offset=-20, exponent=2)),
    ],
    ids=str,
)
@pytest.mark.parametrize("count", [1, 9])
def test_stored_entries_of_every_format(format, count, tmp_path):
    entries = format.entries_of(np.random.default_rng(count).choice(all_codes(format), (count, 1)))
    w, b = NetworkWriter(writer="intsim"), NetworkBuilder()
    said = plain(format, AnyDiscrete)
    w.input("x", (count, 1), said)
    w.output(w.node("c", "concat", ["x", w.node("k", "constant", [], values=entries, format=said)], axis=1))
    b.input("x", (count, 1), format)
    b.output(b.add(ops.Concat(1), "x", b.add(ops.Constant(entries, format), name="k"), name="c"))
    w.save(tmp_path / "written.h5")
    save(b.build(), tmp_path / "saved.h5")
    assert (tmp_path / "written.h5").read_bytes() == (tmp_path / "saved.h5").read_bytes()
    assert load(tmp_path / "written.h5") == b.build()


def all_codes(format):
    """Every code that stands for something, of the first 65536."""
    codes = np.arange(min(1 << format.bits, 1 << 16))
    return codes if not isinstance(format, Listed) else format.listed()[1]


NODES = {
    **{f"block_dense-{name}": entry.accumulator for name, entry in BLOCK_ACCUMULATORS.items()},
    "block_dense-fixed": BlockAccumulator(
        alignment=Alignment(9, sticky=True, anchor=Anchor.LEADING),
        scale_arithmetic=ScaleArithmetic(SoftFloat(BFLOAT16), ScaleOrder.SUM_FIRST),
        register=FixedRegister(40, -3, Overflow.SATURATE, Rounding.HALF_EVEN),
        output=SoftFloat(Minifloat(4, 2, 9, nan=NanCodes.TOP_CODE), tiny=Tiny.AFTER, flush_inputs=True),
    ),
    "block_dense-tree": BlockAccumulator(
        register=FloatRegister(entering=SoftFloat(), topology=Topology.TREE, parts=3, interleaved=True)
    ),
    **{name: entry.format for name, entry in FORMATS.items() if isinstance(entry.format, BlockFormat)},
    "own": BlockFormat(
        Bipolar(positive=0, zero=-1),
        (
            Level(4, FixedPoint(3, offset=2), zero=FixedPoint(5)),
            Level(8, PowerOfTwo(3), offset_scale=BFLOAT16),
        ),
        packing=SignedTriples(),
        specials=BlockSpecials.NAN_SCALE,
    ),
}
"""Accumulators and formats of blocks, to be said in a node."""


@pytest.mark.parametrize("name", NODES)
def test_what_is_said_of_blocks(name, tmp_path):
    given = NODES[name]
    if isinstance(given, BlockAccumulator):
        fp8 = FORMATS["mxfp8-e4m3"].format
        weights = np.arange(130).reshape(2, 65) % 127
        op = ops.BlockDense(weights, (np.full((2, 3), 120),), fp8, fp8, accumulator=given)
        specs = TensorSpec((65,), fp8.element), TensorSpec((3,), fp8.levels[0].scale)
    else:
        op = ops.BlockDequantize(given)
        shared = ((-(-300 // plane.size) if plane.size else 1, plane.format) for plane in planes(given))
        specs = tuple(TensorSpec((size,), format) for size, format in ((300, given.element), *shared))
    case = Case(op, specs, ())
    written(case).save(tmp_path / "written.h5")
    save(network_of(case), tmp_path / "saved.h5")
    assert (tmp_path / "written.h5").read_bytes() == (tmp_path / "saved.h5").read_bytes()


def test_bits_and_trits(tmp_path):
    rng = np.random.default_rng(2)
    signs, trits = rng.choice([-1, 1], (5, 8)), rng.choice([-1, 0, 1], (3, 5))
    w = NetworkWriter()
    x = w.input("x", (8,), "bipolar")
    a = w.dense("a", x, signs, weight_format="bipolar", accumulator={"format": "int5"})
    s = w.requantize("s", a, rounding="floor", format="bipolar-dabnn")
    t = w.requantize("t", a, shift=1, rounding="half_even", format="ternary")
    w.output(w.dense("b", t, trits, weight_format="ternary"), s)
    w.save(tmp_path / "net.h5")
    values = rng.choice([-1, 1], (20, 8))
    result = run(load(tmp_path / "net.h5"), values)
    sums = values @ signs.T
    assert (result.outputs["s"] == np.where(sums > 0, 1, -1)).all()
    assert (result.outputs["b"] == np.clip(np.rint(sums / 2), -1, 1) @ trits.T).all()


def test_the_short_words(tmp_path):
    rng = np.random.default_rng(1)
    w1, w2 = rng.integers(-8, 8, (4, 3, 3, 2)), rng.integers(-8, 8, (4, 2, 3, 3))
    w3, factors = rng.integers(-8, 8, (5, 16)), np.float32([0.5, 0.25, 0.125, 1, 2])
    w = NetworkWriter()
    x = w.input("x", (8, 8, 2), "int8")
    c = w.conv2d("c", x, w1, weight_format="int4", stride=2, padding=1, accumulator={"format": "int20"})
    c = w.requantize(
        "q", c, multiplier=[1, 2, 3, 4], shift=3, rounding="half_up", format="int8", zero_point=3, lo=3
    )
    c = w.depthwise_conv2d("e", c, w2)
    c = w.thresholds("t", c, [0, 10, 20], format="uint2")
    c = w.clamp("k", c, 1, 3)
    m = w.max_pool2d("m", c, 2, stride=(1, 1))
    a = w.avg_pool2d("a", c, 2, rounding="half_even")
    c = w.concat("cc", [w.add("s", a, m), w.add("s2", m, m)], axis=2)
    c = w.reshape("r", w.max_pool2d("g", c, 1), (16,))
    c = w.scale(
        "f", w.dense("d", c, w3), factors, rounding="half_even", format="int8", quantization={"scale": 1}
    )
    w.output(c)
    w.save(tmp_path / "net.h5")

    b = NetworkBuilder()
    x = b.input("x", (8, 8, 2), IntFormat(8))
    narrow = Accumulator(IntFormat(20))
    pads = ((1, 1), (1, 1))
    c = b.add(ops.Conv2d(w1, IntFormat(4), stride=(2, 2), padding=pads, accumulator=narrow), x, name="c")
    steps = (
        Multiply(multipliers=[1, 2, 3, 4]),
        ShiftRight(bits=3, rounding=Rounding.HALF_UP),
        Add(values=3),
        Clamp(lo=3, hi=127),
    )
    c = b.add(ops.Requantize(Requantization(steps)), c, name="q")
    c = b.add(ops.DepthwiseConv2d(w2), c, name="e")
    stairs = Requantization((Thresholds(values=[0, 10, 20]),), IntFormat(2, signed=False))
    c = b.add(ops.Clamp(1, 3), b.add(ops.Requantize(stairs), c, name="t"), name="k")
    m = b.add(ops.MaxPool2d((2, 2)), c, name="m")
    a = b.add(ops.AvgPool2d((2, 2), rounding=Rounding.HALF_EVEN), c, name="a")
    both = b.add(ops.Add(), a, m, name="s"), b.add(ops.Add(), m, m, name="s2")
    c = b.add(ops.MaxPool2d((1, 1)), b.add(ops.Concat(2), *both, name="cc"), name="g")
    c = b.add(ops.Dense(w3), b.add(ops.Reshape((16,)), c, name="r"), name="d")
    real = Requantization((Scale(factors=factors),))
    b.output(b.add(ops.Requantize(real), c, name="f", quantization=Quantization.per_tensor(1.0)))
    assert load(tmp_path / "net.h5") == b.build()


# ---- What intsim refuses is refused ----------------------------------------------------------------------

ODD = [
    *(None, True, -1, 0, 1, 2, 3, 62, 63, 64, 2**31, 2**63, 2**64, 1.5, "", "int0", "int3", "uint8", "int65"),
    *(
        "float32",
        "stochastic",
        "half_up",
        "trap",
        "cwh",
        (),
        (1,),
        (0, 1),
        (1, 0),
        (1, 2),
        (0, -1),
        (1, 1, 1),
    ),
    *([[1, 1], [0, 0]], [[0, 1]], [1.0], {}, {"format": "int4"}, {"type": "Add", "values": 1}),
    *(np.arange(2), np.array([[1], [0]]), np.array(0), np.array([]), np.float32(1), np.float64([1, 2])),
    *(np.float64(np.inf), np.float32(0), np.array([True]), np.uint64([2**63])),
]


OWN = [Codebook(values=[3, -1, 2]), FixedPoint(8, exponent=-6), IntFormat(6), Minifloat(2, 2, 0)]


def places(fields, path=()):
    """The path of every field, in records and lists of records too."""
    entries = fields.items() if isinstance(fields, dict) else enumerate(fields)
    for key, value in entries:
        if key != "type":
            yield (*path, key)
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield from places(value, (*path, key))


def put(fields, path, value):
    for key in path[:-1]:
        fields = fields[key]
    fields[path[-1]] = value


def only_arithmetic_knows(error):
    """Whether intsim refuses what a rescaling makes of numbers, which the writer does not compute."""
    return all("rescale" in str(finding) for finding in error.findings)


def check_that_intsim_takes_it(case, place, value, path):
    """The writer refuses an odd value in a field by the node's name, or intsim takes the file."""
    refused = None
    try:
        written(case, lambda fields: put(fields, place, value)).save(path)
    except WriterError as error:
        refused = str(error)
    if refused is not None:
        assert refused.startswith("node")
        return
    wrong = None
    try:
        load(path)
    except FileError as error:
        wrong = error
    assert wrong is None or only_arithmetic_knows(wrong)


def check_that_the_writer_takes_it(case, other, changed):
    """One field as another network has it: what intsim takes is not refused."""
    try:
        op = case.op.replace(**{changed: getattr(other.op, changed)})
        network_of(Case(op, case.specs, case.inputs))
    except SpecError:
        return
    written(Case(op, case.specs, ()))


def draw_and_check_both(name, data, path):
    case, other = data.draw(CASES[name]), data.draw(CASES[name])
    place = data.draw(st.sampled_from(list(places(plain_fields(case.op)))))
    check_that_intsim_takes_it(case, place, data.draw(st.sampled_from(ODD)), path)
    check_that_the_writer_takes_it(case, other, data.draw(st.sampled_from(list(OPS[name]))))


@every_op_with_fields
@settings(max_examples=12, suppress_health_check=SLOW, deadline=None)
@given(data=st.data())
def test_the_writer_takes_what_intsim_takes(name, data, tmp_path_factory):
    draw_and_check_both(name, data, tmp_path_factory.getbasetemp() / "odd.h5")


@every_op
@settings(max_examples=4, suppress_health_check=SLOW, deadline=None)
@given(data=st.data())
def test_an_op_reads_the_formats_that_it_reads_in_intsim(name, data):
    case = data.draw(CASES[name])
    for format in [*(FORMATS[name].format for name in ("bipolar", "ternary-twos", "e2m1", "e8m0")), *OWN]:
        real = any(isinstance(spec.format, RealFormat) for spec in case.specs)
        specs = tuple(TensorSpec(spec.shape, RealFormat(64) if real else format) for spec in case.specs)
        accepted = True
        try:
            network_of(Case(case.op, specs, ()))
        except SpecError:
            accepted = False
        if accepted:
            w = written(case, specs=specs)
            assert all(str(w._tensors[y].format.said) for y in w._outputs)
        else:
            with pytest.raises(WriterError):
                written(case, specs=specs)


@pytest.mark.sweep
@every_op_with_fields
@settings(max_examples=300, suppress_health_check=SLOW, deadline=None)
@given(data=st.data())
def test_the_writer_takes_what_intsim_takes_swept(name, data, tmp_path_factory):
    draw_and_check_both(name, data, tmp_path_factory.getbasetemp() / "odd.h5")


def net():
    w = NetworkWriter()
    w.input("x", (8, 8, 2), "int8")
    return w


WEIGHT = np.ones((4, 3, 3, 2), int)
MISTAKES = {
    "conv.strides: must be a field of conv2d; did you mean 'stride'?": lambda w: w.conv2d(
        "conv", "x", WEIGHT, strides=2
    ),
    "conv.weight: must be given: shape (K, KH, KW, C / groups)": lambda w: w.node("conv", "conv2d", ["x"]),
    "conv.weight: must be an array of integers, not float64": lambda w: w.conv2d("conv", "x", WEIGHT * 0.5),
    "conv.weight: must fit int4 (-8 to 7), not 9 at (3, 0, 1, 1)": lambda w: w.conv2d(
        "conv", "x", WEIGHT + 8 * (np.arange(72).reshape(WEIGHT.shape) == 57), weight_format="int4"
    ),
    "conv.weight: must be for the input's last axis, (8, 8, 2), not for 3 channels (shape (4, 2, 3, 3))": (
        lambda w: w.conv2d("conv", "x", WEIGHT.transpose(0, 3, 1, 2))
    ),
    "conv.padding: must be a list of pairs, (before, after), not array(1)": lambda w: w.conv2d(
        "conv", "x", WEIGHT, padding=np.array(1)
    ),
    "conv.bias: must be one value or 4, not [1, 2, 3]": lambda w: w.conv2d(
        "conv", "x", WEIGHT, bias=[1, 2, 3]
    ),
    "conv.inputs: must be tensors made before, not 'y'": lambda w: w.conv2d("conv", "y", WEIGHT),
    "conv.accumulator.overflow: must be one of wrap, saturate, trap, not 'clip'": lambda w: w.conv2d(
        "conv", "x", WEIGHT, accumulator={"overflow": "clip"}
    ),
    "conv.accumulator.inner.tile: must be below 4, not 4": lambda w: w.conv2d(
        "conv", "x", WEIGHT, accumulator={"tile": 4, "inner": {"tile": 4}}
    ),
    "x: name must be unique": lambda w: w.clamp("x", "x", 0, 1),
    "relu.hi: must be in int8, not 255": lambda w: w.clamp("relu", "x", 0, 255),
    "q.requantization.steps.1.bits: must be 0 to 62, not 63": lambda w: w.requantize(
        "q", "x", shift=63, rounding="floor", format="int8"
    ),
    "q.requantization.steps.0.factors: must be an array of numpy float32 or float64, not <class 'float'>": (
        lambda w: w.scale("q", "x", 0.5, rounding="half_even", format="int8")
    ),
    "q.requantization.steps: must be for the channels of (8, 8, 2), its last axis, not for 3": (
        lambda w: w.requantize("q", "x", multiplier=[1, 2, 3], rounding="floor", format="int8")
    ),
    "a.inputs: must have shapes that broadcast, not int8 (8, 8, 2) and int32 (3,)": lambda w: w.add(
        "a", "x", w.node("c", "constant", [], values=[1, 2, 3], format="int32")
    ),
    "b.format: must have scales that follow from the values, by this mode, not gptq": lambda w: w.node(
        "b", "block_quantize", ["x"], outputs=["e", "s"], format="gptq"
    ),
    "b.inputs: must be 2 tensors, of mxfp4, not int8 (8, 8, 2)": lambda w: w.node(
        "b", "block_dequantize", ["x"], format="mxfp4"
    ),
    "b.weight_scales.0: must have shape (4, 1), not (1, 4)": lambda w: w.node(
        "b",
        "block_dense",
        ["x"],
        weight=np.ones((4, 2), int),
        weight_scales=[np.ones((1, 4), int)],
        weight_format="mxfp4",
    ),
    "b.format.levels.1.size: must be a multiple of the ones inside, not 6": lambda w: w.node(
        "b",
        "block_dequantize",
        ["x"],
        format={"element": "e2m1", "levels": [{"size": size, "scale": "e8m0"} for size in (4, 6)]},
    ),
    "s.outputs: must name the 2 tensors that split gives here": lambda w: w.node(
        "s", "split", ["x"], axis=2, sizes=[1, 1]
    ),
    "y.quantization.zero_point: must be 2, as many as scale, not [1, 2, 3]": lambda w: w.input(
        "y", (2,), "int8", scale=[1, 2], zero_point=[1, 2, 3], axis=0
    ),
    "network: must have an output": lambda w: w.save("net.h5"),
    "output: must name a tensor of the network, not 'z'": lambda w: w.output("z"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_named(message):
    w = net()
    with pytest.raises(WriterError) as caught:
        MISTAKES[message](w)
    assert str(caught.value) == message
    if "conv" in message:  # and the network is as it was
        w.conv2d("conv", "x", WEIGHT)


def test_reals_stay_at_the_doors():
    w = NetworkWriter()
    w.input("x", (2,), "float32")
    w.input("y", (2,), "int8")
    with pytest.raises(WriterError, match=r"^relu.inputs: must be IntFormat for clamp, not 'x', float32$"):
        w.clamp("relu", "x", 0, 1)
    q = w.node("q", "quantize", ["x"], scale=np.float32(0.5))
    w.node("r", "dequantize", [q], scale=np.float32(0.5))
    w.output(q)
    with pytest.raises(WriterError, match=r"^r: must be an output of the network, as it gives reals$"):
        w.save("net.h5")


# ---- A file is whole or not there ------------------------------------------------------------------------


def test_nothing_is_left_of_a_failed_save(tmp_path, monkeypatch):
    w = net()
    w.output(w.clamp("relu", "x", 0, 127))
    path = tmp_path / "net.h5"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WriterError, match=r"net.h5: cannot be written: No space left on device$"):
        w.save(path)
    assert os.listdir(tmp_path) == ["net.h5"]
    assert path.read_text() == "old"
    monkeypatch.undo()
    w.save(path)
    assert os.listdir(tmp_path) == ["net.h5"]
    assert load(path).outputs == ("relu",)
    with pytest.raises(WriterError, match=r"must be a regular file, or not be there yet$"):
        w.save(tmp_path)
    with pytest.raises(WriterError, match=r"cannot be written: No such file or directory$"):
        w.save(tmp_path / "no" / "net.h5")


# ---- One file, anywhere ----------------------------------------------------------------------------------


def test_it_runs_on_older_pythons_without_intsim():
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip":
            assert not node.keywords  # zip(strict=) is of Python 3.10
    assert {name.split(".")[0] for name in imported} <= {*sys.stdlib_module_names, "numpy", "h5py"}


def test_its_documentation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(module).failed == 0
    assert load("net.h5").specs["fc"].shape == (10,)
    said = module.__doc__.partition("what is written\n")[2]
    for kind in module._KINDS:
        assert kind in said or kind == "real value or vector", kind


def test_every_field_of_a_file_is_documented(tmp_path):
    """What stands in a file beside the ops' fields is in the table of the documentation."""
    w = net()
    halves = w.node(
        "s", "split", ["x"], axis=2, sizes=[1, 1], outputs=["l", "r"], quantization=[{"scale": 1}, None]
    )
    w.input("y", (2,), "int8", scale=[1, 2], axis=0)
    w.output(*halves)
    w.save(tmp_path / "net.h5")
    said = module.__doc__.partition("The file\n")[2]
    with h5py.File(tmp_path / "net.h5") as file:
        for group in (file, file["inputs/y"], file["inputs/y/quantization"], file["nodes/s"]):
            for name in (*group.attrs, *group):
                assert name in said or name in OPS["split"], name


@pytest.mark.parametrize("bits", [1, 8, 31])
@given(ratio=st.floats(2.0**-30, 1.0))
def test_multipliers_stand_for_ratios(bits, ratio):
    multiplier, shift = map(int, module.multiplier_and_shift(ratio, bits))
    assert 2 ** (bits - 1) <= multiplier < 2**bits
    assert abs(multiplier - ratio * 2**shift) <= 0.5
