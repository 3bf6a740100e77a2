"""What `run` and `trace` take in: a network, its datapath, and a file of inputs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from intsim.errors import Finding, InputError

if TYPE_CHECKING:
    from intsim.formats import TensorSpec
    from intsim.network import Network
    from intsim.ops import Quantize

_SCANNED = 1 << 22  # elements looked at in one go


def add_door(parser: ArgumentParser) -> None:
    """Add the arguments of everything that runs a network."""
    parser.add_argument("network", metavar="NET.h5", type=Path)
    parser.add_argument(
        "-i",
        "--input",
        metavar="IN",
        type=Path,
        required=True,
        help=".npy (one input), .npz or .h5 (by input name); batch axis first",
    )
    parser.add_argument("--datapath", metavar="D.toml", type=Path, help="the hardware's accumulators")
    parser.add_argument("--engine", metavar="E", default="fast", help="fast, reference, exact or crosscheck")
    parser.add_argument(
        "--threads", metavar="N", type=int, help="threads of the kernels; all cores if absent"
    )
    parser.add_argument(
        "--real",
        action="store_true",
        help="inputs are reals, quantized by the inputs' scales: float32 division, ties away from zero",
    )


def load_network(arguments: Namespace) -> Network:
    """The network with its datapath."""
    from intsim.network import Datapath
    from intsim.storage import load

    network = load(arguments.network)
    if arguments.datapath is not None:
        network = network.with_datapath(Datapath.read(arguments.datapath))
    return network


@contextmanager
def opened_inputs(network: Network, arguments: Namespace) -> Iterator[tuple[dict[str, Any], int]]:
    """The inputs by name, checked, and the batch size; files stay open while the block lasts."""
    from intsim.engine.inputs import check_inputs
    from intsim.storage import open_tensors

    with open_tensors(arguments.input) as file:
        first = network.inputs[0].name
        stored = file.named(first) if len(network.inputs) == 1 else file
        given = {name: stored[name] for name in stored}
        try:
            ready = check_inputs(network, _at_the_door(network, given) if arguments.real else given)
        except InputError as error:
            raise error.at(str(arguments.input)) from None
        yield ready


def _at_the_door(network: Network, given: Mapping[str, Any]) -> dict[str, Any]:
    """Reals in place of the codes of every input that has a scale."""
    from intsim.formats import IntFormat

    specs = {entry.name: entry.spec for entry in network.inputs}
    taken: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, value in given.items():
        spec = specs.get(name)
        if spec is None or not isinstance(spec.format, IntFormat):
            taken[name] = value
        elif np.dtype(value.dtype).kind != "f":
            findings.append(Finding(name, f"values must be reals with --real, not {value.dtype}"))
        elif spec.quantization is None:
            findings.append(Finding(name, "has no scale in the network; quantize it and leave --real out"))
        else:
            taken[name] = RealInput(name, value, spec)
    if findings:
        raise InputError(findings)
    return taken


class RealInput:
    """An array of reals, read as the codes of an input; slices are quantized when they are asked for.

    Raises
    ------
    InputError
        Some value is not a number; the first index is named.
    """

    def __init__(self, name: str, values: Any, spec: TensorSpec) -> None:
        self._values, self._quantize = values, door_of(spec)
        self.shape, self.dtype = tuple(values.shape), spec.format.storage
        _refuse_nan(name, values)

    def __getitem__(self, index: Any) -> Any:
        reals = np.asarray(self._values[index], dtype=np.float32)
        return self._quantize.reference(reals)[0].astype(self.dtype)


def door_of(spec: TensorSpec) -> Quantize:
    """The op that quantizes reals to the codes of an annotated tensor."""
    from intsim.ops import Quantize

    quantization = spec.quantization
    if quantization is None:
        raise ValueError("the tensor has no scale")
    return Quantize(
        scale=quantization.scale.astype(np.float32),
        zero_point=quantization.zero_point,
        axis=quantization.axis,
        format=spec.integer,
    )


def _refuse_nan(name: str, values: Any) -> None:
    step = max(1, _SCANNED // max(1, int(np.prod(values.shape[1:]))))
    for begin in range(0, values.shape[0] if values.shape else 0, step):
        wrong = np.isnan(values[begin : begin + step])
        if wrong.any():
            first = np.argwhere(wrong)[0].tolist()
            place = (begin + first[0], *first[1:])
            raise InputError(Finding(name, f"values must be numbers, not NaN at {place}"))
