"""Which element types a runtime has kernels for, and which tensors XNNPACK takes."""

from __future__ import annotations

from collections.abc import Sequence

from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.tensors import TensorView


def require_kernel(
    op: Lowering, x: TensorView, types: Sequence[str], micro: Sequence[str] | None = None
) -> None:
    """Refuse an operand of a type that the dialect's runtime does not compute with.

    types : LiteRT's
    micro : TensorFlow Lite Micro's, where they are others
    """
    runtime, known = "LiteRT", types
    if op.dialect == "tflm" and micro is not None:
        runtime, known = "TensorFlow Lite Micro", micro
    op.require(
        x.dtype in known,
        f"{x.name!r} must be {' or '.join(known)}, which {runtime} computes {op.name} with, not {x.dtype}",
    )


LEFT = (
    "XNNPACK takes at most 6 axes, and scales written along axis 0; what it leaves is rounded by an element's"
    " place in memory; use another dialect"
)
"""Why an operator that XNNPACK leaves is refused."""

_MOST_AXES = 6  # of XNNPACK's tensors


def xnnpack_reads(*views: TensorView) -> bool:
    """Whether XNNPACK's delegate takes these: 8-bit codes, their one scale along axis 0, 6 axes at most."""
    return all(
        view.dtype in ("int8", "uint8") and view.quantized_axis == 0 and view.rank <= _MOST_AXES
        for view in views
    )
