"""Costs by meaning, against counts by hand."""

import numpy as np

from intsim.formats import IntFormat, TensorSpec
from intsim.network import NetworkBuilder
from intsim.network.costs import macs, tensor_bytes, weight_bytes
from intsim.ops import BatchMatmul, Clamp, Conv2d, Dense, DepthwiseConv2d


def build(op, *shapes):
    n = NetworkBuilder()
    inputs = [n.input(f"x{i}", shape, IntFormat(8)) for i, shape in enumerate(shapes)]
    n.output(n.add(op, *inputs, name="y"))
    network = n.build()
    return macs(network, network.nodes[0])


def ones(*shape):
    return np.ones(shape, np.int8)


def test_macs():
    assert build(Dense(weight=ones(3, 4)), (4,)) == 12
    assert build(Conv2d(weight=ones(5, 3, 2, 4)), (6, 7, 4)) == 4 * 6 * 5 * (3 * 2 * 4)
    assert build(Conv2d(weight=ones(6, 1, 1, 2), groups=2), (1, 1, 4)) == 6 * 2
    assert build(DepthwiseConv2d(weight=ones(4, 2, 3, 3)), (5, 5, 4)) == 3 * 3 * 4 * 2 * 9
    assert build(BatchMatmul(), (2, 3, 4), (2, 4, 5)) == 2 * 3 * 5 * 4
    assert build(Clamp(lo=0, hi=5), (4,)) == 0


def test_bytes():
    assert tensor_bytes(TensorSpec((2, 3), IntFormat(4))) == 6
    assert tensor_bytes(TensorSpec((2, 3), IntFormat(12))) == 12
    assert weight_bytes(Dense(weight=ones(3, 4), bias=[1, 2, 3])) == 12 + 3 * 8
    assert weight_bytes(Clamp(lo=0, hi=1)) == 0
