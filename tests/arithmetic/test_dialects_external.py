"""The dialects against what other tools answered: ``golden/external``, one folder and README per tool."""

import json
from pathlib import Path

import numpy as np
import pytest

from intsim.arithmetic import Add, Requantization
from intsim.arithmetic.dialects import DIALECTS, bias_in_sums, thresholds_from_reals
from intsim.arithmetic.dialects.tosa import scale_by
from intsim.formats import IntFormat

FOLDER = Path(__file__).parents[2] / "golden" / "external"


def cases(tool):
    kept = json.loads((FOLDER / tool / "cases.json").read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in kept["cases"]]


def reals(texts):
    return [float.fromhex(text) for text in texts]


def rule_of(case, dialect):
    weights, (x, y) = reals(case["weight_scale"]), reals((case["input_scale"], case["output_scale"]))
    bias = bias_in_sums(reals(case["bias"]), x, weights) if "bias" in case else None
    format = IntFormat.parse(case["format"])
    return dialect.requantization(
        dialect.ratio((x, weights), y), zero_point=case["zero_point"], format=format, bias=bias
    )


def same(rule, case):
    expected = np.array(case["codes"], object)
    wide = rule.apply(np.array(case["sums"], object)) == expected
    narrow = rule.apply(np.array(case["sums"])) == expected
    return bool(wide.all() and narrow.all())


@pytest.mark.parametrize("case", cases("onnxruntime") + cases("torch"))
def test_float_dialects(case):
    assert same(rule_of(case, DIALECTS[case["dialect"]]), case)


@pytest.mark.parametrize("tool", ["onnxruntime", "torch"])
@pytest.mark.parametrize("name", ["f32-rne-zp-after", "f32-rne-zp-before"])
def test_the_cases_tell_the_places_of_the_zero_point_apart(tool, name):
    other = {"f32-rne-zp-after": "f32-rne-zp-before", "f32-rne-zp-before": "f32-rne-zp-after"}[name]
    kept = [param.values[0] for param in cases(tool)]
    assert any(not same(rule_of(case, DIALECTS[other]), case) for case in kept if case["dialect"] == name)


def test_a_real_bias_is_not_an_integer_one():
    kept = [param.values[0] for param in cases("torch") if "bias" in param.values[0]]
    assert kept
    whole = 0
    for case in kept:
        rounded = {key: value for key, value in case.items() if key != "bias"}
        weights, (x,) = reals(case["weight_scale"]), reals((case["input_scale"],))
        in_sums = np.rint(bias_in_sums(reals(case["bias"]), x, weights)).astype(np.int64)
        rounded["sums"] = (np.array(case["sums"]) + in_sums).tolist()
        whole += same(rule_of(rounded, DIALECTS["f32-rne-zp-after"]), rounded)
    assert whole < len(kept)


def tosa_rule(case, double):
    steps = scale_by(np.array(case["multipliers"]), np.array(case["shifts"]), double)
    return Requantization((*steps, Add(values=case["zero_point"])), IntFormat.parse(case["format"]))


@pytest.mark.parametrize("case", cases("tosa"))
def test_tosa_rescale(case):
    assert same(tosa_rule(case, case["double"]), case)


@pytest.mark.parametrize("double", [False, True])
def test_the_cases_tell_single_from_double_rounding(double):
    kept = [param.values[0] for param in cases("tosa")]
    assert any(not same(tosa_rule(case, not double), case) for case in kept if case["double"] == double)


@pytest.mark.parametrize("case", cases("qonnx"))
def test_multithreshold(case):
    thresholds = thresholds_from_reals([reals(row) for row in case["thresholds"]])
    rule = Requantization((thresholds, Add(values=case["lowest"])), IntFormat(16))
    assert same(rule, case)


@pytest.mark.parametrize("tool", ["onnxruntime", "qonnx", "tosa", "torch"])
def test_every_tool_says_how(tool):
    kept = json.loads((FOLDER / tool / "cases.json").read_text(encoding="utf-8"))
    readme = (FOLDER / tool / "README.md").read_text(encoding="utf-8")
    assert f"{kept['tool']} {kept['version']}" in readme
    assert all(case["special"] for case in kept["cases"])
