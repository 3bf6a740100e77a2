"""What ONNX Runtime's float32 leaves open of products with scales in blocks, and `intsim diff` beside it."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from intsim_converters.onnx import CONVERTER, convert_model, read_model

from intsim.converter import DoubtingRunner, Runner
from intsim.engine import run
from intsim.verify.diff import diff
from intsim.verify.diff_doubts import Undecided
from tests.converters.onnx.blocked_models import FORMS, Product
from tests.converters.onnx.test_blocked import BIASED, inputs, product


def lost(form: str) -> Product:
    """Products of two blocks; the second is below the last bit of the first one's sum in float32."""
    scale = np.float32([[1] * 6, [2.0**-26] * 6])
    made = product(8, form, y="int16", depth=32, columns=6, rows=16, scale=scale, x_scale=np.float32(1))
    made.y_scale, made.y_zero, made.x_zero = np.float32(2), 0, 128
    return made


def runner_of(data: bytes, folder: Path, dialect: str = "integer") -> Runner:
    path = folder / "model.onnx"
    path.write_bytes(data)
    return CONVERTER.runner(path, dialect)


@pytest.mark.parametrize("form", FORMS)
def test_the_runtimes_codes_are_among_those_that_are_left_open(form: str, tmp_path: Path) -> None:
    made = lost(form)
    if form in BIASED:
        made.bias = np.float32([0.5, 1, -3, 7, 2.0**-20, 0])
    runner, x = runner_of(made.build(), tmp_path), inputs(made, 0)
    assert isinstance(runner, DoubtingRunner)
    network, open_ = runner.network, np.zeros(made.codes(x).shape, bool)
    trace = run(network, x, trace=("*",)).trace
    node = next(node for node in network.nodes if node.op.name == "requantize")
    ends = runner.undecided(node.outputs[0], trace[node.inputs[0]])
    assert ends is not None
    ours = trace[node.outputs[0]]
    low, high = (np.moveaxis(end, -1, 1).reshape(open_.shape) if ours.ndim > 2 else end for end in ends)
    wanted = made.codes(x)
    theirs = runner.run({"x": x}, ["y"])["y"].reshape(wanted.shape)
    assert ((low <= theirs) & (theirs <= high) & (low <= wanted) & (wanted <= high)).all()
    assert (theirs != wanted).sum() > 10
    assert (low < high).mean() < 0.7
    assert not (made.undecided(x) & (low == high)).any()


def test_how_far_float32_may_be_off() -> None:
    """40 roundings of 2**-24 at most, of the largest sum of magnitudes that there is, and of the bias."""
    made = lost("Gemm")
    made.bias = np.float32([0, 2.0**20, -(2.0**21), 0, 0, 0])
    (slack,) = convert_model(read_model(made.build()), "integer").slack.values()
    centred = abs(made.weights.reshape(2, 16, 6) - np.asarray(made.zero)[:, None]).sum(axis=1)
    sums = [128 * (2**26 * int(first) + int(second)) for first, second in centred.T]
    wanted = [
        math.ceil(Fraction(40, 2**24 - 40) * (total + int(abs(bias)) * 2**26))
        for total, bias in zip(sums, made.bias.tolist(), strict=True)
    ]
    assert slack.tolist() == wanted


def test_a_diff_tells_them_apart(tmp_path: Path) -> None:
    """All differences are left open; one that is not, of another scale, is not."""
    made = lost("MatMul")
    runner, x = runner_of(made.build(), tmp_path), inputs(made, 0)
    found = diff(runner.network, runner, [{"x": x}])
    (undecided,) = found.undecided
    assert undecided == Undecided("y", found.first.differing, found.first.differing)
    assert found.reason.kind == "float"
    made.y_scale = np.float32(2.01)
    (tmp_path / "other").mkdir()
    other = runner_of(made.build(), tmp_path / "other").network
    found = diff(other, runner, [{"x": x}])
    assert found.reason.kind == "op"
    assert "requantization" in found.reason.words


def test_where_nothing_is_known_of_the_floats(tmp_path: Path) -> None:
    """Blocks of int8 activations, float16, scales at the ends of float32; other layers are not in doubt."""
    blocks = lost("MatMulNBits").build()
    model = onnx.ModelProto.FromString(blocks)
    node = next(node for node in model.graph.node if node.op_type == "MatMulNBits")
    for level, doubting in ((0, True), (1, True), (4, False)):
        del node.attribute[4:]
        node.attribute.append(onnx.helper.make_attribute("accuracy_level", level))
        runner = runner_of(model.SerializeToString(), tmp_path)
        assert isinstance(runner, DoubtingRunner) == doubting
    half = lost("MatMul")
    half.kind, half.scale = "float16", np.float16(half.scale + 0.1)
    assert not isinstance(runner_of(half.build(), tmp_path), DoubtingRunner)
    for power in (-100, 90):
        far = lost("MatMul")
        far.scale = far.scale * np.float32(2.0**power)
        assert not isinstance(runner_of(far.build(), tmp_path), DoubtingRunner)
