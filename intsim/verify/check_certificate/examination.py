"""What a certificate claims, against what follows from the network's file."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import h5py

from .form import Range, Rejected, accumulator_form, differing, ends, entries, fits, limits, need, short
from .ranges import hull, image, wide
from .registers import delivers
from .stored import Tensor, field, members, outputs_of, several, stored_accumulator
from .sums import sums

NAMES = ("final", "partial")


class Outcome(NamedTuple):
    """What an examination comes to.

    findings : why the certificate is rejected; where empty, every claim in it is true
    assumptions : what the claims rest on and the network's file does not say
    unproved : nodes of which the certificate itself does not say that they are proved in every channel
    sums : how many nodes that sum it speaks of
    """

    findings: list[str]
    assumptions: list[str]
    unproved: list[str]
    sums: int


class Examination:
    """One certificate against the bytes of one file."""

    def __init__(self, certificate: Any, data: bytes) -> None:
        names = ("format", "format_version", "network", "assumptions", "tensors", "nodes", "proved")
        said = entries("certificate", certificate, names)
        format, version, network, assumptions, self.claims, self.nodes, self.proved = said
        need(format == "intsim-certificate", "format", f"must be 'intsim-certificate', not {short(format)}")
        need(type(version) is int and version == 1, "format_version", f"must be 1, not {short(version)}")
        (sha256,) = entries("network", network, ("sha256",))
        digest = hashlib.sha256(data).hexdigest()
        need(sha256 == digest, "network.sha256", f"must be {digest} of this file, not {short(sha256)}")
        self.inputs, self.datapath = entries("assumptions", assumptions, ("inputs", "datapath"))
        need(type(self.claims) is dict, "tensors", f"must be an object, not {short(self.claims)}")
        need(type(self.nodes) is dict, "nodes", f"must be an object, not {short(self.nodes)}")
        words = type(self.datapath) is list and all(type(name) is str for name in self.datapath)
        need(words, "assumptions.datapath", "must be a list of names")
        self.data, self.tensors = data, dict[str, Tensor]()
        self.findings, self.assumptions, self.unproved = list[str](), list[str](), list[str]()
        self.sums = 0

    def outcome(self) -> Outcome:
        with h5py.File(io.BytesIO(self.data), "r") as file:
            self.walk(members(file["inputs"]), members(file["nodes"]))
        right = self.findings or self.proved is (not self.unproved)
        need(right, "proved", f"must be {not self.unproved} as the nodes say, not {short(self.proved)}")
        return Outcome(self.findings, self.assumptions, self.unproved, self.sums)

    def walk(self, inputs: dict[str, Any], nodes: dict[str, Any]) -> None:
        """Everything in the network's order; a finding does not stop it."""
        outputs = {
            name: several(at, "outputs") if "outputs" in at.attrs else [name] for name, at in nodes.items()
        }
        summing = [name for name, at in nodes.items() if "accumulator" in at]
        whole = [name for name, at in inputs.items() if not field(at, "format").startswith("float")]
        self.names("assumptions.inputs", self.inputs, whole, whole)
        self.names("assumptions.datapath", self.datapath, summing, [])
        self.names("tensors", self.claims, [made for names in outputs.values() for made in names], [])
        self.names("nodes", self.nodes, summing, summing)
        for name, at in inputs.items():
            shape = tuple(v for v in several(at, "shape") if v is not None)
            self.tensors[name] = Tensor(None, shape, [])
            if name in whole and name in self.inputs:
                format = limits(field(at, "format"))
                self.tensors[name] = Tensor(format, shape, [format])
                with self.noting(f"assumptions.inputs.{name}"):
                    self.assume(name)
        for name, at in nodes.items():
            with self.noting(f"nodes.{name}"):
                self.node(name, at, outputs[name])

    def names(self, where: str, said: Any, known: list[str], needed: list[str]) -> None:
        need(type(said) in (dict, list), where, f"must be an object, not {short(said)}")
        self.findings += [f"{where}: must not name {short(name)}" for name in said if name not in set(known)]
        self.findings += [
            f"{where}: must have {short(name)}, which is missing" for name in needed if name not in said
        ]

    @contextmanager
    def noting(self, where: str) -> Iterator[None]:
        try:
            yield
        except Rejected as error:
            self.findings.append(str(error))
        except Exception as error:  # rule V6
            self.findings.append(f"{where}: cannot be followed: {short(error)}")

    def assume(self, name: str) -> None:
        where, tensor = f"assumptions.inputs.{name}", self.tensors[name]
        claimed = self.claimed(where, self.inputs[name], tensor)
        self.tensors[name] = tensor._replace(range=claimed)
        if tensor.range != claimed:
            self.assumptions.append(f"input {name} is within {hull(claimed)}")

    def claimed(self, where: str, value: Any, tensor: Tensor) -> Range:
        """A claimed range of a tensor, inside its format."""
        if tensor.format is None:
            raise Rejected(f"{where}: cannot be checked: nothing is known of its format")
        (low, high), claimed = tensor.format, ends(where, value, tensor.shape)
        least, most = hull(claimed)
        need(low <= least and most <= high, where, f"must be inside {low} to {high}, not {least} to {most}")
        return claimed

    def node(self, name: str, at: Any, outputs: list[str]) -> None:
        self.tensors |= dict.fromkeys(outputs, Tensor(None, None, []))
        op, inputs, acc = field(at, "op"), [self.tensors[x] for x in several(at, "inputs")], None
        if "accumulator" in at:
            if name not in self.nodes:
                return
            acc, *claims = entries(f"nodes.{name}", self.nodes[name], ("accumulator", "registers", "proved"))
            self.same_datapath(name, acc, stored_accumulator(at["accumulator"]))
        tensors = dict(zip(outputs, outputs_of(op, at, acc, inputs, len(outputs)), strict=True))
        self.tensors |= tensors
        claimed = [output for output in outputs if output in self.claims]
        found: Range | None = None
        if acc:
            found = self.summed(f"nodes.{name}", claims, op, at, acc, inputs, tensors[outputs[0]])
        for output in claimed:
            tensor, where = tensors[output], f"tensors.{output}"
            narrow = self.claimed(where, self.claims[output], tensor)
            made = found if acc else image(op, at, inputs, tensor.shape)
            contain(where, narrow, tensor.range if made is None else made)
            self.tensors[output] = tensor._replace(range=narrow)

    def same_datapath(self, name: str, acc: Any, stored: Any) -> None:
        where = f"nodes.{name}.accumulator"
        accumulator_form(where, acc)
        different = list(differing(where, acc, stored))
        if name in self.datapath:
            need(
                different,
                "assumptions.datapath",
                f"must not name {short(name)}: its accumulator is the network's",
            )
            self.assumptions.append(f"node {name} sums through {json.dumps(acc)}")
        elif different:
            raise Rejected(different[0])

    def summed(
        self, where: str, claims: list[Any], op: str, at: Any, acc: Any, inputs: list[Tensor], tensor: Tensor
    ) -> Range:
        """Check the claims about an accumulator; the range of what it delivers."""
        need(all(x.format for x in inputs), where, "cannot be checked: nothing is known of its input")
        levels, (registers, proved) = [acc], claims
        while levels[-1]["inner"] is not None:
            levels.append(levels[-1]["inner"])
        right = type(registers) is list and len(registers) == len(levels)
        need(right, f"{where}.registers", f"must be a list of {len(levels)}, outermost first")
        found = sums(op, at, acc, inputs, levels)
        channels, decisive = len(found[0][0]), []
        for level, said in enumerate(registers):
            here = f"{where}.registers.{level}"
            for name, value, exact in zip(NAMES, entries(here, said, NAMES), found[level], strict=True):
                claimed = ends(f"{here}.{name}", value, tensor.shape)
                contain(f"{here}.{name}", claimed, exact)
                channels = max(channels, len(claimed))
                if name == ("final" if levels[level]["overflow"] == "wrap" else "partial"):
                    decisive.append(claimed)
        rows = zip(*(wide(claimed, channels) for claimed in decisive), strict=True)
        verdict: Any = [delivers(levels, row) for row in rows]
        self.sums += 1
        self.unproved += [] if all(verdict) else [where.removeprefix("nodes.")]
        verdict = verdict if len(set(verdict)) > 1 else verdict[0]
        right = json.dumps(proved) == json.dumps(verdict)
        need(right, f"{where}.proved", f"must be {short(verdict)} as the ranges say, not {short(proved)}")
        exact = found[0][0 if acc["overflow"] == "wrap" else 1]
        kept = zip(found[0][0], exact, strict=True)
        return [final if fits(pair, acc["format"]) else limits(acc["format"]) for final, pair in kept]


def contain(where: str, claimed: Range, found: Range) -> None:
    channels = max(len(claimed), len(found))
    pairs = zip(wide(claimed, channels), wide(found, channels), strict=True)
    for channel, ((lo, hi), (low, high)) in enumerate(pairs):
        at = f" in channel {channel}" if channels > 1 else ""
        need(lo <= low and high <= hi, where, f"must contain {low} to {high}{at}, not {lo} to {hi}")
