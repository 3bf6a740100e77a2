"""Compare two files of tensors, integer by integer, and show where they part first.

Tensors are compared in the order of A, which is the network's where intsim wrote A. B is under test: a tensor
that only A has is told; one that only B has is a difference. Where A is a trace of intsim whose network file
is still there, the first difference is followed back: the requantization step by step, and the dot product
behind it term by term, as the network makes A's integer.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.cli.output import add_json, print_json, print_table

if TYPE_CHECKING:
    from intsim.formats import TensorSpec
    from intsim.storage import TensorFile
    from intsim.verify.compare import Comparison, TensorDifference
    from intsim.verify.explain import Explanation

SUMMARY = "the first difference between two files of tensors"
EXAMPLES = """\
  intsim compare trace.h5 rtl.npz
  intsim compare trace.h5 rtl.h5 --map names.toml
  intsim compare golden.npy outputs.npy --json

a map, in TOML; axes say which axis of A's sample each axis of B's is:
  "block1/conv" = "dut.conv1_out"
  "block1/pool" = {name = "dut.pool1_out", axes = [2, 0, 1]}
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", type=Path, help="the reference: .npy, .npz or .h5")
    parser.add_argument("b", metavar="B", type=Path, help="the file under test: .npy, .npz or .h5")
    parser.add_argument("--map", metavar="FILE", type=Path, help="what A's tensors are called in B")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.storage import open_tensors
    from intsim.verify.compare import compare, read_mapping

    mapping = read_mapping(arguments.map) if arguments.map is not None else {}
    with open_tensors(arguments.a) as a, open_tensors(arguments.b) as b:
        found = compare(a, _named(a, b), mapping)
        first = found.first
        explained = _explain(a, arguments.a, first) if first is not None and first.index is not None else None
        spec = None if first is None else a.specs.get(first.name) or b.specs.get(first.other)
        bits = _bits(spec, first)
    if arguments.json:
        print_json(_plain(found, bits, explained))
    else:
        _print(arguments, found, spec, explained)
    return 0 if found.equal else 1


def _named(a: TensorFile, b: TensorFile) -> Any:
    """The tensors of B; where A and B hold one each and one of them no name, B's gets A's."""
    if len(a) == len(b) == 1 and "" in (*a, *b):
        return {name: b[other] for name, other in zip(a, b, strict=True)}
    return b


def _bits(spec: TensorSpec | None, first: TensorDifference | None) -> int:
    """How many bits the hexadecimal form of the first difference shows: the format's, or whole bytes."""
    from intsim.formats import IntFormat

    if first is None or not isinstance(first.a, int) or not isinstance(first.b, int):
        return 0
    needed = max(IntFormat.covering(value, value).bits for value in (first.a, first.b))
    return max(spec.format.bits, needed) if spec is not None else -(-needed // 8) * 8


def _hex(value: float | None, bits: int) -> str:
    if isinstance(value, float):
        return value.hex()
    return f"0x{int(value or 0) & ((1 << bits) - 1):0{-(-bits // 4)}x}"


def _value(value: float | None, spec: TensorSpec | None) -> str:
    """What a code stands for, where the tensor holds codes: of floats, or of scales."""
    import numpy as np

    from intsim.formats import RealFormat

    if (
        spec is None
        or isinstance(spec.format, RealFormat)
        or not spec.format.coded
        or not isinstance(value, int)
    ):
        return ""
    return f" = {float(spec.format.decode(np.array([value])).floats()[0])}"


def _explain(a: TensorFile, path: Path, first: TensorDifference) -> Explanation:
    """How A's integer came about, where A says which network made it."""
    from intsim.cli.origin import network_of
    from intsim.errors import IntsimError
    from intsim.verify.explain import Explanation, explain

    try:
        network = network_of(a, path)
        return explain(network, first.name, first.index or (), a)
    except IntsimError as error:
        return Explanation(missing="; ".join(map(str, error.findings)))


def _print(
    arguments: Namespace, found: Comparison, spec: TensorSpec | None, explained: Explanation | None
) -> None:
    rows = [(t.differing, t.size, "" if t.index is None else str(t.index), t.name) for t in found.tensors]
    print_table(("differing", "of", "first at", "tensor"), rows)
    for name in found.only_a:
        print(f"only in {arguments.a}: {name}")
    for name in found.only_b:
        print(f"only in {arguments.b}: {name}")
    first = found.first
    if first is None:
        return
    called = first.name if first.name == first.other else f"{first.name} (there {first.other})"
    if first.why:
        print(f"\nfirst difference: {called}: {first.why}")
        return
    print(f"\nfirst difference: {called} at {first.index}")
    width, bits = max(len(str(arguments.a)), len(str(arguments.b))), _bits(spec, first)
    for path, value in ((arguments.a, first.a), (arguments.b, first.b)):
        print(f"  {path!s:<{width}}  {value} ({_hex(value, bits)}){_value(value, spec)}")
    if explained is not None:
        _print_explained(arguments.a, first, explained)


def _print_explained(path: Path, first: TensorDifference, explained: Explanation) -> None:
    if explained.missing:
        print(f"\nnot followed further: {explained.missing}")
        return
    for section in explained.sections:
        print(f"\n{section.title}")
        print_table(section.header, section.rows, commas=False)
    if explained.value is not None and explained.value != first.a:
        print(f"\nthe network gives {explained.value} here, which is not what {path} holds")


def _plain(found: Comparison, bits: int, explained: Explanation | None) -> dict[str, Any]:
    """The comparison for programs."""
    from dataclasses import asdict

    first = found.first
    tensors = [asdict(tensor) | {"equal": tensor.equal} for tensor in found.tensors]
    plain: dict[str, Any] = {
        "equal": found.equal,
        "tensors": tensors,
        "only_a": found.only_a,
        "only_b": found.only_b,
        "first": None,
        "explanation": None,
    }
    if first is not None:
        plain["first"] = asdict(first)
        if first.index is not None:
            plain["first"] |= {"a_hex": _hex(first.a, bits), "b_hex": _hex(first.b, bits)}
    if explained is not None:
        plain["explanation"] = asdict(explained)
    return plain
