"""The batch: TFLite's tensors carry it as an axis, intsim's samples do not.

Rules
-----
B1. Where every graph input has two axes or more, and all have the same leading size, that size is the
    batch B; otherwise B is 1.
B2. A tensor whose leading size is B is batched: its samples have the shape without that axis. Any other
    tensor is a sample as a whole.
B3. With B = 1 this only renames: one sample is one run. With B > 1 one run is B samples, so an operator
    that mixes them, or gives a tensor that is not batched, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from intsim_converters.reading import Source
from intsim_converters.tflite.model import Array, Graph
from intsim_converters.tflite.reader import read_model

from intsim.errors import InputError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BatchLayout:
    """How a graph's tensors are cut into samples: the batch, and the tensors' shapes by name."""

    size: int
    shapes: Mapping[str, Shape]

    @classmethod
    def of(cls, graph: Graph) -> BatchLayout:
        """Rule B1."""
        inputs = [graph.tensors[index].shape for index in graph.inputs]
        leading = {shape[0] if len(shape) >= 2 else 1 for shape in inputs}
        size = leading.pop() if len(leading) == 1 else 1
        return cls(max(size, 1), {tensor.name: tensor.shape for tensor in graph.tensors})

    def batched(self, shape: Shape) -> bool:
        """Rule B2."""
        return bool(shape) and shape[0] == self.size

    def sample_shape(self, shape: Shape) -> Shape:
        """The shape of one sample of a tensor of this shape."""
        return shape[1:] if self.batched(shape) else shape


def batch_layout(source: Source) -> BatchLayout:
    """The layout of a file's graph. Raises FileError as `read_model` does."""
    return BatchLayout.of(read_model(source).graphs[0])


def to_sample_batch(layout: BatchLayout, runs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """TFLite's arrays, run by run, as intsim's: batch axis first, samples in order.

    Parameters
    ----------
    layout : of the graph
    runs : for each run of the framework, tensor name -> array of the graph's shape

    Raises
    ------
    InputError
        An array is not of its tensor's shape, or the runs do not name the same tensors.

    Examples
    --------
    >>> layout = BatchLayout(1, {"x": (1, 4)})
    >>> to_sample_batch(layout, [{"x": np.zeros((1, 4))}, {"x": np.ones((1, 4))}])["x"].shape
    (2, 4)
    """
    batch: dict[str, list[Array]] = {}
    for run in runs:
        for name, array in run.items():
            wanted = layout.shapes.get(name)
            if np.shape(array) != wanted:
                raise InputError(f"{name}: shape must be {wanted}, not {np.shape(array)}")
            whole = np.asarray(array)
            batch.setdefault(name, []).append(whole if layout.batched(wanted) else whole[None])
    if any(len(parts) != len(runs) for parts in batch.values()):
        raise InputError("every run must give the same tensors")
    return {name: np.concatenate(parts) for name, parts in batch.items()}


def from_sample_batch(layout: BatchLayout, tensors: Mapping[str, Array]) -> list[dict[str, Array]]:
    """intsim's arrays as TFLite's, run by run; tensors that are not the graph's are left out.

    Raises
    ------
    InputError
        The samples do not make whole runs.

    Examples
    --------
    >>> layout = BatchLayout(1, {"y": (1, 4)})
    >>> [run["y"].shape for run in from_sample_batch(layout, {"y": np.zeros((3, 4))})]
    [(1, 4), (1, 4), (1, 4)]
    """
    runs: list[dict[str, Array]] = []
    for name, array in tensors.items():
        shape = layout.shapes.get(name)
        if shape is None:
            continue
        if array.shape[1:] != layout.sample_shape(shape) or len(array) % layout.size:
            raise InputError(f"{name}: samples must make whole tensors of {shape}, not {array.shape}")
        parts = array.reshape(-1, *shape)
        runs += [{} for _ in range(len(parts) - len(runs))]
        for run, part in zip(runs, parts, strict=True):
            run[name] = part
    return runs
