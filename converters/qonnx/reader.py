"""Read a QONNX file: an ONNX model, and the data types that its annotations give tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
from intsim_converters.onnx.model import Model
from intsim_converters.onnx.reader import parse, read_bytes
from intsim_converters.qonnx.annotations import data_types
from intsim_converters.reading import Source


def read_qonnx(source: Source) -> tuple[Model, Mapping[str, str]]:
    """The model of a file or of a file's bytes, and tensor -> name of its data type.

    Raises
    ------
    FileError
        The file cannot be opened, or is not a whole and consistent .onnx file.
    """
    if isinstance(source, bytes):
        data, where, folder = source, "model in memory", None
    else:
        path = Path(source)
        data, where, folder = read_bytes(path), path.name, path.parent
    model = parse(data, where, folder)
    return model, data_types(onnx.ModelProto.FromString(data))
