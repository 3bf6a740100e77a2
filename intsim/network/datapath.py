"""`Datapath`: the hardware's say about a network: how each node's sums are made.

Rules
-----
D1. A datapath is a list of rules; each names nodes by patterns (``*``, ``?``, ``[abc]``, or the exact
    name) and gives one accumulator.
D2. Rules are read in order and a later rule overrides an earlier one whole: what it does not say takes
    the accumulator's default (or its preset's value), never the earlier rule's.
D3. Nodes that no rule names keep the network's accumulator.
D4. Every pattern names at least one node that accumulates.
D5. In a file, `preset` gives the accumulator of that name; the other keys of the rule change its fields.

A file
------
::

    [[accumulator]]
    nodes = "*"
    preset = "wrap32"

    [[accumulator]]
    nodes = ["conv1/*", "conv2/*"]
    format = "int12"
    overflow = "saturate"
    order = "chw"
    topology = "chain"
    tile = 16
    bias = "first"
    zero_point = "preload"
    [accumulator.inner]
    format = "int9"
    overflow = "wrap"
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.arithmetic import Accumulator
from intsim.arithmetic.presets import ACCUMULATORS
from intsim.errors import FileError, Finding, SpecError
from intsim.formats import IntFormat
from intsim.ops import Op
from intsim.record import Record, field, schema

if TYPE_CHECKING:
    from intsim.network.graph import Network


@dataclass(frozen=True, eq=False, repr=False)
class Rule(Record):
    """One accumulator for the nodes that patterns name."""

    nodes: tuple[str, ...] = field("patterns of node names")
    accumulator: Accumulator = field("how these nodes' sums are made")

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.nodes:
            yield "nodes", "must name at least one pattern. [D1]"

    def names(self, node: str) -> bool:
        """Whether some pattern names this node."""
        return any(_matches(pattern, node) for pattern in self.nodes)


@dataclass(frozen=True, eq=False, repr=False)
class Datapath(Record):
    """Rules that say how the sums of a network's nodes are made.

    Examples
    --------
    >>> path = Datapath.parse('[[accumulator]]\\nnodes = "*"\\nformat = "int12"\\n')
    >>> path.rules[0].accumulator
    Accumulator(format=IntFormat(bits=12))
    """

    rules: tuple[Rule, ...] = field("in order; a later one overrides", default=())

    @classmethod
    def parse(cls, text: str) -> Datapath:
        """Read the TOML form.

        Raises
        ------
        SpecError
            With every broken rule, each naming its key.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"datapath must be TOML: {error}") from None
        reader = _Reader()
        rules = reader.rules(data)
        if reader.findings:
            raise SpecError(reader.findings)
        return cls(rules)

    @classmethod
    def read(cls, path: str | Path) -> Datapath:
        """Read a TOML file.

        Raises
        ------
        FileError
            The file cannot be read or breaks a rule.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(Finding(str(path), f"cannot be read: {error}")) from error
        try:
            return cls.parse(text)
        except SpecError as error:
            raise FileError(Finding(str(path), str(finding)) for finding in error.findings) from None


def accumulator_of(op: Op) -> Accumulator | None:
    """The accumulator of an op that makes sums; None for all others."""
    accumulator = getattr(op, "accumulator", None)
    return accumulator if isinstance(accumulator, Accumulator) else None


def with_datapath(network: Network, datapath: Datapath) -> Network:
    """The network with its sums made as the datapath says (rules D1 to D4).

    Raises
    ------
    SpecError
        A pattern names no node that accumulates, or an accumulator does not suit its node.
    """
    summing = [node.name for node in network.nodes if accumulator_of(node.op) is not None]
    findings = [
        Finding(f"accumulator[{index}].nodes", f"must name nodes that accumulate, not {pattern!r}. [D4]")
        for index, rule in enumerate(datapath.rules)
        for pattern in rule.nodes
        if not any(_matches(pattern, name) for name in summing)
    ]
    nodes = []
    for node in network.nodes:
        chosen = [rule for rule in datapath.rules if node.name in summing and rule.names(node.name)]
        if chosen:
            try:
                node = node.replace(op=node.op.replace(accumulator=chosen[-1].accumulator))
            except SpecError as error:
                findings += [Finding(node.name, str(finding)) for finding in error.findings]
        nodes.append(node)
    if findings:
        raise SpecError(findings)
    return network.replace(nodes=tuple(nodes))


class _Reader:
    """From TOML's tables to rules, with every mistake noted under its key."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def wrong(self, where: str, what: str) -> None:
        self.findings.append(Finding(where, what))

    def rules(self, data: Mapping[str, Any]) -> tuple[Rule, ...]:
        for key in data:
            if key != "accumulator":
                self.wrong(key, "must be left out; a datapath has accumulator tables only")
        tables = data.get("accumulator", [])
        if not _is_tables(tables):
            self.wrong("accumulator", "must be tables, each under [[accumulator]]")
            return ()
        rules = [self.rule(table, f"accumulator[{index}]") for index, table in enumerate(tables)]
        return tuple(rule for rule in rules if rule is not None)

    def rule(self, table: Mapping[str, Any], where: str) -> Rule | None:
        rest = dict(table)
        nodes = self.patterns(rest.pop("nodes", None), f"{where}.nodes")
        base = self.preset(rest.pop("preset", None), f"{where}.preset")
        accumulator = self.accumulator(rest, where, base, ("nodes", "preset"))
        return None if accumulator is None or not nodes else Rule(nodes, accumulator)

    def patterns(self, value: Any, where: str) -> tuple[str, ...]:
        listed = [value] if isinstance(value, str) else value
        if isinstance(listed, list) and listed and all(isinstance(entry, str) for entry in listed):
            return tuple(listed)
        said = "absent" if value is None else repr(value)
        self.wrong(where, f"must be a pattern of node names or a list of them, not {said}. [D1]")
        return ()

    def preset(self, name: Any, where: str) -> Accumulator:
        if isinstance(name, str) and name in ACCUMULATORS:
            return ACCUMULATORS[name].accumulator
        if name is not None:
            self.wrong(where, f"must be one of {', '.join(ACCUMULATORS)}, not {name!r}. [D5]")
        return Accumulator()

    def accumulator(
        self, table: Mapping[str, Any], where: str, base: Accumulator, also: tuple[str, ...] = ()
    ) -> Accumulator | None:
        known = [entry.name for entry, _ in schema(Accumulator)]
        changes: dict[str, Any] = {}
        before = len(self.findings)
        for key, value in table.items():
            if key not in known:
                self.wrong(f"{where}.{key}", f"must be one of {', '.join((*also, *known))}")
            elif key == "format":
                changes[key] = self.format(value, f"{where}.format", base.format)
            elif key == "inner":
                changes[key] = self.inner(value, f"{where}.inner")
            else:
                changes[key] = value
        try:
            made = base.replace(**changes)
        except SpecError as error:
            for finding in error.findings:
                self.wrong(finding.where.replace("Accumulator", where, 1), finding.what)
        return made if len(self.findings) == before else None

    def format(self, value: Any, where: str, otherwise: IntFormat) -> IntFormat:
        try:
            return IntFormat.parse(value if isinstance(value, str) else repr(value))
        except SpecError as error:
            self.wrong(where, error.findings[0].what.removeprefix("format "))
            return otherwise

    def inner(self, value: Any, where: str) -> Accumulator | None:
        if isinstance(value, dict):
            return self.accumulator(value, where, Accumulator())
        self.wrong(where, f"must be a table, not {value!r}")
        return None


def _matches(pattern: str, name: str) -> bool:
    return pattern == name or fnmatch.fnmatchcase(name, pattern)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)
