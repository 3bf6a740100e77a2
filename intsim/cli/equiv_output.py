"""What `intsim equiv` prints: a line per node, and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from intsim.cli.output import print_json, print_table

if TYPE_CHECKING:
    from intsim.network import Network
    from intsim.verify.equivalence_datapaths import SumComparison
    from intsim.verify.equivalence_findings import ChannelComparison
    from intsim.verify.equivalence_networks import NodeComparison
    from intsim.verify.equivalence_widths import NodeWidths

VERDICTS = ("equal", "differs", "not decided")


def code(value: int | None, bits: int) -> str:
    """A code in decimal and hexadecimal; "a trap" where a register stopped."""
    if value is None:
        return "a trap"
    needed = max(bits, (value if value >= 0 else ~value).bit_length() + (value < 0))
    return f"{value} (0x{value & ((1 << needed) - 1):0{-(-needed // 4)}x})"


def show_nodes(
    nodes: Sequence[NodeComparison], network: Network, file: str, channels: bool, as_json: bool
) -> int:
    """Print compared nodes; the exit status."""
    bits = {node.name: _bits(network, node.outputs[0]) for node in network.nodes}
    if as_json:
        print_json([_plain_node(node, bits.get(node.name, 0)) for node in nodes])
    else:
        print_table(
            ("verdict", "differing", "of", "largest", "how", "lowest that differs", "node"),
            [_node_row(node, bits.get(node.name, 0)) for node in nodes],
        )
        if channels:
            _print_channels(nodes, bits)
        _print_counts([node.verdict for node in nodes], f"over the ranges proved in {file}")
    return 0 if all(node.equal for node in nodes) else 1


def _bits(network: Network, tensor: str) -> int:
    return int(getattr(network.specs[tensor].format, "bits", 0))


def _node_row(node: NodeComparison, bits: int) -> tuple[Any, ...]:
    found = node.compared
    if found is None:
        return node.verdict, "", "", "", "", node.why_not, node.name
    differing = [entry for entry in found.channels if entry.differing]
    lowest = _lowest(differing[0], bits, len(found.channels)) if differing else found.undecided
    largest: Any = max(entry.largest for entry in found.channels) if differing else ""
    how = ", ".join(found.methods)
    return node.verdict, found.differing, found.total, largest, how, lowest, node.name


def _lowest(entry: ChannelComparison, bits: int, channels: int) -> str:
    where = f"channel {entry.channel} at " if channels > 1 else ""
    return f"{where}{entry.first}: {code(entry.a, bits)} against {code(entry.b, bits)}"


def _print_channels(nodes: Sequence[NodeComparison], bits: dict[str, int]) -> None:
    for node in nodes:
        if node.compared is None or len(node.compared.channels) < 2:
            continue
        print(f"\n{node.name}")
        rows = []
        for entry in node.compared.channels:
            lowest = _lowest(entry, bits.get(node.name, 0), 1) if entry.differing else entry.undecided
            largest: Any = entry.largest if entry.differing else ""
            rows.append((entry.channel, entry.lo, entry.hi, entry.differing, entry.total, largest, lowest))
        print_table(("channel", "from", "to", "differing", "of", "largest", "lowest that differs"), rows)


def _print_counts(verdicts: Sequence[str], over: str = "") -> None:
    counted = Counter(verdicts)
    said = ", ".join(_counted(verdict, counted[verdict]) for verdict in VERDICTS if counted[verdict])
    nodes = "1 node" if len(verdicts) == 1 else f"{len(verdicts)} nodes"
    blank = "\n" if verdicts else ""
    print(f"{blank}{nodes}{' ' if over else ''}{over}: {said or 'nothing differs'}")


def _counted(verdict: str, count: int) -> str:
    return f"{count} {'differ' if verdict == 'differs' and count > 1 else verdict}"


def _plain_node(node: NodeComparison, bits: int) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": node.name, "op": node.op, "verdict": node.verdict}
    if node.compared is None:
        return plain | {"why_not": node.why_not, "differing": None, "total": None, "channels": []}
    entries = []
    for entry in node.compared.channels:
        found = asdict(entry) | {"equal": entry.equal}
        if entry.first is not None:
            found |= {"a_shown": code(entry.a, bits), "b_shown": code(entry.b, bits)}
        entries.append(found)
    return plain | {
        "why_not": node.compared.undecided,
        "differing": node.compared.differing,
        "total": node.compared.total,
        "channels": entries,
    }


def show_sums(sums: Sequence[SumComparison], as_json: bool) -> int:
    """Print compared datapaths; the exit status."""
    if as_json:
        print_json([_plain_sum(entry) for entry in sums])
    else:
        header = ("verdict", "first", "second", "why", "node")
        rows = [(e.verdict, _registers(e.a), _registers(e.b), _why(e), e.name) for e in sums]
        print_table(header, rows)
        _print_counts([entry.verdict for entry in sums])
    return 0 if all(entry.equal for entry in sums) else 1


def _registers(accumulator: Any) -> str:
    return ", inside it ".join(str(level.register) for level in accumulator.levels())


def _why(entry: SumComparison) -> str:
    found = entry.difference
    if found is None:
        return entry.why
    a, b = code(found.a, entry.a.format.bits), code(found.b, entry.b.format.bits)
    return f"at {found.index}: {a} against {b}"


def _plain_sum(entry: SumComparison) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": entry.name,
        "op": entry.op,
        "verdict": entry.verdict,
        "first": repr(entry.a),
        "second": repr(entry.b),
        "why": entry.why,
        "difference": None,
    }
    found = entry.difference
    if found is not None:
        plain["difference"] = {
            "index": found.index,
            "a": found.a,
            "b": found.b,
            "a_shown": code(found.a, entry.a.format.bits),
            "b_shown": code(found.b, entry.b.format.bits),
            "inputs": [sample.tolist() for sample in found.inputs],
        }
    return plain


def show_widths(widths: Sequence[NodeWidths], channels: bool, as_json: bool) -> int:
    """Print the narrowest multipliers; the exit status."""
    if as_json:
        print_json([_plain_widths(node) for node in widths])
    else:
        rows = [_widths_row(node) for node in widths]
        print_table(("bits", "now", "shifts", "channels", "checked by", "node"), rows)
        if channels:
            for node in widths:
                _print_multipliers(node)
    return 1 if any(node.missing for node in widths) else 0


def _widths_row(node: NodeWidths) -> tuple[Any, ...]:
    now = "" if node.now is None else node.now
    if node.missing:
        having = sum(not entry.missing for entry in node.channels)
        told = f"{len(node.channels)}, of which {having} have one" if having else f"{len(node.channels)}"
        return "none", now, "", told, node.missing, node.name
    shifts = sorted({entry.shift or 0 for entry in node.channels})
    told = f"{shifts[0]}" if len(shifts) == 1 else f"{shifts[0]} to {shifts[-1]}"
    return str(node.bits), now, told, str(len(node.channels)), ", ".join(node.checked), node.name


def _print_multipliers(node: NodeWidths) -> None:
    print(f"\n{node.name}")
    rows = []
    for entry in node.channels:
        multiplier = entry.missing if entry.multiplier is None else code(entry.multiplier, 0)
        bits, shift = ("" if value is None else value for value in (entry.bits, entry.shift))
        rows.append((entry.channel, entry.lo, entry.hi, bits, shift, multiplier))
    print_table(("channel", "from", "to", "bits", "shift", "multiplier"), rows)


def _plain_widths(node: NodeWidths) -> dict[str, Any]:
    return {
        "name": node.name,
        "bits": node.bits,
        "now": node.now,
        "checked": list(node.checked),
        "missing": node.missing,
        "channels": [asdict(entry) | {"bits": entry.bits} for entry in node.channels],
    }
