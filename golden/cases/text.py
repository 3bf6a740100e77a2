"""The text of a pinned file: JSON laid out for the eye, one case after another.

Objects are opened over several lines, `special` first; what is inside a field stands on one line, and a
long list is cut between its parts. Floats are written so that reading them gives the same float.
"""

from __future__ import annotations

import json
from typing import Any

_WIDTH = 110
_OPENED = ("fields", "scales")  # objects of which every entry gets a line


def text_of(document: dict[str, Any]) -> str:
    """A whole file: what it is about, then its cases."""
    head = [f'  "{key}": {_line(value)},' for key, value in document.items() if key != "cases"]
    cases = ",\n".join(_case(case) for case in document["cases"])
    return "\n".join(["{", *head, '  "cases": [', cases, "  ]", "}"]) + "\n"


def _case(case: dict[str, Any]) -> str:
    lines = []
    for key, value in case.items():
        if key in _OPENED and isinstance(value, dict):
            inside = ",\n".join(_entry(name, part, 8) for name, part in value.items())
            lines.append(f'      "{key}": {{\n{inside}\n      }}')
        else:
            lines.append(_entry(key, value, 6))
    return "    {\n" + ",\n".join(lines) + "\n    }"


def _entry(name: str, value: Any, indent: int) -> str:
    return f'{" " * indent}"{name}": {_cut(value, indent, len(name) + 4)}'


def _cut(value: Any, indent: int, used: int = 0) -> str:
    """On one line where it fits, else one part per line."""
    line = _line(value)
    if indent + used + len(line) <= _WIDTH or not isinstance(value, (list, dict)) or not value:
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        words = [f'"{key}": {_line(part)}' for key, part in value.items()]
        longest = [f'"{key}": {_cut(part, indent + 2, len(key) + 4)}' for key, part in value.items()]
        opened, closed = "{", "}"
    else:
        words = [_line(part) for part in value]
        longest = [_cut(part, indent + 2) for part in value]
        opened, closed = "[", "]"
    short = words == longest and not any(isinstance(part, dict) for part in _parts(value))
    body = _filled(words, pad) if short else ",\n".join(pad + part for part in longest)
    return f"{opened}\n{body}\n{' ' * indent}{closed}"


def _parts(value: Any) -> Any:
    """What must not share a line: the entries of a list."""
    return value if isinstance(value, list) else ()


def _filled(words: list[str], pad: str) -> str:
    """Short parts in rows as wide as the page."""
    rows, row = [], pad + words[0]
    for word in words[1:]:
        if len(row) + len(word) + 3 > _WIDTH:
            rows.append(row + ",")
            row = pad + word
        else:
            row += f", {word}"
    return "\n".join([*rows, row])


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
