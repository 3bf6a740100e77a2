"""Which class an op's name stands for: intsim's own, the caller's, those of installed packages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from intsim.errors import SpecError
from intsim.ops import OPS, Op

GROUP = "intsim.ops"
"""The entry-point group of other packages' ops; an entry point is named as its op is."""


class Registry:
    """Op classes by name.

    Parameters
    ----------
    extra_ops : op classes beside intsim's own and the installed packages'

    Raises
    ------
    SpecError
        An extra op has the name of one of intsim's.
    """

    def __init__(self, extra_ops: Iterable[type[Op]] | None = None) -> None:
        self._given: dict[str, type[Op]] = {}
        for op in extra_ops or ():
            if not op.name or op.name in OPS or op.name in self._given:
                raise SpecError(f"extra op must have a name of its own, not {op.name!r}")
            self._given[op.name] = op

    def find(self, name: str) -> type[Op] | None:
        """The class of this name, or None. Only a package that has the name is imported."""
        own = OPS.get(name) or self._given.get(name)
        return own or self._installed(name)

    def names(self) -> tuple[str, ...]:
        """Every name there is, sorted."""
        installed = {entry.name for entry in entry_points(group=GROUP)}
        return tuple(sorted({*OPS, *self._given, *installed}))

    def _installed(self, name: str) -> type[Op] | None:
        for entry in entry_points(group=GROUP, name=name):
            op = entry.load()
            if not (isinstance(op, type) and issubclass(op, Op) and op.name == name):
                raise SpecError(
                    f"entry point {entry.value} of {GROUP} must be an op named {name!r}, not {op!r}"
                )
            return op
        return None


def entry_points(**chosen: str) -> Any:
    """Imported when an op is not found among the others: it takes a while."""
    from importlib import metadata

    return metadata.entry_points(**chosen)
