"""The converters that are installed: entry points of the group ``intsim.converters``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from intsim.converter import GROUP, Converter
from intsim.errors import ConversionError, Finding, SpecError


def names() -> tuple[str, ...]:
    """The installed converters' names; none of them is imported."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def load(name: str) -> Converter:
    """The converter of a name.

    Raises
    ------
    SpecError
        None is installed under this name.
    ConversionError
        It is, but something that it needs is not.
    """
    entries: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in entries:
        raise SpecError(f"converter must be one of {', '.join(names()) or '(none installed)'}, not {name!r}")
    try:
        converter: Converter = entries[name].load()
    except ImportError as error:
        missing = error.name or str(error)
        raise ConversionError(
            Finding(f"converter {name}", f"needs {missing}. Install it with `pip install 'intsim[{name}]'`.")
        ) from None
    return converter


def for_file(path: Path) -> Converter:
    """The installed converter that takes files with this suffix.

    Raises
    ------
    SpecError
        None does, or several do.
    """
    suffix = path.suffix.lower()
    takes: list[Converter] = []
    silent: list[Finding] = []  # those that cannot be asked stand in no other's way
    for name in names():
        try:
            converter = load(name)
        except ConversionError as error:
            silent += error.findings
        else:
            takes += [converter] if suffix in converter.suffixes else []
    if len(takes) == 1:
        return takes[0]
    known = ", ".join(names()) or "(none installed)"
    what = "no installed converter takes" if not takes else "several converters take"
    said = f"{what} {suffix or 'files without a suffix'}. Say --from, one of {known}."
    raise SpecError([Finding(str(path), said), *silent])
