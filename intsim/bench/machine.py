"""What a measurement was made on, and with."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from intsim.bench.peers import PACKAGES, PEERS, version_of


def machine() -> dict[str, Any]:
    """The processor, how many of it, and the vector instructions that intsim multiplies with."""
    return {
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instructions": instructions(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """Its name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def instructions() -> str:
    """The instruction set that the kernels were chosen for."""
    from intsim.kernels.isa.table import chosen

    return chosen().name


def versions() -> dict[str, str | None]:
    """Versions of intsim, of what it stands on, and of the peers; None where one is not installed."""
    packages = dict.fromkeys(PACKAGES.get(peer, peer) for peer in PEERS)
    named = dict.fromkeys(("intsim", "numpy", "numba", "llvmlite", *packages))
    return {"python": platform.python_version(), **{name: version_of(name) for name in named}}
