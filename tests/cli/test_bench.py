"""intsim bench, on a network so small that only its words and its care are tested."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intsim.bench import agreement, gemm, peak
from intsim.storage import load, save
from tests.cli.files import call, listing, small

DIGITS = Path(__file__).parents[2] / "golden" / "digits_cnn"
QUICK = ("--seconds", "0.001", "--threads", "1", "--batch", "2")
FIGURES = {"ms", "least_ms", "gops", "peak_fraction", "measurements"}


@pytest.fixture(autouse=True)
def given_peak(monkeypatch):
    """Not measured here: 1000 Gop/s for each thread."""
    monkeypatch.setattr(peak, "peak", lambda threads: 1000.0 * threads)


@pytest.fixture
def digits(tmp_path):
    """The network with LiteRT's file beside it."""
    shutil.copy(DIGITS / "network.h5", tmp_path / "digits.h5")
    shutil.copy(DIGITS / "model.tflite", tmp_path / "digits.tflite")
    return tmp_path / "digits.h5"


def other_bits(path):
    """The network with one bias moved; it still says that it has LiteRT's integers."""
    network = load(path)
    nodes = list(network.nodes)
    place = next(i for i, node in enumerate(nodes) if node.name.startswith("logits/"))
    op = nodes[place].op
    nodes[place] = replace(nodes[place], op=replace(op, bias=op.bias + 999))
    save(replace(network, nodes=tuple(nodes)), path)


def report(capsys, *arguments):
    done = call(capsys, "bench", *arguments, "--json")
    assert done.status == 0, done.err
    return json.loads(done.out)


def test_what_is_told(digits, capsys):
    found = report(capsys, digits, "--seconds", "0.02", "--peers", "litert-ref,litert,onnxruntime,numpy")
    assert list(found) == ["machine", "versions", "peak", "networks", "gemm", "memory"]
    assert set(found["machine"]) == {"processor", "processors", "instructions", "system"}
    assert found["versions"]["ai-edge-litert"] == "2.3.0"
    assert {"python", "intsim", "numpy", "numba", "onnxruntime"} <= set(found["versions"])
    assert found["peak"] == {"1": 1000.0, "2": 2000.0}
    assert [(row["batch"], row["threads"]) for row in found["networks"]] == [(1, 1), (1, 2), (32, 1), (32, 2)]
    for row in found["networks"]:
        assert (row["network"], row["macs"], row["agrees"]) == ("digits", 18080, True)
        results = row["results"]
        assert set(results) == {"intsim", "litert-ref", "litert", "onnxruntime", "numpy"}
        assert results["onnxruntime"] == {"absent": "no .onnx file"}
        own = results["intsim"]
        assert set(own) == FIGURES
        assert own["gops"] == pytest.approx(2e-6 * 18080 / own["ms"])
        assert own["peak_fraction"] == pytest.approx(own["gops"] / (1000 * row["threads"]))
        for peer in ("litert-ref", "litert"):
            assert set(results[peer]) == FIGURES | {"ratio", "least_ratio"}
            assert results[peer]["ratio"] == pytest.approx(results[peer]["ms"] / own["ms"])
        if row["threads"] == 2:
            assert results["numpy"] == {"absent": "numpy's integers have one thread"}


def test_as_text(digits, capsys):
    done = call(capsys, "bench", digits, *QUICK)
    assert done.status == 0
    lines = done.out.splitlines()
    assert re.search(r"python 3\.\d+\.\d+, intsim 0\.", lines[1])
    assert lines[2] == "peak with 1 thread(s) 1000 Gop/s"
    header = re.split(r"\s{2,}", lines[4])
    assert header[:6] == ["network", "batch", "threads", "ms", "Gop/s", "of peak"]
    assert header[6:] == ["LiteRT reference", "LiteRT", "ONNX Runtime"]
    assert re.fullmatch(r"digits +2 +1 +\S+ +\S+ +\S+% +\d+\.\d\d +\d+\.\d\d +absent", lines[5])
    assert lines[-1] == "onnxruntime: no .onnx file (digits)"
    assert re.fullmatch(r"intsim: bench: digits, batch 2, 1 thread\(s\): \S+ ms", done.err.splitlines()[-1])


def test_no_ratios_where_outputs_differ(digits, capsys, tmp_path):
    other_bits(digits)
    done = call(capsys, "bench", digits, *QUICK)
    assert done.status == 1
    assert done.err.splitlines()[-1].endswith("the outputs differ from the runtime's: no ratios")
    assert re.search(r"^digits +2 +1 +\S+ +\S+ +\S+% +differs +differs +absent$", done.out, re.MULTILINE)
    (row,) = json.loads(call(capsys, "bench", digits, *QUICK, "--json").out)["networks"]
    assert row["agrees"] is False
    assert not any("ratio" in key for found in row["results"].values() for key in found)


@pytest.mark.parametrize(("change", "agrees"), [(lambda path: None, True), (other_bits, False)])
def test_outputs_are_compared_also_where_the_runtime_is_not_timed(change, agrees, digits, capsys):
    change(digits)
    done = call(capsys, "bench", digits, *QUICK, "--peers", "litert", "--json")
    (row,) = json.loads(done.out)["networks"]
    assert (row["agrees"], done.status) == (agrees, 0 if agrees else 1)
    assert set(row["results"]) == {"intsim", "litert"}
    assert ("ratio" in row["results"]["litert"]) is agrees


def test_a_network_of_no_runtime_is_not_compared(tmp_path, capsys):
    save(small(), tmp_path / "net.h5")
    (row,) = report(capsys, tmp_path / "net.h5", *QUICK)["networks"]
    assert row["agrees"] is None
    assert row["results"]["litert"] == {"absent": "no .tflite file"}


def test_a_peer_that_is_not_installed_is_named(digits, capsys, monkeypatch):
    for name in ("ai_edge_litert.interpreter", "onnxruntime", "onnx"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    (digits.parent / "digits.onnx").write_bytes(b"")
    found = report(capsys, digits, *QUICK)["networks"][0]
    assert found["agrees"] is None
    assert found["results"]["litert"] == {"absent": "ai-edge-litert is not installed"}
    assert found["results"]["onnxruntime"] == {"absent": "onnxruntime is not installed"}


def test_a_file_of_another_network_is_not_measured(capsys, tmp_path):
    save(small(), tmp_path / "net.h5")
    shutil.copy(DIGITS / "model.tflite", tmp_path / "net.tflite")
    found = report(capsys, tmp_path / "net.h5", *QUICK)["networks"][0]
    assert found["results"]["litert"] == {"absent": "its input is int8 (1, 8, 8, 1), not int8 (2, 4)"}


def test_a_file_that_takes_one_sample_only_is_given_one_at_a_time(capsys, tmp_path):
    """The digits of the second network are reshaped to (1, 64)."""
    shutil.copy(DIGITS.parent / "digits_mlp" / "model.tflite", tmp_path / "mlp.tflite")
    found = report(capsys, tmp_path / "mlp.tflite", *QUICK)["networks"][0]
    assert found["agrees"] is True
    assert found["results"]["litert-ref"]["note"] == "one sample at a time: its file has shapes of one"


def test_a_folder(digits, capsys, tmp_path):
    save(small(), tmp_path / "another.h5")
    shutil.copy(DIGITS.parent / "digits_mlp" / "model.tflite", tmp_path / "mlp.tflite")
    found = report(capsys, "--zoo", tmp_path, *QUICK, "--peers", "litert-ref")["networks"]
    assert [(row["network"], row["agrees"]) for row in found] == [
        ("another", None),
        ("digits", True),
        ("mlp", True),
    ]


def test_matrix_products(capsys, monkeypatch):
    monkeypatch.setattr(gemm, "SHAPES", {"tiny": (3, 5, 7)})
    (row,) = report(capsys, "--gemm", *QUICK)["gemm"]
    assert (row["gemm"], row["shape"], row["macs"], row["agrees"]) == ("tiny", [3, 5, 7], 105, True)
    assert set(row["results"]) == {"intsim", "onnxruntime", "numpy-float32"}


def test_a_wrong_matrix_product_has_no_ratio(capsys, monkeypatch):
    monkeypatch.setattr(gemm, "SHAPES", {"tiny": (3, 5, 7)})
    right = gemm.dense

    def wrong(x, w, threads):
        made = right(x, w, threads)
        return lambda: [made()[0] + 1]

    monkeypatch.setattr(gemm, "dense", wrong)
    done = call(capsys, "bench", "--gemm", *QUICK, "--json")
    assert done.status == 1
    assert not any("ratio" in found for found in json.loads(done.out)["gemm"][0]["results"].values())


def test_memory(digits, capsys):
    (entry,) = report(capsys, digits, *QUICK, "--memory")["memory"]
    assert (entry["network"], entry["batch"], entry["threads"]) == ("digits", 2, 1)
    assert 2**25 < entry["bytes"]["intsim"] < 2**30
    assert entry["bytes"]["litert"] > 2**25
    assert entry["bytes"]["onnxruntime"] is None


def test_the_block_of_a_readme(digits, capsys, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# top\n\n<!-- bench -->\nold\n<!-- /bench -->\n\nend\n")
    assert call(capsys, "bench", digits, *QUICK, "--table", page).status == 0
    text = page.read_text()
    assert text.startswith("# top\n\n<!-- bench -->\nMeasured on ")
    assert text.endswith("|\n<!-- /bench -->\n\nend\n")
    assert "old" not in text
    assert re.search(r"^\| digits \| 2 \| 1 \| ", text, re.MULTILINE)
    assert listing(tmp_path) == ["digits.h5", "digits.tflite", "page.md"]


def test_a_page_without_marks_is_refused_before_the_work(digits, capsys, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# top\n")
    done = call(capsys, "bench", digits, *QUICK, "--table", page)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"intsim: error: {page}: must have a line <!-- bench --> and, below it, a line <!-- /bench -->,"
        " once each\n"
    )
    assert page.read_text() == "# top\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to measure: give networks, --zoo or --gemm"),
        (("none.h5",), "none.h5: cannot be read"),
        (("none.xyz",), "no installed converter takes .xyz"),
        (("--zoo", "nowhere"), "nowhere: must be a folder"),
        (("--zoo", "."), ".: must hold networks, .h5 or .tflite"),
        (("--gemm", "--tflite", "a.tflite"), "--tflite and --onnx must stand with one network"),
        (("--gemm", "--batch", "0"), "invalid list of numbers from 1 up value: '0'"),
        (("--gemm", "--threads", "1,x"), "invalid list of numbers from 1 up value: '1,x'"),
        (("--gemm", "--seconds", "-1"), "invalid number of seconds value: '-1'"),
        (("--gemm", "--seconds", "nan"), "invalid number of seconds value: 'nan'"),
        (("--gemm", "--peers", "torch"), "invalid list of peers value: 'torch'"),
        (("--gemm", "--table", "none.md"), "none.md: cannot be read"),
    ],
)
def test_refused(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call(capsys, "bench", *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_a_file_for_a_peer_that_is_not_there(digits, capsys):
    done = call(capsys, "bench", digits, "--onnx", "none.onnx")
    assert (done.status, done.out) == (2, "")
    assert done.err == "intsim: error: none.onnx: cannot be read: no such file\n"


def test_sameness_is_of_every_value_and_type():
    one = [np.array([[1, 2]], np.int8)]
    assert agreement.same(one, [np.array([1, 2], np.int8)])
    assert not agreement.same(one, [np.array([1, 3], np.int8)])
    assert not agreement.same(one, [np.array([1, 2], np.uint8)])
    assert not agreement.same(one, [np.array([1, 2, 3], np.int8)])
    assert not agreement.same(one, [])
