"""A MatMulInteger model for ONNX Runtime, written field by field."""

import numpy as np


def _varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def _field(place, value):
    if isinstance(value, int):
        return _varint(place << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(place << 3 | 2) + _varint(len(value)) + value


def _tensor(name, kind, shape):
    sizes = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, sizes)))


def session(rows, w):
    """A session on one thread for uint8 (rows, K) times int8 w (K, N); None without ONNX Runtime."""
    try:
        import onnxruntime
    except ImportError:
        return None
    weights = b"".join(_field(1, size) for size in w.shape)
    weights += _field(2, 3) + _field(8, "w") + _field(9, np.ascontiguousarray(w).tobytes())
    node = _field(1, "x") + _field(1, "w") + _field(2, "y") + _field(4, "MatMulInteger")
    graph = _field(1, node) + _field(2, "g") + _field(5, weights)
    graph += _field(11, _tensor("x", 2, (rows, w.shape[0]))) + _field(12, _tensor("y", 6, (rows, w.shape[1])))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = _field(1, 8) + _field(7, graph) + _field(8, _field(2, 13))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
