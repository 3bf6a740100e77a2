"""The measured peak: more than a kernel reaches, and as many multiply-accumulates as its loop says."""

import pytest

from intsim.bench import peak
from intsim.kernels.isa.table import ISAS


def test_the_peak_is_above_what_a_scalar_loop_does():
    assert peak.peak(1, seconds=0.02) > 5


def test_two_threads_are_about_twice_one():
    """Each thread is measured by its own time: so also where other processes take the processors."""
    one, two = peak.peak(1, seconds=0.05), peak.peak(2, seconds=0.05)
    assert one < two < 4 * one


@pytest.mark.parametrize(
    ("kernel", "macs"),
    [
        ("AmxBytes", 6 * 16 * 16 * 64),
        ("VnniBytes512", 12 * 64),
        ("VnniBytes256", 12 * 32),
        ("NeonBytes", 12 * 16),
        ("VnniWords512", 12 * 32),
        ("Avx2Words", 12 * 16),
        ("PortableWords", 12 * 16),
    ],
)
def test_multiply_accumulates_of_a_turn(kernel, macs):
    assert peak.macs(kernel) == macs
    assert kernel in {type(entry).__name__ for isa in ISAS for entry in (isa.bytes, isa.words)}
