"""Where a trace comes from: noted in its file when it is written, found again when it is compared."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intsim.network import Network
    from intsim.storage import TensorFile


def notes_of(arguments: Namespace) -> dict[str, str]:
    """The network's file, what is in it, and the datapath, as a trace's notes."""
    notes = {"network": str(arguments.network), "network_sha256": _digest(arguments.network)}
    if arguments.datapath is not None:
        notes["datapath"] = Path(arguments.datapath).read_text(encoding="utf-8")
    return notes


def network_of(trace: TensorFile, path: Path) -> Network:
    """The network that a trace was made with, its datapath included.

    The file is looked for under the name that was noted, from here and from beside the trace.

    Raises
    ------
    FileError
        The trace says nothing of it, the file is not there, or it holds something else by now.
    """
    from intsim.errors import FileError, Finding
    from intsim.network import Datapath
    from intsim.storage import load

    if "network" not in trace.notes or "network_sha256" not in trace.notes:
        raise FileError(Finding(str(path), "does not say which network made it, as a trace of intsim does"))
    noted = trace.notes["network"]
    places = [place for place in (Path(noted), path.parent / noted) if place.is_file()]
    if not places:
        raise FileError(Finding(noted, "the network of the trace is not there"))
    if _digest(places[0]) != trace.notes["network_sha256"]:
        raise FileError(Finding(str(places[0]), "is another file than the network of the trace"))
    network = load(places[0])
    if "datapath" in trace.notes:
        network = network.with_datapath(Datapath.parse(trace.notes["datapath"]))
    return network


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
