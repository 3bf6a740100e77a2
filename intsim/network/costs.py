"""What a node costs by its meaning, whoever computes it: multiply-accumulates and bytes."""

from __future__ import annotations

from typing import Any

from intsim.formats import Discrete, TensorSpec
from intsim.network.graph import Network, Node
from intsim.ops import BatchMatmul, BlockDense, GroupDense
from intsim.record import Array


def macs(network: Network, node: Node) -> int:
    """Terms of the sums of products that a node makes for one sample; plain sums have none.

    Returns
    -------
    A dense layer of 4 to 3 has 12, whatever its weights are: zeros count.
    """
    result = network.specs[node.outputs[0]]
    weight = getattr(node.op, "weight", None)
    if weight is not None:
        return result.size * (int(weight.size) // result.shape[-1])
    if isinstance(node.op, BatchMatmul):
        x = network.specs[node.inputs[0]].shape
        return result.size * (x[-2] if node.op.transpose_x else x[-1])
    return 0


def tensor_bytes(spec: TensorSpec) -> int:
    """Bytes of one sample's tensor as it is held in memory."""
    return spec.size * spec.format.storage.itemsize


def weight_bytes(op: Any) -> int:
    """Bytes of weights, their scales and biases as they are held in memory; read once for a whole batch."""
    arrays = [getattr(op, name, None) for name in ("weight", "bias")]
    arrays += [array for array, _ in shared_with_weights(op)]
    return sum(int(array.nbytes) for array in arrays if array is not None)


def weight_bits(op: Any) -> int:
    """Bits of the weights of an op in their own format, as hardware stores them, and of what they share."""
    weight = getattr(op, "weight", None)
    if weight is None:
        return 0
    format = op.weight_format.element if isinstance(op, BlockDense) else op.weight_format
    return sum(int(array.size) * part.bits for array, part in [(weight, format), *shared_with_weights(op)])


def shared_with_weights(op: Any) -> list[tuple[Array, Discrete]]:
    """Scales, zeros and offsets of stored weights, with their formats; single zeros and offsets are none."""
    if isinstance(op, BlockDense):
        formats = [level.scale for level in op.weight_format.levels]
        return list(zip(op.weight_scales, formats, strict=True))
    if isinstance(op, GroupDense):
        pairs = [(op.scale, op.scale_format), (op.zero, op.zero_format), (op.offset, op.offset_format)]
        return [(array, format) for array, format in pairs if array.ndim]
    return []
