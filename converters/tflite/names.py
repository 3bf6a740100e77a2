"""Tensor names, made unique.

Rules
-----
1. A name that one tensor of the graph has alone is kept as it is.
2. A name that several tensors share, or an empty one, gets "#" and the tensor's index in the graph;
   while that is taken too, a "'" more.
3. A zero byte becomes "\\\\0"; a name of more than 900 characters is cut there and gets its index too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_LONGEST = 900  # leaves room for "/accumulator" within the 1000 that a network allows


def unique_names(given: Sequence[str]) -> tuple[str, ...]:
    """One name per tensor.

    Examples
    --------
    >>> unique_names(["x", "y", "x", ""])
    ('x#0', 'y', 'x#2', '#3')
    """
    held = [name.replace("\0", "\\0") for name in given]
    count = Counter(held)
    kept = [bool(name) and count[name] == 1 and len(name) <= _LONGEST for name in held]
    taken = {name for name, keep in zip(held, kept, strict=True) if keep}
    names = []
    for index, name in enumerate(held):
        if not kept[index]:
            name = f"{name[:_LONGEST]}#{index}"
            while name in taken:
                name += "'"
            taken.add(name)
        names.append(name)
    return tuple(names)
