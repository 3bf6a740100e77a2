"""A module's network against Brevitas: by its integers and true sums, and by what it computes itself."""

import torch
from intsim_converters.brevitas import convert, doubts

from tests.converters.brevitas.agree import brevitas_integers, channels_last, differences, run_all
from tests.converters.brevitas.exact import true_sums


def agreed(module, images):
    """The network, once all integers of layers and quantizers are equal behind true sums."""
    network = convert(module, torch.from_numpy(images[:2]))
    with true_sums():
        found, _ = brevitas_integers(module, images)
    assert differences(found, run_all(network, images).trace) == {}
    return network


def agreed_but_for_doubts(module, images):
    """The same, once Brevitas' own integers are equal too, but for sums in doubt."""
    network = agreed(module, images)
    found, _ = brevitas_integers(module, images)
    named = {entry.node: entry for entry in doubts(module, torch.from_numpy(images[:2]))}
    for node in network.nodes:
        if node.name in found and node.inputs[0] in found:
            sums = channels_last(found[node.inputs[0]])
            wrong = node.op.reference(sums)[0] != channels_last(found[node.name])
            assert not wrong.any() or named[node.name].holds(sums)[wrong].all()
    return network
