"""Real networks: their certificates are accepted, and the checker is quick."""

from __future__ import annotations

import pytest
from intsim_converters.tflite import CONVERTER

from tests.verify.certified import certify, examined
from tests.zoo.folder import zoo

FOLDER = zoo("tflite")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.tflite")))
def test_the_certificate_is_accepted(name, tmp_path):
    network = CONVERTER.convert(FOLDER / f"{name}.tflite", "litert-ref")
    claims, path = certify(tmp_path, network)
    outcome = examined(path, claims)
    assert (outcome.findings, outcome.assumptions, outcome.unproved) == ([], [], [])
    assert claims["proved"] is True
