"""List the ops, or the rules and the fields of one.

The fields are those of the op's group in the HDF5 file, and of the groups in it; `intsim.storage` tells
how each type is kept.
"""

from __future__ import annotations

import inspect
from argparse import ArgumentParser, Namespace
from dataclasses import MISSING, Field
from typing import TYPE_CHECKING, Any

from intsim.cli.output import add_json, print_json, print_table

if TYPE_CHECKING:
    from intsim.ops import Op
    from intsim.record import Record

SUMMARY = "what every op means"
EXAMPLES = """\
  intsim ops
  intsim ops conv2d
  intsim ops requantize --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="one op")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from intsim.errors import SpecError
    from intsim.storage.registry import Registry

    registry = Registry()
    if arguments.name is None:
        return _list([_found(registry, name) for name in registry.names()], arguments.json)
    op = registry.find(arguments.name)
    if op is None:
        raise SpecError(f"op must be one of {', '.join(registry.names())}, not {arguments.name!r}")
    if arguments.json:
        print_json(_described(op))
    else:
        _print(op)
    return 0


def _found(registry: Any, name: str) -> type[Op]:
    op: type[Op] = registry.find(name)
    return op


def _list(ops: list[type[Op]], as_json: bool) -> int:
    if as_json:
        print_json([{"name": op.name, "version": op.version, "summary": summary(op)} for op in ops])
    else:
        print_table(("op", "version", "meaning"), ((op.name, op.version, summary(op)) for op in ops))
    return 0


def summary(op: type[Op]) -> str:
    """The first line of an op's rules, without its name."""
    return _rules(op).splitlines()[0].partition(": ")[2] or _rules(op).splitlines()[0]


def _rules(op: type[Op]) -> str:
    module = inspect.getmodule(op)
    return inspect.cleandoc((module and module.__doc__) or op.__doc__ or op.name)


def _fields(record: type[Record]) -> list[dict[str, Any]]:
    from intsim.record import schema
    from intsim.storage.kinds import kept

    return [
        {
            "name": entry.name,
            "type": kept(annotation),
            "default": _default(entry),
            "meaning": entry.metadata.get("doc", ""),
        }
        for entry, annotation in schema(record)  # type: ignore[arg-type]
    ]


def _default(entry: Field[Any]) -> str | None:
    """As code; None where the field must be given."""
    if entry.default is not MISSING:
        return repr(entry.default)
    return None if entry.default_factory is MISSING else repr(entry.default_factory())


def _records(op: type[Op]) -> list[type[Record]]:
    """Every kind of record that the op's fields may hold, each once, in the order in which they are met; but
    number formats, which most files name, last."""
    from intsim.record import schema
    from intsim.storage.kinds import is_named, records

    met: list[type[Record]] = [op]
    for record in met:
        for _, annotation in schema(record):  # type: ignore[arg-type]
            met += [inner for inner in records(annotation) if inner not in met]
    return sorted(met[1:], key=is_named)


def _described(op: type[Op]) -> dict[str, Any]:
    return {
        "name": op.name,
        "version": op.version,
        "inputs": {"fewest": op.arity[0], "most": op.arity[1]},
        "rules": _rules(op),
        "fields": _fields(op),
        "records": [
            {"name": record.__name__, "summary": _first_line(record), "fields": _fields(record)}
            for record in _records(op)
        ],
    }


def _first_line(record: type[Record]) -> str:
    return inspect.cleandoc(record.__doc__ or "").splitlines()[0]


def _print(op: type[Op]) -> None:
    print(_rules(op))
    print(f"\nVersion {op.version}. Inputs: {_arity(op)}.\n")
    _print_fields(op)
    for record in _records(op):
        print(f"\n{record.__name__}: {_first_line(record)}\n")
        _print_fields(record)


def _print_fields(record: type[Record]) -> None:
    for entry in _fields(record):
        default = "" if entry["default"] is None else f"; default {entry['default']}"
        print(f"  {entry['name']}: {entry['type']}{default}\n      {entry['meaning']}")


def _arity(op: type[Op]) -> str:
    fewest, most = op.arity
    if most is None:
        return f"{fewest} or more"
    return str(fewest) if fewest == most else f"{fewest} to {most}"
