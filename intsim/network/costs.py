"""What a node costs by its meaning, whoever computes it: multiply-accumulates and bytes."""

from __future__ import annotations

from typing import Any

from intsim.formats import TensorSpec
from intsim.network.graph import Network, Node
from intsim.ops import BatchMatmul


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
    """Bytes of the weights and biases of an op as they are held in memory; read once for a whole batch."""
    arrays = (getattr(op, name, None) for name in ("weight", "bias"))
    return sum(int(array.nbytes) for array in arrays if array is not None)
