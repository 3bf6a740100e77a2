"""Layers requantized by a multiplier and two shifts in one conversion, by a float32 product in another."""

from __future__ import annotations

from intsim_converters.tflite import CONVERTER

from intsim.arithmetic import Add, Multiply, Scale, ShiftRight
from intsim.bounds import network_bounds
from intsim.verify.equivalence_evaluate import of_channel
from intsim.verify.equivalence_networks import Options, compare_networks
from tests.oracles.scaling import clamped, double_rounding, float32_product
from tests.verify.codes import expected_of_monotone, told


def both(path):
    """The network in fixed point throughout, and as XNNPACK runs it."""
    return tuple(CONVERTER.convert(path, dialect=dialect) for dialect in ("tflm", "xnnpack"))


def layers(network):
    """The requantizations of sums of products."""
    summing = ("conv2d", "depthwise_conv2d", "dense")
    return [
        node.name
        for node in network.nodes
        if node.op.name == "requantize" and network.producers[node.inputs[0]].op.name in summing
    ]


def fixed(rule):
    """One channel of tflite-double, by the oracle."""
    product, high, *low, last, limits = rule.steps
    assert isinstance(product, Multiply)
    assert int(high.bits) == 31
    assert all(isinstance(step, ShiftRight) for step in low)
    shift, zero_point = (int(low[0].bits) if low else 0), _zero_point(last)
    multiplier, lo, hi = int(product.multipliers), int(limits.lo), int(limits.hi)
    return lambda value: clamped(double_rounding(value, multiplier, shift), zero_point, lo, hi)


def real(rule):
    """One channel of f32-rne-zp-after, by the oracle."""
    scale, last, limits = rule.steps
    assert isinstance(scale, Scale)
    factor, zero_point, lo, hi = float(scale.factors), _zero_point(last), int(limits.lo), int(limits.hi)
    return lambda value: clamped(float32_product(value, factor), zero_point, lo, hi)


def _zero_point(step):
    assert isinstance(step, Add)
    return int(step.values)


def check_layers(path):
    """Compare every layer on every accumulator, count again with the oracle; name -> (differing, total)."""
    micro, floats = both(path)
    ranges = network_bounds(micro).tensors
    names = layers(micro)
    counts = {}
    for found in compare_networks(micro, floats, Options(only=names, enumerate_all=True)):
        node, other = micro.node(found.name), floats.node(found.name)
        interval = ranges[node.inputs[0]]
        for entry in found.compared.channels:
            lo, hi = int(interval.lo[entry.channel]), int(interval.hi[entry.channel])
            assert (entry.lo, entry.hi, entry.total) == (lo, hi, hi - lo + 1)
            mine = fixed(of_channel(node.op.requantization, entry.channel))
            theirs = real(of_channel(other.op.requantization, entry.channel))
            assert told(entry) == expected_of_monotone(lo, hi, mine, theirs)
        counts[found.name] = found.compared.differing, found.compared.total
    assert sorted(counts) == sorted(names)
    return counts
