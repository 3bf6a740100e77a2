"""QONNX' own execution of a model in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.qonnx import execution

Arrays = dict[str, np.ndarray[Any, Any]]


class Execution(execution.Execution):
    """As the other side of ``intsim diff`` has it."""

    def __init__(self, data: bytes) -> None:
        super().__init__("model in memory", data)
