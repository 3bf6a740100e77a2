"""The ranges that `prove` and `equiv` are given: on the command line, or as a file of arrays."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intsim.errors import Finding, InputError

if TYPE_CHECKING:
    from intsim.arithmetic import Interval
    from intsim.network import Network

_LARGEST = 1 << 26  # elements of one end


def add_ranges(parser: ArgumentParser) -> None:
    """Add --range and --ranges to a verb."""
    parser.add_argument(
        "--range",
        metavar="[NAME=]LO:HI",
        action="append",
        default=[],
        help="what an input can be, where that is less than its format; may be repeated",
    )
    parser.add_argument(
        "--ranges",
        metavar="FILE",
        type=Path,
        help=".npz or .h5 with NAME.lo and NAME.hi, each one value, one per channel or one per element",
    )


def ranges_of(network: Network, arguments: Namespace) -> dict[str, Interval]:
    """Input name -> Interval; what is said twice counts as it is said on the command line.

    Raises
    ------
    InputError
        A range cannot be read.
    """
    from intsim.arithmetic import Interval

    ranges = {} if arguments.ranges is None else _from_file(arguments.ranges)
    for text in arguments.range:
        match = re.fullmatch(r"(?:(.*)=)?([+-]?\d+):([+-]?\d+)", text, re.DOTALL)
        if match is None or max(len(match[2]), len(match[3])) > 30:
            raise InputError(Finding("--range", f"must be NAME=LO:HI, not {text!r}"))
        if match[1] is None and len(network.inputs) != 1:
            names = ", ".join(entry.name for entry in network.inputs)
            raise InputError(Finding("--range", f"must name one of {names}, not only {text!r}"))
        name = network.inputs[0].name if match[1] is None else match[1]
        ranges[name] = Interval(int(match[2]), int(match[3]))
    return ranges


def _from_file(path: Any) -> dict[str, Interval]:
    import numpy as np

    from intsim.storage import open_tensors

    ends: dict[str, dict[str, Any]] = {}
    with open_tensors(path) as file:
        for key in file:
            name, dot, end = key.rpartition(".")
            if not dot or end not in ("lo", "hi"):
                raise InputError(Finding(str(path), f"arrays must be named NAME.lo and NAME.hi, not {key!r}"))
            values = file[key]
            if np.dtype(values.dtype).kind not in "iu" or np.prod(values.shape) > _LARGEST:
                raise InputError(Finding(str(path), f"{key} must hold integers, not {values.dtype}"))
            ends.setdefault(name, {})[end] = np.asarray(values[...])
    for name, pair in ends.items():
        if len(pair) != 2:
            raise InputError(Finding(str(path), f"{name} must have both NAME.lo and NAME.hi"))
    return {name: _interval(pair["lo"], pair["hi"], str(path), name) for name, pair in ends.items()}


def _interval(lo: Any, hi: Any, path: str, name: str) -> Interval:
    import numpy as np

    from intsim.arithmetic import Interval

    try:
        lows, highs = np.broadcast_arrays(lo, hi)
    except ValueError:
        what = f"{name}.lo and {name}.hi must have one shape, not {lo.shape} and {hi.shape}"
        raise InputError(Finding(path, what)) from None
    return Interval.of_arrays(lows, highs)
