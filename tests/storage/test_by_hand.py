"""A network written with h5py and numpy alone, from what the package's documentation says."""

import h5py
import numpy as np

from intsim.storage import load
from tests.storage.files import small_network


def text(value):
    return np.bytes_(value.encode())


def texts(*values):
    return np.array([value.encode() for value in values])


def accumulator(group, format, overflow, order, bias, **others):
    group.attrs["format"] = text(format)
    group.attrs["overflow"] = text(overflow)
    group.attrs["order"] = text(order)
    group.attrs["topology"] = text("chain")
    group.attrs["bias"] = text(bias)
    group.attrs["zero_point"] = text("subtract")
    for name, value in others.items():
        group.attrs[name] = value


def head(file, name, position, op, *inputs):
    group = file.create_group(f"nodes/{name}")
    group.attrs["position"] = position
    group.attrs["op"] = text(op)
    group.attrs["op_version"] = 1
    group.attrs["inputs"] = texts(*inputs)
    return group


def quantization(group, scale, zero_point):
    group["scale"] = np.array(scale, np.float64)
    group["zero_point"] = np.array(zero_point)


def write(path):
    with h5py.File(path, "w") as file:
        file.attrs["format"] = text("intsim-network")
        file.attrs["format_version"] = 1
        file.attrs["writer"] = text("by hand")
        file.attrs["source"] = text("by hand: née Größe")
        file.attrs["outputs"] = texts("relu", "conv/acc.1")

        x = file.create_group("inputs/x")
        x.attrs["position"] = 0
        x.attrs["shape"] = [4, 4, 2]
        x.attrs["format"] = text("int8")
        quantization(x.create_group("quantization"), [0.5], [3])

        conv = head(file, "conv%2Facc%2E1", 0, "conv2d", "x")
        conv["weight"] = (np.arange(24).reshape(3, 2, 2, 2) - 12).astype(np.int8)
        conv["bias"] = [5, -6, 7]
        conv["weight_zero_point"] = 0
        conv.attrs["weight_format"] = text("int8")
        conv.attrs["input_zero_point"] = 3
        conv.attrs["stride"] = [1, 1]
        conv.attrs["dilation"] = [1, 1]
        conv.attrs["padding"] = [[1, 0], [0, 1]]
        conv.attrs["groups"] = 1
        outer = conv.create_group("accumulator")
        accumulator(outer, "int20", "saturate", "chw", "first", tile=4)
        accumulator(outer.create_group("inner"), "int18", "wrap", "hwc", "last")

        code = head(file, "conv", 1, "requantize", "conv/acc.1")
        rule = code.create_group("requantization")
        rule.attrs["format"] = text("int8")
        rule.attrs["overflow"] = text("saturate")
        shift = rule.create_group("steps/0")
        shift.attrs["type"] = text("ShiftRight")
        shift["bits"] = [3, 4, 5]
        shift.attrs["rounding"] = text("half_away")
        shift.attrs["seed"] = 0
        scale = rule.create_group("steps/1")
        scale.attrs["type"] = text("Scale")
        scale["factors"] = np.float32(0.75)
        scale["after"] = np.float32(-1)
        scale.attrs["rounding"] = text("half_even")
        annotation = code.create_group("output_quantization/0")
        quantization(annotation, [0.5, 0.25, 0.125], [0, 1, 2])
        annotation.attrs["axis"] = 2

        relu = head(file, "relu", 2, "clamp", "conv")
        relu.attrs["lo"] = -5
        relu.attrs["hi"] = 100


def test_written_by_hand(tmp_path):
    write(tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == small_network()
