"""The pinned vectors: complete, unchanged, right by the oracles, and the same in every engine."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden import make_pinned
from golden.cases.revive import revive, revive_op, revive_tensor
from golden.make_pinned import KEPT, differences, documents
from intsim.arithmetic import Rounding
from intsim.arithmetic.dialects import DIALECTS
from intsim.engine import run
from intsim.errors import OverflowTrap
from intsim.formats import TensorSpec
from intsim.ops import OPS
from intsim.testing import Case, network_of, plain
from tests.contract.registry import ORACLES
from tests.golden.closed_forms import CLOSED_FORMS, Given
from tests.oracles.arith import Trap, fit, flat, requantize, shape_of

OP_FILES = sorted(KEPT.glob("ops/*.json"))
DIALECT_FILES = sorted(KEPT.glob("dialects/*.json"))
ENGINES = ("reference", "exact", "fast")


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def each(paths: list[Path]) -> Any:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def test_every_op_and_dialect_is_pinned():
    assert {path.stem for path in OP_FILES} == set(OPS)
    assert {path.stem for path in DIALECT_FILES} == set(DIALECTS)
    assert CLOSED_FORMS.keys() == DIALECTS.keys()


@each(OP_FILES + DIALECT_FILES)
def test_three_cases_or_more_each_with_its_own_sentence(path):
    document = read(path)
    assert document.get("op", document.get("dialect")) == path.stem
    sentences = [case["special"] for case in document["cases"]]
    assert len(sentences) >= 3
    assert len(set(sentences)) == len(sentences)
    assert all(len(sentence.split()) >= 3 for sentence in sentences)


def test_what_is_kept_is_what_is_made_now():
    assert differences(documents(), KEPT) == []


@each(OP_FILES)
def test_the_oracle_gives_the_same(path):
    """Read by the oracle straight from the file: nothing of intsim is in between."""
    for case in read(path)["cases"]:
        inputs = [reals(tensor["values"]) for tensor in case["inputs"]]
        shapes = [tuple(tensor["shape"]) for tensor in case["inputs"]]
        assert [shape_of(values) for values in inputs] == shapes
        try:
            found: Any = ORACLES[path.stem](case["fields"], shapes, inputs)
        except Trap:
            found = "trapped"
        expected = case["outputs"]
        if expected != "trapped":
            expected = [reals(tensor["values"]) for tensor in expected]
            assert [list(shape_of(v)) for v in expected] == [tensor["shape"] for tensor in case["outputs"]]
        assert found == expected, case["special"]


def reals(values: Any) -> Any:
    """JSON has no infinity; it is written as text."""
    if isinstance(values, list):
        return [reals(part) for part in values]
    return float(values) if isinstance(values, str) else values


@each(OP_FILES)
def test_every_engine_gives_the_same(path):
    for entry in read(path)["cases"]:
        op = revive_op(path.stem, entry["fields"])
        assert plain(op) == entry["fields"], entry["special"]
        tensors = [revive_tensor(tensor) for tensor in entry["inputs"]]
        specs = tuple(TensorSpec(values.shape, format) for format, values in tensors)
        case = Case(op, specs, tuple(values[None] for _, values in tensors))
        for engine in ENGINES:
            assert answers(case, engine) == wanted(entry), f"{engine}: {entry['special']}"


def answers(case: Case, engine: str) -> Any:
    network = network_of(case)
    given = {entry.name: x for entry, x in zip(network.inputs, case.inputs, strict=False)}
    try:
        result = run(network, given or {"x0": np.zeros((1, 1), np.int8)}, engine=engine, events=True)
    except OverflowTrap:
        return "trapped"
    events = [(entry.persistent, entry.transient) for entry in result.events.values()]
    return [result.outputs[name][0].tolist() for name in network.outputs], events


def wanted(entry: dict[str, Any]) -> Any:
    if entry["outputs"] == "trapped":
        return "trapped"
    events = [(entry["events"]["persistent"], entry["events"]["transient"])] if "events" in entry else []
    return [reals(tensor["values"]) for tensor in entry["outputs"]], events


@each(DIALECT_FILES)
def test_the_steps_of_a_dialect_by_the_oracle(path):
    for case in read(path)["cases"]:
        assert requantize(case["sums"], case["requantization"]) == case["codes"], case["special"]


@each(DIALECT_FILES)
def test_the_formula_of_a_dialect(path):
    """From the scales alone, without the steps."""
    for case in read(path)["cases"]:
        scales = case["scales"]
        numerators = [part["values"] for part in scales["numerators"]]
        channels = max((len(part) for part in numerators if isinstance(part, list)), default=1)
        found = []
        for index, value in enumerate(flat(case["sums"])):
            own = [part[index % channels] if isinstance(part, list) else part for part in numerators]
            given = Given(
                value, own, scales["denominator"]["values"], case["zero_point"], case.get("bias", 0.0)
            )
            code = CLOSED_FORMS[path.stem](given)
            found.append(fit(code, case["requantization"]["format"], "saturate"))
        assert found == flat(case["codes"]), case["special"]


@each(DIALECT_FILES)
def test_the_steps_of_a_dialect_are_the_dialect(path):
    for case in read(path)["cases"]:
        scales = case["scales"]
        ratio = DIALECTS[path.stem].ratio(
            [revive(part) for part in scales["numerators"]], revive(scales["denominator"])
        )
        rule = revive(case["requantization"])
        assert ratio.tolist() == scales["ratio"]["values"]
        assert rule == DIALECTS[path.stem].requantization(
            ratio, zero_point=case["zero_point"], format=rule.format, bias=case.get("bias")
        )


def test_a_planted_integer_is_found(tmp_path):
    shutil.copytree(KEPT, tmp_path / "pinned")
    path = tmp_path / "pinned" / "ops" / "conv2d.json"
    text = path.read_text(encoding="utf-8")
    assert text.count("[[[5421], [6532]], [[8754], [9865]]]") == 1
    path.write_text(text.replace("[[8754], [9865]]", "[[8754], [9866]]"), encoding="utf-8")
    (line,) = differences(documents(), tmp_path / "pinned")
    assert line.startswith("ops/conv2d.json: case 'windows overlap")
    assert line.endswith("differs in outputs")


def test_a_missing_and_a_strange_file_are_found(tmp_path):
    shutil.copytree(KEPT, tmp_path / "pinned")
    (tmp_path / "pinned" / "ops" / "add.json").rename(tmp_path / "pinned" / "ops" / "plus.json")
    assert differences(documents(), tmp_path / "pinned") == [
        "ops/plus.json: is not made by any case",
        "ops/add.json: is not kept",
    ]


def test_a_rounding_that_changes_is_found(monkeypatch):
    """The fault is in intsim: ties of a right shift go down where they went up."""
    steps = importlib.import_module("intsim.arithmetic.requantize")
    right = steps.round_shift

    def wrong(value, shift, rounding, seed=0):
        return right(value, shift, Rounding.HALF_DOWN if rounding is Rounding.HALF_UP else rounding, seed)

    monkeypatch.setattr(steps, "round_shift", wrong)
    lines = differences(documents(), KEPT)
    assert any(line.startswith("ops/requantize.json: case 'halves rounded by HALF_UP") for line in lines)
    assert any(line.startswith("dialects/tflite-double.json") for line in lines)


def test_the_command(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["make_pinned.py", "--check"])
    assert make_pinned.main() == 0
    monkeypatch.setattr(make_pinned, "KEPT", KEPT / "nowhere")
    assert make_pinned.main() == 1
    assert "ops/conv2d.json: is not kept" in capsys.readouterr().out
