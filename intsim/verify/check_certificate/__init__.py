"""Check a certificate of `intsim.verify.certificate` against the network's file, without the prover.

This folder shares no code with the rest of intsim and counts in Python's own integers; h5py only reads the
file. It can be copied and run alone: ``python -m check_certificate CERTIFICATE.json NETWORK.h5``.

Rules
-----
V1. The certificate has the form that `intsim.verify.certificate` states (C1 to C8): every key, no other, no
    key twice, integers only, the SHA-256 of the network's file. The file is one that ``intsim check-model``
    accepts; others mean nothing.
V2. A tensor's range is the assumed one (inputs), the claimed one, or its format's. What is claimed must
    contain what the op makes of the ranges that it reads (`image`). Of an op that is not followed there, only
    the output's format is known; of one that is not in `SHAPES`, nothing is.
V3. An accumulator's terms follow from the weights and the input's range, for every set of taps that some
    output position has inside the image; a tap outside holds the zero point. They enter the registers as
    rules A1 to A6 of `intsim.arithmetic.accumulate` say, as intervals; terms are independent, so a sum of
    ends is reached. A correction has a part for every term, joined to it before ends are taken.
V4. A register hands out the exact sum where its overflow cannot change it; else any value of its format.
    A register that WRAPs is right modulo 2**bits if what enters it is right modulo that or more; then its
    final sum is the exact one, whatever wrapped inside.
V5. Claimed `final` and `partial` contain what V3 and V4 give. Whether a channel is proved, that the outermost
    register hands out the exact sum for every input, is drawn by V4 from the claims alone: a register's
    overflow cannot change it where `final` (WRAP) or `partial` (SATURATE, TRAP) fits the format.
V6. What cannot be followed is refused, never believed: any error on the way is a finding.

`form` and `stored` read the two files, `ranges` is V2, `sums` makes V3's terms and `registers` adds them up,
`examination` holds what is claimed against what these find.
"""

from __future__ import annotations

from pathlib import Path

from .examination import Examination, Outcome
from .form import Rejected, load, short

__all__ = ["Outcome", "check", "examine"]


def check(certificate: str, network: str) -> list[str]:
    """Why a certificate is rejected, one line each; none: every claim in it is true of this file."""
    return examine(certificate, network).findings


def examine(certificate: str, network: str) -> Outcome:
    """Check a certificate; never raises (rule V6)."""
    try:
        return Examination(load(certificate), Path(network).read_bytes()).outcome()
    except Rejected as error:
        return Outcome([str(error)], [], [], 0)
    except Exception as error:  # whatever it is, nothing has been shown
        return Outcome([f"{network}: cannot be followed: {short(error)}"], [], [], 0)
