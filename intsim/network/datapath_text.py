"""Datapaths as TOML text: `Datapath.parse` of it gives the same datapath."""

from __future__ import annotations

import json

from intsim.arithmetic import Accumulator
from intsim.network.datapath import Datapath, Rule
from intsim.record import schema


def datapath_text(datapath: Datapath, comments: tuple[str, ...] = ()) -> str:
    """The TOML form.

    Parameters
    ----------
    datapath : Datapath
    comments : lines for the top of the file
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in comments)
    return "\n".join(
        [head, *(_rule(rule) for rule in datapath.rules)] if head else map(_rule, datapath.rules)
    )


def _rule(rule: Rule) -> str:
    names = [_string(name) for name in rule.nodes]
    nodes = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
    return f"[[accumulator]]\nnodes = {nodes}\n{_fields(rule.accumulator, 'accumulator')}"


def _fields(accumulator: Accumulator, where: str) -> str:
    """The register's width and mode always, the rest where it is not the default."""
    lines = []
    default = Accumulator()
    for entry, _ in schema(Accumulator):
        value = getattr(accumulator, entry.name)
        always = entry.name in ("format", "overflow")
        if entry.name != "inner" and (always or value != getattr(default, entry.name)):
            lines.append(f"{entry.name} = {_value(value)}")
    text = "\n".join(lines) + "\n"
    if accumulator.inner is not None:
        text += f"[{where}.inner]\n{_fields(accumulator.inner, f'{where}.inner')}"
    return text


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, int):
        return str(value)
    return _string(str(getattr(value, "name", value)).lower())


def _string(text: str) -> str:
    """A TOML basic string: JSON's escapes are among its own, but DEL has to be escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
