"""Set a network against the framework that it came from: the first tensor that differs, and why.

The framework runs its own file on the same inputs. Tensors that both sides name are compared in the network's
order and layout, integer by integer. Where one differs first, what the other side does is looked for: the
network is changed in one place (a rounding, the place of the zero point, a register of the sum, ...) until it
gives the other side's integers, every one of the batch; and the difference is followed back step by step.
Integers that the other side's floats leave open (QONNX computes with float32) are told apart and counted.

NAME is a converter whose framework is installed; `intsim dialects` lists whose integers it can give.
Exit status: 0 no tensor differs, 1 one does, 2 wrong usage or a bad file.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.cli.door import add_door, load_network, opened_inputs
from intsim.cli.output import add_json, print_json, print_table, progress

if TYPE_CHECKING:
    from intsim.converter import Runner
    from intsim.network import Network
    from intsim.verify.diff import Diff
    from intsim.verify.explain import Explanation

SUMMARY = "the first difference from the framework, and why"
EXAMPLES = """\
  intsim diff model.h5 --against tflite:model.tflite -i inputs.npy
  intsim diff model.h5 --against onnx:model.onnx -i inputs.npz --json
  intsim diff model.h5 --against onnx:model.onnx --dialect onnx-ref -i inputs.npz
  intsim diff model.h5 --against qonnx:model.onnx --dialect qonnx-image8 -i images.npy
  intsim diff model.h5 --against tflite:model.tflite -i inputs.npy --datapath chip.toml
"""

_AT_ONCE = 32  # samples: every tensor of theirs is in memory


def add_arguments(parser: ArgumentParser) -> None:
    add_door(parser)
    parser.add_argument(
        "--against", metavar="NAME:FILE", required=True, help="converter and the framework's file"
    )
    parser.add_argument(
        "--dialect", metavar="D", help="whose integers the other side has; the converter's default if absent"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.verify.diff import diff

    network = load_network(arguments)
    runner = _runner(network, arguments)
    with opened_inputs(network, arguments) as (inputs, batch), progress("diff") as advance:
        pieces = _pieces(network, inputs, batch, advance)
        found = diff(network, runner, pieces, engine=arguments.engine, threads=arguments.threads)
        explained = _explained(network, found, inputs)
    if arguments.json:
        print_json(_plain(found, explained))
    else:
        _print(found, explained)
    return 0 if found.first is None else 1


def _runner(network: Network, arguments: Namespace) -> Runner:
    from intsim.cli import installed
    from intsim.converter import RunningConverter
    from intsim.errors import Finding, InputError

    name, separator, file = arguments.against.partition(":")
    if not separator or not file:
        raise InputError(Finding("--against", f"must be NAME:FILE, not {arguments.against!r}"))
    converter = installed.load(name)
    if not isinstance(converter, RunningConverter):
        raise InputError(Finding("--against", f"converter {name} has no framework to run its files"))
    dialect = arguments.dialect or converter.default_dialect
    made = re.search(r", dialect ([\w-]+):", network.source)
    if made is not None and made[1] in converter.dialects and made[1] != dialect:
        words = f"the network has the integers of dialect {made[1]}, as its source says, and is set against"
        print(f"intsim: {words} {dialect} (--dialect)", file=sys.stderr)
    try:
        return converter.runner(Path(file), dialect)
    except ImportError as error:
        missing = (error.name or str(error)).partition(".")[0]
        what = f"needs {missing} to run its files. Install it with `pip install {missing}`."
        raise InputError(Finding(f"converter {name}", what)) from None


def _pieces(network: Network, inputs: dict[str, Any], batch: int, advance: Any) -> Iterator[dict[str, Any]]:
    from intsim.engine.inputs import chunk_of

    for begin in range(0, batch, _AT_ONCE):
        end = min(begin + _AT_ONCE, batch)
        yield chunk_of(network, inputs, begin, end)
        if advance is not None:
            advance(end, batch)


def _explained(network: Network, found: Diff, inputs: dict[str, Any]) -> Explanation | None:
    """How the network makes the first integer that differs."""
    from intsim.engine.inputs import chunk_of
    from intsim.verify.explain import explain

    first = found.first
    if first is None or not first.index:
        return None
    sample = first.index[0]
    return explain(network, first.name, (0, *first.index[1:]), chunk_of(network, inputs, sample, sample + 1))


def _print(found: Diff, explained: Explanation | None) -> None:
    rows = [
        (entry.differing, entry.size, largest, "" if entry.index is None else str(entry.index), entry.name)
        for entry, largest in ((count.difference, count.largest) for count in found.tensors)
    ]
    print_table(("differing", "of", "by at most", "first at", "tensor"), rows)
    for name, why in found.left_out.items():
        print(f"left out: {name}: {why}")
    print(f"\n{found.samples:,} samples against {found.against}")
    first = found.first
    if first is None:
        print("no integer differs")
        return
    if first.why:
        print(f"first difference: {first.name}: {first.why}")
    else:
        print(f"first difference: {first.name} at {first.index}: {first.a}, there {first.b}")
    _print_reason(
        found, "" if found.at == first.name else f" of {found.at}, made of the other side's tensors"
    )
    for section in explained.sections if explained is not None else ():
        print(f"\n{section.title}")
        print_table(section.header, section.rows, commas=False)


def _print_reason(found: Diff, of: str) -> None:
    reason = found.reason
    if reason is None:
        print(f"reason{of}: not found; no single change of a node gives the other side's integers")
    else:
        print(f"reason{of}: {reason.kind}: {reason.words}")
        if reason.also:
            heads = (words.partition(":")[0].removeprefix("as ") for words in reason.also)
            print(f"  the same integers here: {', '.join(heads)}")
    if found.undecided:
        rows = [(entry.undecided, entry.differing, entry.name) for entry in found.undecided]
        print("\nleft open by the other side's floats, each tensor made of the other side's before it")
        print_table(("left open", "of differing", "tensor"), rows)


def _plain(found: Diff, explained: Explanation | None) -> dict[str, Any]:
    """For programs."""
    first = found.first
    return {
        "equal": first is None,
        "against": found.against,
        "samples": found.samples,
        "tensors": [asdict(count.difference) | {"largest": count.largest} for count in found.tensors],
        "left_out": dict(found.left_out),
        "first": None if first is None else asdict(first),
        "at": found.at,
        "reason": None if found.reason is None else asdict(found.reason),
        "undecided": [asdict(entry) for entry in found.undecided],
        "explanation": None if explained is None else asdict(explained),
    }
