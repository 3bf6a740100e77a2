"""`Converter`: what a package offers under the entry-point group ``intsim.converters``.

Where the framework itself can run its files, the object is a `RunningConverter` as well, and ``intsim diff``
sets the two sides against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from intsim.network import Network
from intsim.record import Array

GROUP = "intsim.converters"
"""The entry-point group; each entry is an object with the attributes of `Converter`."""


@runtime_checkable
class Converter(Protocol):
    """Makes networks of a framework's files.

    name : as ``intsim convert --from`` says it
    suffixes : of the files that it reads, with the dot, lower-case
    dialects : name -> one line on which runtime's integers it stands for, and its source
    default_dialect : a key of `dialects`
    """

    name: str
    suffixes: tuple[str, ...]
    dialects: Mapping[str, str]
    default_dialect: str

    def convert(self, source: Path, dialect: str | None = None) -> Network:
        """The network of a file, with the integers of a dialect (None: the default one).

        Raises
        ------
        FileError
            The file cannot be read.
        ConversionError
            The file holds something that cannot be mapped exactly, or `dialect` is unknown.
        """
        ...


class Runner(Protocol):
    """A framework's file, ready to be run by the framework.

    what : the runtime and its version, in a reader's words
    network : of the file, with the dialect's integers if it has them for the whole file
    axes : the tensors that the framework shows and networks name alike -> which axis of the network's sample
        each axis of the framework's sample is; None: the same order
    left_out : tensors that both name and that cannot be compared -> why, in one line
    """

    what: str
    network: Network
    axes: Mapping[str, tuple[int, ...] | None]
    left_out: Mapping[str, str]

    def run(self, inputs: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Array]:
        """Some tensors of a batch, in the framework's layout, batch axis first.

        Parameters
        ----------
        inputs : by name, as `network` has them, batch axis first
        names : some of `axes`

        Raises
        ------
        IntsimError
            The framework does not run the file, or not on these inputs.
        """
        ...


@runtime_checkable
class DoubtingRunner(Runner, Protocol):
    """A runner whose framework has floats in the place of integers, which need not decide as integers do.

    doubt : why they need not, in one line
    """

    doubt: str

    def undecided(self, tensor: str, read: Array) -> tuple[Array, Array] | None:
        """What the framework's floats leave open of a tensor.

        Parameters
        ----------
        tensor : name, of `network`
        read : the integers that the node behind it reads, in the network's layout, batch axis first

        Returns
        -------
        The least and the largest integer that the framework may give, for each element: the same where its
        floats decide. None: they decide everywhere, or this is not known of the tensor.
        """
        ...


@runtime_checkable
class RunningConverter(Converter, Protocol):
    """A converter whose framework is installed along with it."""

    def runner(self, source: Path, dialect: str | None = None) -> Runner:
        """The file in the runtime whose integers the dialect stands for; errors as of `convert`."""
        ...
