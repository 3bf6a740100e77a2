"""The batch: ONNX tensors carry it as an axis, intsim's samples do not.

Rules
-----
B1. Where the first axis of every graph input has a symbol for its size, or all have one size of 2 or more,
    it is the batch: every computed tensor has it first, and an operator that mixes samples is refused.
B2. Else a tensor of two axes or more whose first size is 1 lacks that axis in its samples, and any other
    tensor is a sample as a whole. This only renames: one sample is one run.
B3. A graph of a fixed batch of 2 or more that is refused, say because its operators mix samples, is read
    again by rule B2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from intsim_converters.onnx.model import Graph, Port
from intsim_converters.onnx.values import Shape, too_large

from intsim.errors import Finding

_MOST_AXES = 32  # numpy has 64, and some work takes more than a tensor's own


@dataclass(frozen=True)
class Batch:
    """How tensors are cut into samples.

    size : of the first axis; 1 for a symbol
    strict : rule B1 in place of rule B2
    symbol : whether the size is one
    """

    size: int = 1
    strict: bool = False
    symbol: bool = False

    def batched(self, shape: Shape) -> bool:
        """Whether the samples of a computed tensor lack its first axis."""
        return self.strict or (len(shape) >= 2 and shape[0] == 1)

    def sample(self, shape: Shape) -> Shape:
        """The shape of one sample of a computed tensor."""
        return shape[1:] if self.batched(shape) else shape


def readings(graph: Graph) -> tuple[Batch, ...]:
    """The readings of a graph whose inputs' shapes are known, in the order in which they are tried."""
    firsts = [port.shape[0] if port.shape else None for port in graph.inputs]
    if any(isinstance(first, str) for first in firsts):
        return (Batch(1, strict=True, symbol=True),)
    sizes = set(firsts)
    first = sizes.pop()
    ranks = min(len(port.shape or ()) for port in graph.inputs)
    if sizes or not isinstance(first, int) or first < 2 or ranks < 2:
        return (Batch(),)
    return (Batch(first, strict=True), Batch())


def input_shape(port: Port) -> Shape:
    """A graph input's shape, with 1 for the symbol of the batch."""
    return tuple(1 if isinstance(size, str) else size for size in port.shape or ())


def shape_findings(graph: Graph) -> Iterator[Finding]:
    """Inputs whose shapes are not known, but for the batch."""
    symbols = [bool(port.shape) and isinstance(port.shape[0], str) for port in graph.inputs]  # type: ignore[index]
    for port, symbol in zip(graph.inputs, symbols, strict=True):
        where = f"graph input {port.name!r}"
        if port.shape is None:
            yield Finding(
                where, "shape must be known; the file gives none. Fix the sizes when you export the model"
            )
        elif any(isinstance(size, str) or size < 1 for size in port.shape[symbol:]):
            shown = ", ".join(str(size) for size in port.shape)
            yield Finding(
                where,
                f"shape must be known, but for the batch on the first axis, not ({shown})."
                " Fix the sizes when you export the model",
            )
        elif len(port.shape) > _MOST_AXES:
            yield Finding(where, f"must have at most {_MOST_AXES} axes, not {len(port.shape)}")
        elif too_large(input_shape(port)):
            yield Finding(where, f"must have fewer than 2**31 elements, not shape {port.shape}")
        elif not symbol and any(symbols):
            yield Finding(
                where, f"first axis must be the batch, as other inputs' is, not of size {port.shape[:1]}"
            )
