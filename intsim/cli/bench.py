"""Measure speed beside the peers that are installed: LiteRT, ONNX Runtime, numpy.

All take turns on the same inputs in one process. Before any time is told, the outputs are compared with those
of the runtime that the network's dialect stands for; where they differ there are no ratios and the exit
status is 1. Figures are medians; a ratio is the peer's time over intsim's: above 1 intsim is faster. One
thread is measured by the processor's time, several by the clock.

NET.h5 is a network of intsim, or a framework's file that a converter takes. The peers read files of their
own, given by --tflite and --onnx, or found in the same folder under the same name. Peers that are not
installed are named as absent; `pip install 'intsim[bench]'` installs them.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.cli.output import add_json, print_json, print_table
from intsim.errors import InputError, SpecError

if TYPE_CHECKING:
    from intsim.bench.case import Case

SUMMARY = "speed beside the peers that are installed"
EXAMPLES = """\
  intsim bench model.h5 --tflite model.tflite --onnx model.onnx
  intsim bench model.tflite --threads 1 --batch 1,32
  intsim bench --zoo networks/ --gemm --memory --table README.md
"""

PEERS = ("litert-ref", "litert", "onnxruntime", "numpy")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NET.h5", type=Path, nargs="*", help="networks to measure")
    parser.add_argument("--tflite", metavar="FILE", type=Path, help="the same network, for LiteRT")
    parser.add_argument("--onnx", metavar="FILE", type=Path, help="the same network, for ONNX Runtime")
    parser.add_argument("--zoo", metavar="DIR", type=Path, help="measure every network of a folder")
    parser.add_argument("--gemm", action="store_true", help="measure matrix products")
    parser.add_argument("--memory", action="store_true", help="the most memory too, for the largest batch")
    parser.add_argument("--batch", metavar="N,...", type=_counts, default=(1, 32), help="default 1,32")
    parser.add_argument("--threads", metavar="N,...", type=_counts, default=(1, 2), help="default 1,2")
    parser.add_argument(
        "--seconds", metavar="S", type=_seconds, default=1.0, help="of each measurement; default 1"
    )
    parser.add_argument(
        "--peers", metavar="P,...", type=_peers, default=PEERS[:3], help=f"of {', '.join(PEERS)}"
    )
    parser.add_argument("--dialect", metavar="NAME", help="of networks that are converted")
    parser.add_argument("--table", metavar="README.md", type=Path, help="rewrite the block of a README")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.bench import gemm, networks, table
    from intsim.bench.machine import machine, versions
    from intsim.bench.peak import peak

    stored = _files(arguments)
    text = _readable(arguments.table)
    if not stored and not arguments.gemm:
        raise InputError("nothing to measure: give networks, --zoo or --gemm")
    cases = [_case(path, arguments) for path in stored]
    peaks = {count: peak(count) for count in arguments.threads}
    found: list[dict[str, Any]] = []
    for case in cases:
        for row in networks.rows(
            case, arguments.batch, arguments.threads, arguments.peers, arguments.seconds
        ):
            found.append(_of_peak(row, peaks))
            _say(row)
    products: list[dict[str, Any]] = []
    if arguments.gemm:
        for row in gemm.rows(gemm.SHAPES, arguments.threads, arguments.seconds):
            products.append(_of_peak(row, peaks))
            _say(row)
    report = {
        "machine": machine(),
        "versions": versions(),
        "peak": {str(count): value for count, value in peaks.items()},
        "networks": found,
        "gemm": products,
        "memory": [_memory(case, arguments) for case in cases] if arguments.memory else [],
    }
    if arguments.table is not None:
        from intsim.storage.atomic import replacing

        new = table.rewritten(text, table.markdown(report), arguments.table)
        with replacing(arguments.table) as path:
            path.write_text(new, encoding="utf-8")
    if arguments.json:
        print_json(report)
    else:
        _print(report)
    return 1 if any(row["agrees"] is False for row in (*found, *products)) else 0


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(int(part) for part in text.split(","))
    if min(counts) < 1:
        raise ValueError
    return tuple(dict.fromkeys(counts))


_counts.__name__ = "list of numbers from 1 up"  # argparse says: invalid ... value


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds"


def _peers(text: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(part for part in text.split(",") if part))
    if not set(named) <= set(PEERS):
        raise ValueError
    return named


_peers.__name__ = "list of peers"


def _files(arguments: Namespace) -> list[Path]:
    """The networks to measure; of a folder, one for each name, those of intsim before others."""
    given: list[Path] = list(arguments.network)
    if (arguments.tflite or arguments.onnx) and (len(given) != 1 or arguments.zoo):
        raise SpecError("--tflite and --onnx must stand with one network")
    if arguments.zoo is not None:
        if not arguments.zoo.is_dir():
            raise InputError(f"{arguments.zoo}: must be a folder")
        by_name = {
            path.stem: path for suffix in (".tflite", ".h5") for path in arguments.zoo.glob(f"*{suffix}")
        }
        if not by_name:
            raise InputError(f"{arguments.zoo}: must hold networks, .h5 or .tflite")
        given += [by_name[name] for name in sorted(by_name)]
    return given


def _case(path: Path, arguments: Namespace) -> Case:
    from intsim.bench.case import Case
    from intsim.cli import installed
    from intsim.storage import load

    if path.suffix.lower() in (".h5", ".hdf5"):
        network = load(path)
    else:
        network = installed.for_file(path).convert(path, arguments.dialect)
    beside = {suffix: path.with_suffix(suffix) for suffix in (".tflite", ".onnx")}
    given = {".tflite": arguments.tflite, ".onnx": arguments.onnx}
    for file in given.values():
        if file is not None and not file.is_file():
            raise InputError(f"{file}: cannot be read: no such file")
    tflite, onnx = (given[s] or (beside[s] if beside[s].is_file() else None) for s in (".tflite", ".onnx"))
    return Case(path.stem, network, tflite, onnx)


def _readable(path: Path | None) -> str:
    """The README before anything is measured: what cannot be rewritten is refused now."""
    from intsim.bench.table import rewritten
    from intsim.errors import FileError, Finding

    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(Finding(str(path), f"cannot be read: {error}")) from None
    rewritten(text, "", path)
    return text


def _of_peak(row: dict[str, Any], peaks: dict[int, float]) -> dict[str, Any]:
    for found in row["results"].values():
        if "gops" in found:
            found["peak_fraction"] = found["gops"] / peaks[row["threads"]]
    return row


def _memory(case: Case, arguments: Namespace) -> dict[str, Any]:
    """Of the largest batch and the fewest threads."""
    import tempfile

    from intsim.bench.memory import peak_memory
    from intsim.storage import save

    batch, threads = max(arguments.batch), min(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / f"{case.name}.h5"
        save(case.network, stored)
        names = ("intsim", *(peer for peer in arguments.peers if peer != "numpy"))
        held = {name: peak_memory(name, case, stored, batch, threads) for name in names}
    return {"network": case.name, "batch": batch, "threads": threads, "bytes": held}


def _say(row: dict[str, Any]) -> None:
    """Progress, a line for each row."""
    name = row.get("network") or f"{row['gemm']} {row['shape']}"
    what = f"{name}, batch {row['batch']}" if "batch" in row else name
    told = f"{row['results']['intsim']['ms']:.3g} ms"
    if row["agrees"] is False:
        told = "the outputs differ from the runtime's: no ratios"
    print(f"intsim: bench: {what}, {row['threads']} thread(s): {told}", file=sys.stderr)


def _print(report: dict[str, Any]) -> None:
    from intsim.bench import table

    machine = report["machine"]
    print(f"{machine['processor']}, {machine['processors']} processors, {machine['instructions']}")
    print(", ".join(f"{name} {value or 'absent'}" for name, value in report["versions"].items()))
    print(", ".join(f"peak with {n} thread(s) {v:.0f} Gop/s" for n, v in report["peak"].items()))
    for rows in (report["networks"], report["gemm"]):
        if rows:
            print()
            print_table(table.header(rows), [table.cells(row, table.peers(rows)) for row in rows])
    for entry in report["memory"]:
        print()
        held = {name: "absent" if size is None else f"{size:,}" for name, size in entry["bytes"].items()}
        print(f"{entry['network']}, batch {entry['batch']}, most bytes held:")
        print_table(("", "bytes"), list(held.items()))
    remarks = table.remarks(report)
    if remarks:
        print()
        print("\n".join(remarks))
