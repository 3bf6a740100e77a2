"""What is told of layers over blocks and groups: proofs, certificates, weight bits."""

import hashlib
import json

import numpy as np
import pytest

from intsim.arithmetic.blocks import FP32, BlockAccumulator, FixedRegister
from intsim.cli.info import describe
from intsim.cli.prove_output import print_proof
from intsim.formats import IntFormat
from intsim.formats.table import named
from intsim.network import NetworkBuilder
from intsim.ops import BlockDense, GroupDense
from intsim.storage import save
from intsim.verify.certificate import write_certificate
from intsim.verify.check_certificate import examine
from intsim.verify.prove import prove

MXFP4 = named("mxfp4").format
WORD = BlockAccumulator(register=FixedRegister(67, 32), output=FP32)


def layer(accumulator):
    scale = MXFP4.levels[0].scale
    builder = NetworkBuilder()
    names = builder.input("x", (64,), MXFP4.element), builder.input("s", (2,), scale)
    op = BlockDense(np.ones((3, 64), int), (np.full((3, 2), 127),), MXFP4, MXFP4, accumulator=accumulator)
    builder.output(builder.add(op, *names, name="y"))
    return builder.build()


@pytest.mark.parametrize(("accumulator", "proved"), [(BlockAccumulator(output=FP32), True), (WORD, False)])
def test_a_word_between_blocks_is_not_proved(accumulator, proved, tmp_path, capsys):
    network, path, claims = layer(accumulator), tmp_path / "a.h5", tmp_path / "a.json"
    save(network, path)
    proof = prove(network)
    assert proof.proved is proved
    assert proof.words == (() if proved else ("y",))
    write_certificate(claims, proof, hashlib.sha256(path.read_bytes()).hexdigest())
    assert json.loads(claims.read_text())["proved"] is proved
    outcome = examine(str(claims), str(path))
    assert outcome.findings == []
    assert outcome.unproved == ([] if proved else ["y"])
    print_proof(proof, (), {}, {}, channels=False)
    told = capsys.readouterr().out
    assert "y: exact sums of 32 products need 14 bits; " in told
    assert ("not proved" in told) is not proved


def test_a_certificate_that_claims_a_word_is_rejected(tmp_path):
    path, claims = tmp_path / "a.h5", tmp_path / "a.json"
    network = layer(WORD)
    save(network, path)
    write_certificate(claims, prove(network), hashlib.sha256(path.read_bytes()).hexdigest())
    claims.write_text(claims.read_text().replace('"proved": false', '"proved": true'))
    assert examine(str(claims), str(path)).findings == ["proved: must be False as the nodes say"]


def test_weight_bits_count_what_is_shared():
    (told,) = describe(layer(BlockAccumulator(output=FP32)))["nodes"]
    assert (told["weight_bits"], told["bits_per_weight"], told["accumulator"]) == (
        192 * 4 + 6 * 8,
        4.25,
        "kulisch",
    )
    builder = NetworkBuilder()
    x = builder.input("x", (256,), IntFormat(8))
    op = GroupDense(np.ones((2, 256), int), np.ones((2, 2), int), 128, np.ones((2, 2), int))
    builder.output(builder.add(op, x, name="y"))
    (told,) = describe(builder.build())["nodes"]
    assert told["weight_bits"] == 512 * 4 + 4 * (8 + 4)
    assert told["bits_per_weight"] == 4 + 12 / 128
