"""Accumulator widths that training promised: written into the network, and proved; or broken, and shown."""

import pytest
from intsim_converters.brevitas import convert

from intsim import Accumulator, IntFormat
from intsim.verify.prove import PROVED, WITNESSED, prove
from tests.converters.brevitas import digits, networks
from tests.converters.brevitas.agree import brevitas_integers, differences, run_all

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

WIDTHS = {12: (7, 4), 14: (8, 5)}
"""Width of the accumulators -> bits of weights and of activations; ordinary training overflows there."""


@pytest.fixture(params=WIDTHS)
def width(request):
    return request.param


@pytest.fixture(params=[networks.A2Q, networks.A2Q_PLUS], ids=["a2q", "a2q+"])
def kind(request):
    return request.param


def trained(kind, width):
    return networks.promised(kind, width, *WIDTHS[width])


def narrowed(width):
    """An ordinary network put into registers of a width, its biases behind them as the others' are."""
    register = Accumulator(IntFormat(width))
    return convert(
        trained(networks.PLAIN, width),
        digits.example(),
        accumulators={"first": register, "second": register},
    )


def right(network):
    images, labels = digits.TEST
    return (run_all(network, images).output.argmax(axis=1) == labels).mean()


def test_all_integers_are_equal(kind, width):
    module = trained(kind, width)
    images, _ = digits.TEST
    found, _ = brevitas_integers(module, images)
    assert differences(found, run_all(convert(module, digits.example()), images).trace) == {}


def test_the_promise_is_written_down_and_proved(kind, width):
    network = convert(trained(kind, width), digits.example())
    nodes = {node.node: node for node in prove(network).nodes}
    for name in ("first", "second"):
        assert nodes[name].accumulator == Accumulator(IntFormat(width))
        assert nodes[name].verdict == PROVED
    assert nodes["last"].accumulator == Accumulator()


def test_without_it_the_same_network_overflows_there(width):
    network = narrowed(width)
    proof = {node.node: node for node in prove(network).nodes}["first"]
    assert proof.verdict == WITNESSED
    witness = proof.worst_witness()
    assert witness.delivered != witness.exact


def test_wrapping_costs_what_the_promise_keeps(kind, width):
    """Accuracy falls where the ordinary network wraps; one that was promised the width keeps it there."""
    ordinary = right(convert(trained(networks.PLAIN, width), digits.example()))
    wrapped = right(narrowed(width))
    promised = right(convert(trained(kind, width), digits.example()))
    assert ordinary > 0.9
    assert wrapped < ordinary - 0.1
    assert promised > ordinary - 0.05
