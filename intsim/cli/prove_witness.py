"""The witnesses of `prove` as files of tensors."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intsim.cli.output import progress
from intsim.errors import FileError, Finding
from intsim.network import Network
from intsim.record import Array
from intsim.storage import write_tensors
from intsim.storage.atomic import reason
from intsim.verify.network_witness import NetworkWitness, Search, find_network_witness
from intsim.verify.prove import PROVED, NodeProof, Proof
from intsim.verify.witness import Witness


@dataclass(frozen=True)
class Written:
    """What was found against one node, and where it is kept.

    local : the worst channel's witness, an input of the node
    path : its file
    search : what the search for a network witness came to
    network_path : that one's file
    """

    local: Witness | None
    path: Path | None
    search: Search
    network_path: Path | None


def write_witnesses(
    arguments: Namespace, network: Network, proof: Proof, chosen: Sequence[str]
) -> dict[str, Written]:
    """Write a witness of every chosen node that is not proved: node name -> what was written."""
    failing = [node for node in proof.nodes if node.verdict != PROVED and node.node in chosen]
    if not failing:
        return {}
    folder = arguments.witness or Path(f"{arguments.network.stem}.witnesses")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(Finding(str(folder), f"cannot be made: {reason(error)}")) from error
    places = {node.name: number for number, node in enumerate(network.nodes)}
    written = {}
    with progress("witnesses") as advance:
        for number, node in enumerate(failing):
            stem = f"{places[node.node]:03}-{re.sub(r'[^A-Za-z0-9_.]+', '-', node.node)[-60:].strip('-')}"
            written[node.node] = _write(folder, stem, network, proof, node, arguments.seconds)
            if advance is not None:
                advance(number + 1, len(failing))
    return written


def _write(
    folder: Path, stem: str, network: Network, proof: Proof, node: NodeProof, seconds: float
) -> Written:
    local = node.worst_witness()
    path = None
    if local is not None:
        path = folder / f"{stem}.h5"
        inputs = dict(zip(network.node(node.node).inputs, local.inputs, strict=True))
        _save(path, network, inputs, f"an input of {node.node}; channel {local.channel} at {local.index}")
    search = find_network_witness(network, node.node, proof.ranges, local, seconds)
    network_path = None
    if search.witness is not None:
        found: NetworkWitness = search.witness
        network_path = folder / f"{stem}.network.h5"
        what = f"an input of the network for {node.node}; channel {found.channel} at {found.index}"
        _save(network_path, network, found.inputs, what)
    return Written(local, path, search, network_path)


def _save(path: Path, network: Network, samples: Mapping[str, Array], what: str) -> None:
    specs = {name: network.specs[name] for name in samples}
    with write_tensors(path, specs, 1, {"witness": what}) as writer:
        writer.append({name: np.asarray(sample)[None] for name, sample in samples.items()})
