"""The rows as text: for people, and as the block of a README that is rewritten.

The block stands between the lines `<!-- bench -->` and `<!-- /bench -->`; it says what it was measured on
and with, and no date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from intsim.errors import FileError, Finding

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
_LABELS = {
    "litert-ref": "LiteRT reference",
    "litert": "LiteRT",
    "onnxruntime": "ONNX Runtime",
    "numpy": "numpy",
    "numpy-float32": "numpy float32",
}


def header(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns: what, how, intsim's own figures, each peer's ratio."""
    what = ["matrix product"] if "gemm" in rows[0] else ["network", "batch"]
    return [*what, "threads", "ms", "Gop/s", "of peak", *(_LABELS.get(peer, peer) for peer in peers(rows))]


def peers(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The contenders beside intsim, in the order of `_LABELS`."""
    known = {name for row in rows for name in row["results"]} - {"intsim"}
    return [name for name in _LABELS if name in known] + sorted(known - _LABELS.keys())


def cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """One row's cells; a ratio is the peer's time over intsim's, by medians."""
    own = row["results"]["intsim"]
    what = [_product(row)] if "gemm" in row else [row["network"], str(row["batch"])]
    share = _percent(own["peak_fraction"]) if "peak_fraction" in own else ""
    figures = [str(row["threads"]), f"{own['ms']:.3g}", f"{own['gops']:.0f}", share]
    return [*what, *figures, *(_ratio(row, name) for name in columns)]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.{0 if fraction >= 0.1 else 1}f}%"


def _product(row: Mapping[str, Any]) -> str:
    return f"{row['gemm']} ({' x '.join(map(str, row['shape']))})"


def _ratio(row: Mapping[str, Any], peer: str) -> str:
    found = row["results"].get(peer, {"absent": ""})
    if "absent" in found:
        return "absent"
    return f"{found['ratio']:.2f}" if "ratio" in found else "differs"


def remarks(report: Mapping[str, Any]) -> list[str]:
    """Who did not take part, and why, and what is special about who did; each once."""
    said: dict[str, None] = {}
    for row in (*report["networks"], *report["gemm"]):
        where = row.get("network", row.get("gemm"))
        for peer, found in row["results"].items():
            told = found.get("absent") or found.get("note")
            if told:
                said[f"{peer}: {told}" + ("" if "not installed" in told else f" ({where})")] = None
    return list(said)


def markdown(report: Mapping[str, Any]) -> str:
    """The block of a README, without its marks."""
    machine, versions = report["machine"], report["versions"]
    tools = ", ".join(f"{name} {value}" for name, value in versions.items() if value)
    lines = [
        f"Measured on {machine['processor']} ({machine['processors']} processors, {machine['instructions']}),"
        f" with {tools}.",
        "Every figure is a median of measurements taken in turns, in one process, by the processor's time for"
        " one thread and by the clock for several; milliseconds are for one sample. The columns of the others"
        " say how many times intsim's time they take: above 1 intsim is faster.",
    ]
    if report["networks"] and all(row["agrees"] for row in report["networks"]):
        lines.append("Outputs were compared first, integer by integer, with those of the dialect's runtime.")
    if report["peak"]:
        peaks = ", ".join(f"{value:.0f} Gop/s with {count}" for count, value in report["peak"].items())
        lines.append(f"The peak is a loop that multiplies in registers only: {peaks} thread(s).")
    for rows in (report["networks"], report["gemm"]):
        if rows:
            columns = header(rows)
            body = [columns, ["---"] * len(columns), *(cells(row, peers(rows)) for row in rows)]
            lines += ["", *(f"| {' | '.join(line)} |" for line in body)]
    if report["memory"]:
        lines += ["", "Most memory of a process that runs one batch:", ""]
        lines += [f"- {_memory(entry)}" for entry in report["memory"]]
    return "\n".join(lines)


def _memory(entry: Mapping[str, Any]) -> str:
    held = (
        f"{_LABELS.get(name, name)} {'absent' if size is None else f'{size / 2**20:.0f} MiB'}"
        for name, size in entry["bytes"].items()
    )
    return f"{entry['network']}, batch {entry['batch']}: {', '.join(held)}"


def rewritten(text: str, block: str, path: Path) -> str:
    """A README with another block.

    Raises
    ------
    FileError
        The marks are not there, or not once each, in this order.
    """
    parts = re.split(f"(?m)^({re.escape(BEGIN)}|{re.escape(END)})$", text)
    if parts[1::2] != [BEGIN, END]:
        raise FileError(
            Finding(str(path), f"must have a line {BEGIN} and, below it, a line {END}, once each")
        )
    return f"{parts[0]}{BEGIN}\n{block}\n{END}{parts[4]}"
