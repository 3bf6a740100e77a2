"""Depthwise convolutions on every instruction set: sums modulo 2**32 against those of Python's integers."""

import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir

from intsim.engine import depthwise
from intsim.engine.products import products_of
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels.epilogue import DOUBLE, FIXED, SIGNED, SINGLE, STORE, plain, started
from intsim.kernels.isa import table
from intsim.kernels.isa.table import ISAS, VARIABLE
from intsim.kernels.isa.weave import few_steps, weave_lines
from intsim.ops import DepthwiseConv2d

HERE = [isa for isa in ISAS if table.runs(isa)]
FORMATS = [IntFormat(8), IntFormat(8, False), IntFormat(16)]


def name_of(isa):
    return isa.name


def exact(x, op, shape):
    """Sums of products modulo 2**32, by windows of an image with what is outside it around."""
    w, zero = op.filters[..., 0].astype(np.int64), op.input_zero_point
    multiple, size = w.shape[0] // x.shape[3], w.shape[1:]
    around = ((0, 0), *op.padding, (0, 0))
    held = np.pad(x.astype(np.int64), around, constant_values=zero) - zero
    held = np.repeat(held, multiple, axis=3)
    sums = np.zeros((x.shape[0], *shape), np.int64)
    for kh in range(size[0]):
        for kw in range(size[1]):
            top, left = kh * op.dilation[0], kw * op.dilation[1]
            rows = held[:, top :: op.stride[0]][:, : shape[0]]
            sums += rows[:, :, left :: op.stride[1]][:, :, : shape[1]] * w[:, kh, kw]
    return ((sums + 2**31) % 2**32 - 2**31).reshape(-1, shape[2])


def sums_of(isa, x, op, format, threads=1):
    """The same by the kernel, with the input in memory that ends where it ends."""
    spec = TensorSpec(x.shape[1:], format)
    (output,) = op.infer(spec)
    products = products_of(op, spec, output)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, isa.name)
        made = depthwise.depthwise_of(products)
    shape = output.shape
    out = np.full((x.shape[0] * shape[0] * shape[1], shape[2]), 99, np.int32)
    made.launch(x, started(plain(shape[2]), made.start), out).run(threads)
    assert np.array_equal(out, exact(x, op, shape))


def filled(shape, format, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(format.min, format.max + 1, shape).astype(format.storage)
    x.flat[::5] = rng.choice([format.min, format.max], x.flat[::5].size)
    return x


def convolution(channels, kernel, seed=0, multiple=1, weights=FORMATS[0], **fields):
    w = filled((channels, multiple, *kernel), weights, seed)
    return DepthwiseConv2d(weight=w, weight_format=weights, **fields)


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_every_remainder_of_channels(isa, format):
    for channels in (*range(2, 71), 95, 96, 97, 144):
        for stride in (1, 2):
            op = convolution(
                channels,
                (3, 3),
                channels,
                stride=(stride, stride),
                padding=((1, 1), (1, 1)),
                input_zero_point=-channels if format.signed else channels,
            )
            sums_of(isa, filled((2, 5, 6, channels), format, channels + 1), op, format)


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_every_number_of_columns_and_lines(isa, format):
    """Also lines whose last 16 codes reach beyond the input, and windows that see nothing of it."""
    for size in ((1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (4, 4), (5, 7), (9, 13), (2, 600)):
        for channels in (2, 16, 24):
            op = convolution(channels, (3, 3), 3, padding=((1, 2), (3, 1)), input_zero_point=format.max)
            sums_of(isa, filled((3, *size, channels), format, 4), op, format, threads=2)


@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_few_channels(isa):
    """Columns that follow one another fill a panel, where there are whole panels of them."""
    for channels in (2, 4, 8, 16):
        for columns in (7, 8, 12, 16):
            op = convolution(channels, (3, 3), columns, padding=((1, 1), (1, 1)), input_zero_point=-7)
            sums_of(isa, filled((2, 3, columns, channels), FORMATS[0], 1), op, FORMATS[0], threads=2)


@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_every_parameter_is_repeated(isa, monkeypatch):
    """Of the columns that fill a panel, each is finished as it is by itself."""
    monkeypatch.setenv(VARIABLE, isa.name)
    op, spec = convolution(8, (3, 3), 9, padding=((1, 1), (1, 1))), TensorSpec((4, 6, 8), FORMATS[0])
    products, x = products_of(op, spec, *op.infer(spec)), filled((2, 4, 6, 8), FORMATS[0], 5)
    rng, narrow = np.random.default_rng(6), plain(8, IntFormat(14))
    for kind in (STORE, SINGLE, SIGNED, DOUBLE, FIXED):
        epilogue = narrow._replace(
            kinds=np.full(1, kind, np.int64),
            start=rng.integers(-9, 9, 16).astype(np.int32),
            singles=rng.random((3, 16)).astype(np.float32),
            doubles=rng.random((3, 16)),
            integers=np.abs(rng.integers(0, 9, (4, 16))).astype(np.int32),
            bits=3,
            low=-20000,
            high=20000,
        )
        found = []
        for fold in (2, 1):
            with monkeypatch.context() as patch:
                if fold == 1:
                    patch.setattr(depthwise, "_fold", lambda *given: 1)
                made = depthwise.depthwise_of(products)
            assert made.fold == fold
            found.append(np.zeros((48, 8), np.int16))
            made.launch(x, epilogue, found[-1]).run(1)
        assert np.array_equal(*found)
        assert len(np.unique(found[0])) > 20


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("isa", HERE, ids=name_of)
def test_every_window(isa, format):
    """Heights that take one group of steps or several, with and without lines that share them."""
    for height in (1, 2, 3, 4, 5, 7, 8, 9):
        for width, stride, gap in ((1, 1, 1), (3, 2, 1), (2, 3, 2), (3, 1, 2), (6, 1, 1)):
            op = convolution(
                17,
                (height, width),
                height,
                stride=(stride, stride),
                dilation=(gap, gap),
                padding=((height, height), (2, width + 3)),
                input_zero_point=3,
            )
            sums_of(isa, filled((2, 9, 8, 17), format, width), op, format)


@pytest.mark.parametrize("isa", HERE, ids=name_of)
@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_the_ends_of_the_formats(isa, format):
    """All at the least, all at the most, with what is outside at either end; words wrap."""
    for bits in (8, 16):
        weights = IntFormat(bits)
        for w_end in (weights.min, weights.max):
            for x_end in (format.min, format.max):
                for zero in (format.min, format.max, 0):
                    w = np.full((19, 1, 3, 3), w_end, weights.storage)
                    op = DepthwiseConv2d(
                        weight=w, weight_format=weights, padding=((1, 1), (1, 1)), input_zero_point=zero
                    )
                    x = np.full((1, 4, 5, 19), x_end, format.storage)
                    sums_of(isa, x, op, format)


@pytest.mark.parametrize("isa", HERE, ids=name_of)
@given(data=st.data())
@settings(max_examples=60)
def test_drawn_convolutions(isa, data):
    draw = data.draw
    size, kernel, stride, dilation = (
        (draw(st.integers(1, most)), draw(st.integers(1, most))) for most in (12, 5, 4, 3)
    )
    reach = [(k - 1) * gap + 1 for k, gap in zip(kernel, dilation, strict=True)]
    padding = tuple(
        (max(draw(st.integers(0, 4)), r - s), draw(st.integers(0, 4)))
        for r, s in zip(reach, size, strict=True)
    )
    format, seed = draw(st.sampled_from(FORMATS)), draw(st.integers(0, 2**20))
    channels = draw(st.integers(2, 70))
    op = convolution(
        channels,
        kernel,
        seed,
        multiple=draw(st.integers(1, 3)),
        weights=IntFormat(draw(st.sampled_from([2, 8, 12]))),
        stride=stride,
        dilation=dilation,
        padding=padding,
        input_zero_point=draw(st.sampled_from([format.min, format.max, 0, 5, 300])),
    )
    x = filled((draw(st.integers(1, 3)), *size, channels), format, seed + 1)
    sums_of(isa, x, op, format, threads=draw(st.integers(1, 3)))


TRIPLES = {"x86": "x86_64-linux-gnu", "arm": "aarch64-linux-gnu", None: "aarch64-linux-gnu"}
VECTOR = {"x86": r"[xyz]mm", "arm": r"v\d+\.", None: r"v\d+\."}


def compiled_for(isa, make):
    module = ir.Module("weave")
    module.triple = TRIPLES[isa.machine]
    make(module).linkage = ""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    features = ",".join(f"+{name}" for name in isa.features)
    machine = llvm.Target.from_triple(module.triple).create_target_machine(opt=3, features=features)
    parsed = llvm.parse_assembly(str(module))
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(parsed, builder)
    return machine.emit_assembly(parsed).splitlines()


@pytest.mark.parametrize("isa", [isa for isa in ISAS if isa.name != "amx"], ids=name_of)
def test_what_other_processors_are_given(isa):
    """Vectors and no function of a library, also where this processor lacks them."""
    byte, word = ir.IntType(8), ir.IntType(16)
    for kernel in filter(None, (isa.bytes, isa.words)):
        name, operand = type(kernel).__name__, byte if kernel is isa.bytes else word
        for make in (
            lambda module, name=name, operand=operand: weave_lines(
                module, name == "VnniBytes512", byte, operand
            ),
            lambda module, name=name, steps=3 * operand.width // 8: few_steps(module, name, steps),
        ):
            lines = compiled_for(isa, make)
            assert [line for line in lines if re.search(VECTOR[isa.machine], line)]
            assert not [line for line in lines if line.split()[:1] in (["call"], ["callq"], ["bl"])]
