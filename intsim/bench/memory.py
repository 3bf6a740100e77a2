"""The most memory that a contender takes for a batch: measured in a process of its own.

Run as a program it prints one number, bytes: `python -m intsim.bench.memory NAME BATCH THREADS NET.h5
[MODEL.tflite [MODEL.onnx]]`, where an empty file name stands for none.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from intsim.bench.case import Case
from intsim.bench.peers import PEERS, Absent, intsim
from intsim.errors import IntsimError

_NOT_THERE = 3


def peak_memory(name: str, case: Case, stored: Path, batch: int, threads: int) -> int | None:
    """Bytes that a process takes that loads a network and runs a batch once; None if the peer is absent.

    Parameters
    ----------
    name : "intsim" or a peer
    stored : the network's file
    """
    files = [str(path) if path else "" for path in (stored, case.tflite, case.onnx)]
    command = [sys.executable, "-m", "intsim.bench.memory", name, str(batch), str(threads), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _NOT_THERE:
        return None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise IntsimError(f"{name}: its memory could not be measured: {said[-1]}")
    return int(done.stdout)


def _main(name: str, batch: str, threads: str, *files: str) -> int:
    from intsim.storage import load

    stored, tflite, onnx = (Path(file) if file else None for file in (*files, "", "")[:3])
    assert stored is not None  # the caller is above
    case = Case(stored.stem, load(stored), tflite, onnx)
    try:
        make = intsim if name == "intsim" else PEERS[name]
        make(case, case.inputs(int(batch)), int(threads))()
    except Absent:
        return _NOT_THERE
    print(_most_held())
    return 0


def _most_held() -> int:
    """Bytes. Linux counts in getrusage what the parent held when this process was made: not so in VmHWM."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
