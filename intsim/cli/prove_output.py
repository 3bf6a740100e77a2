"""What `prove` prints."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intsim.arithmetic import Accumulator, Interval
from intsim.cli.output import print_json, print_table
from intsim.cli.prove_witness import Written
from intsim.errors import Finding, InputError
from intsim.formats.width import widths
from intsim.network import Network
from intsim.network.datapath import accumulator_of
from intsim.ops import BlockDense
from intsim.verify.check_certificate import Outcome
from intsim.verify.narrowest import Narrowed
from intsim.verify.network_witness import NetworkWitness
from intsim.verify.prove import PROVED, NodeProof, Proof, RegisterProof
from intsim.verify.witness import Witness

_HEADER = ("verdict", "register", "needs", "headroom", "wrap", "saturate", "any order", "data-type", "a2q")


def chosen_nodes(network: Network, patterns: Sequence[str] | None) -> tuple[str, ...]:
    """The accumulating nodes that patterns name; all of them without patterns.

    Raises
    ------
    InputError
        A pattern names none.
    """
    summing = [node.name for node in network.nodes if accumulator_of(node.op) is not None]
    chosen: set[str] = set()
    for pattern in patterns or ("*",):
        named = [name for name in summing if name == pattern or fnmatch.fnmatchcase(name, pattern)]
        if not named and patterns:
            raise InputError(Finding("--only", f"must name nodes that accumulate, not {pattern!r}"))
        chosen.update(named)
    return tuple(name for name in summing if name in chosen)


def print_proof(
    proof: Proof,
    chosen: Sequence[str],
    seen: Mapping[str, Interval],
    written: Mapping[str, Written],
    channels: bool,
) -> None:
    """The table, then one line per node that is not proved, then the verdict."""
    nodes = [node for node in proof.nodes if node.node in chosen]
    header = [*_HEADER, *(["observed"] if seen else []), *(["channel"] if channels else []), "node"]
    rows: list[list[Any]] = []
    for node in nodes:
        for channel in range(len(node.verdicts)) if channels else [None]:
            rows += _rows(node, channel, seen.get(node.node))
    print_table(header, rows)
    for node in nodes:
        if node.verdict != PROVED:
            print()
            print("\n".join(_complaint(node, written.get(node.node))))
    _print_verdict(proof, nodes)


def _rows(node: NodeProof, channel: int | None, seen: Interval | None) -> Iterable[list[Any]]:
    """One row per register, the outermost first."""
    for level, register in enumerate(node.registers):
        outer = level == 0
        verdict = _verdict(node, channel) if outer else f"  inside ({level})"
        row = [verdict, str(register.range.register), _pick(register.needed, channel)]
        row += [_headroom(register, channel)]
        row += [_pick(register.safe[name], channel) for name in ("wrap", "saturate", "any order")]
        forms = {form.name: form.bits for form in node.forms} if outer else {}
        row += [_pick(forms[name], channel) if name in forms else "" for name in ("data-type", "a2q")]
        if seen is not None:
            row.append(_observed(seen, channel) if outer else "")
        if channel is not None:
            row.append(channel)
        yield [*row, node.node if outer else ""]


def _verdict(node: NodeProof, channel: int | None) -> str:
    if channel is not None:
        kind = node.kinds[channel]
        return f"{node.verdicts[channel]} {kind}".strip()
    kinds = sorted(set(node.kinds) - {""})
    return " ".join([node.verdict, "+".join(kinds)]).strip()


def _headroom(register: RegisterProof, channel: int | None) -> Any:
    values = list(register.headroom)
    if channel is not None:
        values = [values[min(channel, len(values) - 1)]]
    return "none" if None in values else min(values)


def _pick(bits: Any, channel: int | None) -> Any:
    """One channel's bits, or the worst channel's; a dash where no width does."""
    values = list(bits) if channel is None else [bits[min(channel, len(bits) - 1)]]
    return "-" if None in values else max(values)


def _observed(seen: Interval, channel: int | None) -> Any:
    """The bits that the data needed: a lower bound of what is safe."""
    return _pick(widths(seen.lo, seen.hi), channel)


def _complaint(node: NodeProof, written: Written | None) -> list[str]:
    """What is wrong where, and which file shows it."""
    bad = [channel for channel, verdict in enumerate(node.verdicts) if verdict != PROVED]
    register = node.registers[0].range.register
    local = None if written is None else written.local
    channel = node.worst() if local is None else local.channel
    some = f"{len(bad)} of {len(node.verdicts)} channels"
    said = f"{node.node}: channel {channel} ({some}) can overflow {register} ({node.kinds[channel]})"
    lines = [said]
    if local is not None and written is not None:
        lines.append(
            f"  local witness    {written.path}: at {local.index} the sum is {local.exact:,},"
            f" the register {_outcome(local)}"
        )
    if written is not None:
        lines.append(_network_line(written))
    return lines


def _network_line(written: Written) -> str:
    search, found = written.search, written.search.witness
    if found is not None:
        return (
            f"  network witness  {written.network_path}: at {found.index} the sum is {found.exact:,},"
            f" the register {_outcome(found)}"
        )
    if not search.tried:
        return "  network witness  not looked for"
    return f"  network witness  none found in {search.tried:,} inputs and {search.seconds:.1f} s"


def _outcome(found: Witness | NetworkWitness) -> str:
    return "traps" if found.trapped else f"holds {found.delivered:,}"


def assumptions(proof: Proof) -> list[str]:
    """What the proof assumes of the inputs, where that is less than their formats."""
    lines = []
    for entry in proof.network.inputs:
        interval = proof.ranges.get(entry.name)
        if interval is not None and interval != Interval.of_format(entry.spec.integer):
            lines.append(f"Assumed: {entry.name} in {interval}, less than {entry.spec.format}.")
    return lines


def _print_verdict(proof: Proof, nodes: Sequence[NodeProof]) -> None:
    proved = sum(node.verdict == PROVED for node in nodes)
    print()
    for line in assumptions(proof):
        print(line)
    for node in nodes:
        if node.spacing > 1:
            print(f"{node.node}: the final sums of a channel are {node.spacing} apart, or multiples of that")
    for line in _of_blocks(proof):
        print(line)
    print(f"{proved} of {len(nodes)} accumulators proved")


def _of_blocks(proof: Proof) -> list[str]:
    """What is told of sums of blocks, which are made of floats."""
    lines = []
    for node in proof.network.nodes:
        if not isinstance(node.op, BlockDense):
            continue
        said = (
            "a fixed-point word between blocks, not proved"
            if node.name in proof.words
            else "rounds as floats do"
        )
        given = proof.network.specs[node.inputs[0]].integer
        widths = node.op.term_bits(given)
        if widths is not None:
            said = f"exact sums of {widths[0]} products need {widths[1]} bits; {said}"
        lines.append(f"{node.name}: {said}")
    return lines


def print_proof_json(
    proof: Proof, chosen: Sequence[str], seen: Mapping[str, Interval], written: Mapping[str, Written]
) -> None:
    """Everything, per channel."""
    nodes = [node for node in proof.nodes if node.node in chosen]
    print_json(
        {
            "proved": proof.proved,
            "words": list(proof.words),
            "assumptions": {name: _ends(interval) for name, interval in proof.ranges.items()},
            "nodes": [_node_json(node, seen.get(node.node), written.get(node.node)) for node in nodes],
        }
    )


def _node_json(node: NodeProof, seen: Interval | None, written: Written | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "node": node.node,
        "op": node.op,
        "verdict": node.verdict,
        "channels": [
            {"verdict": verdict, "overflow": kind or None}
            for verdict, kind in zip(node.verdicts, node.kinds, strict=True)
        ],
        "spacing": node.spacing,
        "registers": [_register_json(register) for register in node.registers],
        "closed_forms": {
            form.name: {"bits": list(form.bits), "refused": form.refused or None} for form in node.forms
        },
    }
    if seen is not None:
        said["observed"] = _ends(seen)
    if written is not None:
        said["witness"] = _witness_json(written)
    return said


def _register_json(register: RegisterProof) -> dict[str, Any]:
    found = register.range
    return {
        "format": str(found.register.format),
        "overflow": found.register.overflow.name.lower(),
        "final": _ends(found.final),
        "partial": _ends(found.partial),
        "any_order": _ends(found.any_order),
        "needed": list(register.needed),
        "headroom": list(register.headroom),
        "safe": {name.replace(" ", "_"): list(bits) for name, bits in register.safe.items()},
    }


def _witness_json(written: Written) -> dict[str, Any]:
    local, found = written.local, written.search.witness
    return {
        "local": None if local is None else _found_json(local, written.path),
        "network": None if found is None else _found_json(found, written.network_path),
        "network_search": {"inputs": written.search.tried, "seconds": round(written.search.seconds, 3)},
    }


def _found_json(found: Any, path: Path | None) -> dict[str, Any]:
    return {
        "file": str(path),
        "channel": found.channel,
        "index": list(found.index),
        "exact": found.exact,
        "delivered": found.delivered,
        "trapped": found.trapped,
    }


def _ends(interval: Interval) -> dict[str, Any]:
    lo, hi = (end.tolist() if hasattr(end, "tolist") else end for end in (interval.lo, interval.hi))
    return {"lo": lo, "hi": hi}


def print_search(found: Sequence[Narrowed]) -> None:
    """Before and after, the outermost register first."""
    rows = [[_said(entry.before), _said(entry.after), entry.node] for entry in found]
    print_table(("register", "narrowest safe", "node"), rows)


def _said(accumulator: Accumulator) -> str:
    return " < ".join(str(level.register) for level in accumulator.levels())


def print_search_json(found: Sequence[Narrowed]) -> None:
    """The widths, per channel too."""
    print_json(
        {
            "nodes": [
                {
                    "node": entry.node,
                    "bits": [level.format.bits for level in entry.after.levels()],
                    "channels": [list(bits) for bits in entry.needed],
                }
                for entry in found
            ]
        }
    )


def print_check(path: Path, outcome: Outcome, holds: bool) -> None:
    """Every finding; or what holds, and on what it rests."""
    for finding in outcome.findings:
        print(f"{path}: {finding}")
    if outcome.findings:
        print(f"{path}: rejected")
        return
    for name in outcome.unproved:
        print(f"{path}: says itself that {name} is not proved")
    for line in outcome.assumptions:
        print(f"assumed: {line}")
    verdict = "holds: no accumulator can deliver a wrong sum" if holds else "holds, but not all is proved"
    print(f"{path}: {verdict} ({outcome.sums} accumulators)")
