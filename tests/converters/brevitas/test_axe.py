"""AXE: tiles and widths, given to `convert` as layers do not keep them; proved, or shown broken."""

import copy
import warnings
from functools import cache

import pytest
import torch
from brevitas.inject.enum import ScalingImplType
from intsim_converters.brevitas import convert

from intsim import Accumulator, IntFormat
from intsim.verify.prove import PROVED, WITNESSED, prove
from tests.converters.brevitas import digits, networks
from tests.converters.brevitas.agree import brevitas_integers, differences, run_all

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

TILE, INNER, OUTER = 16, 10, 12  # 64 or 48 products: 4 or 3 tiles, two bits more
REGISTERS = Accumulator(IntFormat(OUTER), tile=TILE, inner=Accumulator(IntFormat(INNER)), order="chw")


class Frozen(networks.PLAIN):
    """Scales that stay what they were when the weights change, as AXE presumes."""

    scaling_impl_type = ScalingImplType.PARAMETER_FROM_STATS


@cache
def ordinary(weights):
    return digits.trained(lambda: networks.Promised(weights, None, 4, 4))


@cache
def fitted(weights, last=False):
    """The network after AXE, by GPTQ, on 500 images of the training set; the last layer too, or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it is deprecated
        from brevitas_examples.common.axe import a2gptq_mode

    module = copy.deepcopy(ordinary(weights))
    images = torch.from_numpy(digits.TRAIN[0][:500])
    options = {
        "create_weight_orig": False,
        "max_accumulator_bit_width": INNER,
        "max_accumulator_tile_size": TILE,
        "a2q_layer_filter_fnc": lambda layer: last or layer is not module.last,
    }
    with torch.no_grad(), a2gptq_mode(module, **options) as mode:
        for _ in range(mode.num_layers):
            mode.model(images)
            mode.update()
    return module


def converted(module):
    given = {"first": REGISTERS, "sec*": REGISTERS}
    return convert(module, digits.example(), accumulators=given)


def right(network):
    images, labels = digits.TEST
    return (run_all(network, images).output.argmax(axis=1) == labels).mean()


def test_the_tiles_are_written_down_and_proved():
    network = converted(fitted(Frozen))
    nodes = {node.node: node for node in prove(network).nodes}
    for name in ("first", "second"):
        assert nodes[name].accumulator == REGISTERS
        assert nodes[name].verdict == PROVED
    found, _ = brevitas_integers(fitted(Frozen), digits.TEST[0])
    trace = run_all(network, digits.TEST[0]).trace
    assert differences({name: found[name] for name in ("image", "relu1", "relu2", "last")}, trace) == {}


def test_without_it_the_tiles_overflow():
    network = converted(ordinary(Frozen))
    assert {node.node: node.verdict for node in prove(network).nodes}["first"] == WITNESSED
    assert right(network) < right(converted(fitted(Frozen))) - 0.2


def test_a_scale_that_follows_the_weights_breaks_the_promise():
    """AXE counts integers at the old scale; the last layer's, computed from its new weights, is another."""
    given = {"*": REGISTERS}
    network = convert(fitted(Frozen, last=True), digits.example(), accumulators=given)
    verdicts = {node.node: node.verdict for node in prove(network).nodes}
    assert verdicts == {"first": PROVED, "second": PROVED, "last": WITNESSED}
