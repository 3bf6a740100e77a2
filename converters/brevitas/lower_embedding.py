"""QuantEmbedding: rows of its integers, picked by the network's integer input."""

from __future__ import annotations

from fractions import Fraction

import brevitas.nn as qnn
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried, Indices, stored_shape
from intsim_converters.brevitas.lowering import Lowering, lowers
from intsim_converters.brevitas.weights import read_weights

from intsim.formats import IntFormat
from intsim.ops import EmbeddingLookup, Op, Reshape, Transpose


@lowers(qnn.QuantEmbedding)
def lower_embedding(op: Lowering) -> Carried:
    indices, layer = op.args[0], op.module
    op.require(isinstance(indices, Indices), "input must be the network's, of integers")
    op.require(len(indices.shape) == 1, f"samples must be lists of indices, not of shape {indices.shape}")
    op.require(layer.max_norm is None, "max_norm must be None, as it scales rows as they are picked")
    weights = read_weights(op.where, layer, None)
    op.require(isinstance(weights.format, IntFormat), f"weights must be integers, not {weights.format}")
    op.require(len(weights.scales) == weights.zero_point.size == 1, "rows must have one scale and zero point")
    zero = int(weights.zero_point[0])
    furthest = max(abs(weights.format.min - zero), abs(weights.format.max - zero))
    shape = (*indices.shape, weights.codes.shape[1])
    affine = Affine.scaled(weights.scales, zero)
    y = Carried("", shape, weights.format, affine, (Fraction(0),), (weights.scales[0] * furthest,))
    ops: list[Op] = [
        EmbeddingLookup(weights.codes, weights.format),
        Transpose((1, 0)),
        Reshape(stored_shape(shape)),
    ]
    return op.chain(ops, indices.name, op.where, y)
