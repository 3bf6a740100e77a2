"""The rows as text, and the block of a README."""

from pathlib import Path

import pytest

from intsim.bench import table
from intsim.errors import FileError

README = Path("README.md")
OWN = {"ms": 2.0, "least_ms": 1.0, "gops": 300.0, "peak_fraction": 0.25, "measurements": 5}
NETWORK = {
    "network": "net",
    "batch": 32,
    "threads": 2,
    "macs": 10,
    "agrees": True,
    "results": {
        "litert": {
            "ms": 5.0,
            "least_ms": 5.0,
            "gops": 1.0,
            "measurements": 5,
            "ratio": 2.5,
            "least_ratio": 5.0,
        },
        "onnxruntime": {"absent": "onnxruntime is not installed"},
        "intsim": OWN,
    },
}
PRODUCT = {
    "gemm": "square",
    "shape": [4, 5, 6],
    "threads": 1,
    "macs": 120,
    "agrees": False,
    "results": {
        "intsim": OWN,
        "numpy-float32": {"ms": 5.0, "least_ms": 5.0, "gops": 1.0, "measurements": 5},
    },
}
REPORT = {
    "machine": {"processor": "Chip", "processors": 2, "instructions": "avx2", "system": "Linux x86_64"},
    "versions": {"intsim": "1", "numpy": "2", "onnxruntime": None},
    "peak": {"1": 99.6, "2": 200.0},
    "networks": [NETWORK],
    "gemm": [PRODUCT],
    "memory": [{"network": "net", "batch": 32, "threads": 1, "bytes": {"intsim": 3 << 20, "litert": None}}],
}


def test_cells():
    assert table.header([NETWORK])[:6] == ["network", "batch", "threads", "ms", "Gop/s", "of peak"]
    assert table.header([NETWORK])[6:] == ["LiteRT", "ONNX Runtime"]
    wanted = ["net", "32", "2", "2", "300", "25%", "2.50", "absent"]
    assert table.cells(NETWORK, table.peers([NETWORK])) == wanted


def test_there_is_no_ratio_where_outputs_differ():
    wanted = ["square (4 x 5 x 6)", "1", "2", "300", "25%", "differs"]
    assert table.cells(PRODUCT, table.peers([PRODUCT])) == wanted


def test_remarks():
    assert table.remarks(REPORT) == ["onnxruntime: onnxruntime is not installed"]


def test_markdown():
    text = table.markdown(REPORT)
    assert text.startswith("Measured on Chip (2 processors, avx2), with intsim 1, numpy 2.\n")
    assert "100 Gop/s with 1, 200 Gop/s with 2 thread(s)" in text
    assert "\n| network | batch | threads | ms | Gop/s | of peak | LiteRT | ONNX Runtime |\n| --- |" in text
    assert "\n| net | 32 | 2 | 2 | 300 | 25% | 2.50 | absent |\n" in text
    assert text.endswith("- net, batch 32: intsim 3 MiB, LiteRT absent")


def test_that_outputs_were_compared_is_said_only_where_they_were():
    said = "Outputs were compared first"
    assert said in table.markdown(REPORT)
    for agrees in (None, False):
        assert said not in table.markdown({**REPORT, "networks": [NETWORK, {**NETWORK, "agrees": agrees}]})


def test_the_block_is_replaced_and_nothing_else():
    before = f"a\n\n{table.BEGIN}\nold\nolder\n{table.END}\n\nb\n"
    after = f"a\n\n{table.BEGIN}\nnew\n{table.END}\n\nb\n"
    assert table.rewritten(before, "new", README) == after
    assert table.rewritten(after, "new", README) == after


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{table.BEGIN}\n",
        f"{table.END}\n{table.BEGIN}\n",
        f"{table.BEGIN}\n{table.END}\n{table.BEGIN}\n{table.END}\n",
        f"see {table.BEGIN}\n{table.END}\n",
    ],
)
def test_marks_that_are_not_there_once(text):
    with pytest.raises(FileError) as raised:
        table.rewritten(text, "new", README)
    assert str(raised.value) == (
        "README.md: must have a line <!-- bench --> and, below it, a line <!-- /bench -->, once each"
    )


@pytest.mark.parametrize(
    ("fraction", "shown"), [(1.0, "100%"), (0.254, "25%"), (0.0126, "1.3%"), (0.0, "0.0%")]
)
def test_parts_of_the_peak(fraction, shown):
    assert table._percent(fraction) == shown
