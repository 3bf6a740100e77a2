"""Rows of the benchmark of whole networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from intsim.bench.agreement import agrees
from intsim.bench.case import Case
from intsim.bench.measure import Times, take_turns
from intsim.bench.peers import PEERS, Absent, Call, intsim
from intsim.record import Array

PATIENCE = 30
"""A call that would take longer than this many times the time to measure is left out."""


def rows(
    case: Case, batches: Sequence[int], threads: Sequence[int], peers: Sequence[str], seconds: float
) -> Iterator[dict[str, Any]]:
    """One row for each batch and each number of threads.

    Yields
    ------
    {"network", "batch", "threads", "macs", "agrees", "results"}; results are by contender, either
    {"absent": why} or {"ms", "least_ms" (for one sample), "gops", "measurements", "note"} and, for a
    peer, "ratio" and "least_ratio": its time as a multiple of intsim's, by medians and by the least.
    Where the outputs differ from those of the dialect's own runtime ("agrees" is False) there are none.
    """
    known: dict[str, float] = {}  # seconds of a sample, as measured before
    for batch in batches:
        inputs = case.inputs(batch)
        for count in threads:
            results: dict[str, dict[str, Any]] = {}
            calls: dict[str, Call] = {}
            for peer in peers:
                try:
                    calls[peer] = _made(peer, case, inputs, count, known.get(peer, 0.0) * batch, seconds)
                except Absent as why:
                    results[peer] = {"absent": str(why)}
            own = intsim(case, inputs, count)
            agreed = agrees(case, calls, own, inputs)
            times = take_turns({"intsim": own, **calls}, seconds, count)
            for name, found in times.items():
                results[name] = result(found, batch, case.macs)
                known[name] = found.least / batch
                if name in calls and calls[name].note:
                    results[name]["note"] = calls[name].note
            if agreed is not False:
                add_ratios(results)
            yield {
                "network": case.name,
                "batch": batch,
                "threads": count,
                "macs": case.macs,
                "agrees": agreed,
                "results": results,
            }


def _made(peer: str, case: Case, inputs: list[Array], threads: int, expected: float, seconds: float) -> Call:
    if expected > PATIENCE * seconds:
        raise Absent(f"a call would take {expected:.0f} s")
    return PEERS[peer](case, inputs, threads)


def result(times: Times, samples: int, macs: int) -> dict[str, Any]:
    """What is told of one contender; a multiply-accumulate is two operations."""
    return {
        "ms": 1e3 * times.median / samples,
        "least_ms": 1e3 * times.least / samples,
        "gops": 2e-9 * macs * samples / times.median,
        "measurements": len(times.seconds),
    }


def add_ratios(results: dict[str, dict[str, Any]]) -> None:
    """Every peer's time as a multiple of intsim's."""
    own = results["intsim"]
    for name, found in results.items():
        if name != "intsim" and "ms" in found:
            found["ratio"] = found["ms"] / own["ms"]
            found["least_ratio"] = found["least_ms"] / own["least_ms"]
