"""The same integers as Brevitas, at every layer, for the whole test set of the digits."""

from functools import cache

import pytest
import torch
from intsim_converters.brevitas import convert, doubts

from tests.converters.brevitas import digits, networks
from tests.converters.brevitas.agree import brevitas_integers, channels_last, differences, run_all
from tests.converters.brevitas.exact import true_sums

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

POWERS_OF_TWO = ["8 bits, powers of two", "4 bits, powers of two"]
ANY_SCALES = ["8 bits", "4 bits", "1 bit", "residual", "plain tensors", "a2q, any scales", "a2q+, any scales"]
BETTER_THAN = 0.7  # what a network must get right, so that it is one that learned


@cache
def compared(name):
    """A module, its network, Brevitas' integers and the network's."""
    module = networks.of(name)
    images, labels = digits.TEST
    found, result = brevitas_integers(module, images)
    assert (result.argmax(axis=1) == labels).mean() > BETTER_THAN
    network = convert(module, digits.example())
    return module, network, found, run_all(network, images).trace


@pytest.mark.parametrize("name", POWERS_OF_TWO)
def test_powers_of_two_are_equal_for_every_input(name):
    """Nothing is in doubt, which proves it; the test set shows it."""
    module, _, found, trace = compared(name)
    assert doubts(module, digits.example()) == ()
    assert differences(found, trace) == {}


@pytest.mark.parametrize("name", ANY_SCALES)
def test_any_scales_are_equal_once_sums_are_true(name):
    """Brevitas' own quantizers, behind sums that float32 did not round on the way."""
    module, _, _, trace = compared(name)
    with true_sums():
        found, _ = brevitas_integers(module, digits.TEST[0])
    assert differences(found, trace) == {}


@pytest.mark.parametrize("name", ANY_SCALES)
def test_any_scales_differ_in_doubtful_sums_only(name):
    """Brevitas as it is: behind its own sums, hardly a code differs, and each that does was in doubt."""
    module, network, found, _ = compared(name)
    named = {entry.node: entry for entry in doubts(module, digits.example())}
    pairs = [node for node in network.nodes if node.name in found and node.inputs[0] in found]
    assert pairs
    differ = 0
    for node in pairs:
        sums = channels_last(found[node.inputs[0]])
        (codes,) = node.op.reference(sums)
        wrong = codes != channels_last(found[node.name])
        differ += int(wrong.sum())
        assert not wrong.any() or named[node.name].holds(sums)[wrong].all()
    assert differ <= 5
    for entry in named.values():
        assert 0 < entry.sums < entry.of / 100


def test_a_module_is_not_changed():
    module = networks.of("4 bits")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    convert(module, digits.example())
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(part.training for part in module.modules())
