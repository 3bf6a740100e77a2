"""The most memory of a process: of that process, whatever this one holds."""

from pathlib import Path

import numpy as np
import pytest

from intsim.bench.case import Case
from intsim.bench.memory import peak_memory
from intsim.errors import IntsimError
from intsim.storage import load

DIGITS = Path(__file__).parents[2] / "golden" / "digits_cnn"


@pytest.fixture
def case():
    return Case("digits", load(DIGITS / "network.h5"), DIGITS / "model.tflite")


def test_what_this_process_holds_does_not_count(case):
    alone = peak_memory("litert", case, DIGITS / "network.h5", 2, 1)
    ballast = np.ones(1 << 29, np.uint8)
    beside = peak_memory("litert", case, DIGITS / "network.h5", 2, 1)
    assert ballast[-1] == 1
    assert 1 << 25 < alone < 1 << 28
    assert abs(beside - alone) < 1 << 25


def test_a_peer_without_a_file(case):
    assert peak_memory("onnxruntime", case, DIGITS / "network.h5", 2, 1) is None


def test_what_fails_is_told(case, tmp_path):
    with pytest.raises(IntsimError, match=r"^litert: its memory could not be measured: .*cannot be read"):
        peak_memory("litert", case, tmp_path / "none.h5", 2, 1)
