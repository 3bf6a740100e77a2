"""The other side of ``intsim diff``: an .onnx file in ONNX Runtime or in onnx.reference.

Rules
-----
D1. The network that tells names and layouts is the one of the dialect; where that refuses the file, the one
    of the first dialect that does not: a runtime runs what it has no integers for in float.
D2. A file of a fixed batch gets that many samples at a time; the last ones are repeated to fill it, and cut
    off behind. One without a batch gets one sample at a time.
D3. Of a product with scales in blocks, what float32 leaves open is rule G6 of `blocked`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from intsim_converters.onnx.convert import Conversion, convert_model
from intsim_converters.onnx.dialects import DIALECTS
from intsim_converters.onnx.model import Model
from intsim_converters.onnx.reader import read_model
from intsim_converters.onnx.sessions import Arrays, OrtSession, ReferenceSession, Session
from intsim_converters.onnx.values import CODED, FORMATS, Layout
from onnx import helper

from intsim.errors import ConversionError
from intsim.ops import Requantize

_IMAGE = (2, 0, 1)
"""Of height, width, channels: where the file's channels, height and width are."""


class OnnxRunner:
    """See `intsim.converter.Runner`."""

    left_out: Mapping[str, str] = {}

    def __init__(self, source: Path, dialect: str) -> None:
        model = read_model(source)
        self._conversion = _converted(model, dialect)
        self.network = network = self._conversion.network
        proto = onnx.load_model(str(source))
        made = {name for node in proto.graph.node for name in node.output}
        names = [name for name in network.specs if name in made and name in network.producers]
        ports = {port.name: port.type.tensor_type for port in proto.graph.input}
        given = {entry.name: ports[entry.name] for entry in network.inputs}
        self._dtypes = {name: helper.tensor_dtype_to_np_dtype(x.elem_type) for name, x in given.items()}
        self._shapes = {name: tuple(d.dim_value for d in x.shape.dim) for name, x in given.items()}
        layouts = self._conversion.layouts
        self.axes = {name: _IMAGE if layouts.get(name) is Layout.IMAGE else None for name in names}
        kind = ReferenceSession if dialect == "onnx-ref" else OrtSession
        types = {str(format): dtype for dtype, format in {**FORMATS, **CODED}.items()}
        inside = {name: types.get(str(network.specs[name].format), "") for name in names}
        self._session: Session = kind(model.where, proto, inside)
        self.what = self._session.what

    def run(self, inputs: Mapping[str, Any], names: Sequence[str]) -> Arrays:
        given = {name: np.asarray(inputs[name]).astype(dtype) for name, dtype in self._dtypes.items()}
        count = len(next(iter(given.values())))
        pieces = [self._session.run(piece, names) for piece in self._pieces(given, count)]
        return {name: self._joined(name, [piece[name] for piece in pieces])[:count] for name in names}

    def _pieces(self, given: Arrays, count: int) -> Iterator[Arrays]:
        """What the file takes at a time (rule D2)."""
        batch = self._conversion.batch
        if batch.symbol:
            yield given
            return
        for begin in range(0, count, batch.size):
            taken = np.minimum(np.arange(begin, begin + batch.size), count - 1)
            yield {name: x[taken].reshape(self._shapes[name]) for name, x in given.items()}

    def _joined(self, name: str, pieces: Sequence[np.ndarray]) -> np.ndarray:
        """Samples one after another, a batch axis first, each with the network's sizes if they fit."""
        x = np.concatenate(pieces) if self._conversion.batch.strict else np.stack(pieces)
        shape, axes = self.network.specs[name].shape, self.axes[name]
        theirs = shape if axes is None else tuple(shape[axis] for axis in axes)
        return x.reshape(len(x), *theirs) if x[0].size == np.prod(theirs, dtype=int) else x


class DoubtingOnnxRunner(OnnxRunner):
    """See `intsim.converter.DoubtingRunner` (rule D3)."""

    doubt = "float32 of ONNX Runtime: the exact sum lies within its rounding error of a threshold"

    def undecided(self, tensor: str, read: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Rule D3."""
        slack, op = self._conversion.slack.get(tensor), self.network.producers[tensor].op
        if slack is None or not isinstance(op, Requantize):
            return None
        low, high = (op.requantization.apply(read.astype(np.int64) + side * slack) for side in (-1, 1))
        return low, high


def runner_of(source: Path, dialect: str) -> OnnxRunner:
    """The runner of a file, which tells what float32 leaves open where it stands for integers."""
    kind = DoubtingOnnxRunner if _converted(read_model(source), dialect).slack else OnnxRunner
    return kind(source, dialect)


def _converted(model: Model, dialect: str) -> Conversion:
    """Rule D1. Raises ConversionError with the dialect's own reasons where none takes the file."""
    if dialect not in DIALECTS:
        raise ConversionError(f"dialect must be one of {', '.join(DIALECTS)}, not {dialect!r}")
    errors: list[ConversionError] = []
    for name in (dialect, *(other for other in DIALECTS if other != dialect)):
        try:
            return convert_model(model, name)
        except ConversionError as error:
            errors.append(error)
    raise errors[0]
