"""Cast and CastLike between integers.

Rules (N), cited by the lowerings
---------------------------------
N1. A cast to an integer type keeps the low bits, in every dialect. One to bool asks whether a code is not 0.
N2. A cast to or from floats is refused: QuantizeLinear and DequantizeLinear say what codes stand for, a cast
    does not, and nothing here computes in float.
"""

from __future__ import annotations

from intsim_converters.onnx.elementwise import any_view, copy
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import NUMBERS, Constant
from intsim_converters.onnx.values import FORMATS, Codes

from intsim.arithmetic import Clamp, Overflow, Requantization
from intsim.formats import IntFormat
from intsim.ops import Lookup, Op, Requantize

_SIGN = IntFormat(2)


@lowers("Cast", "CastLike")
def lower_cast(op: Lowering) -> None:
    value = op.value(0)
    target = _target(op)
    source = value.dtype if isinstance(value, (Codes, Constant)) else "float32"
    op.require(
        source in FORMATS and target in FORMATS,
        f"must be from integers to integers, not from {source} to {target}; QuantizeLinear and"
        " DequantizeLinear say what codes stand for. [N2]",
    )
    x = op.codes(0)
    if source == target:
        op.bind(copy(op, x))
        return
    name, layout = any_view(x)
    node: Op = Requantize(Requantization((), FORMATS[target], Overflow.WRAP))
    if target == "bool":
        name = op.step(Requantize(Requantization((Clamp(lo=-1, hi=1),), _SIGN)), name, name="sign")
        node = Lookup([1, 1, 0, 1], _SIGN, FORMATS["bool"])
    op.emit(node, name, shape=x.shape, dtype=target, layout=layout)


def _target(op: Lowering) -> str:
    """The type that is asked for: of the attribute, or of the second input."""
    if op.name == "Cast":
        number = op.attribute("to", 0)
        return NUMBERS.get(number, f"type number {number}")
    like = op.value(1)
    return like.dtype if isinstance(like, (Codes, Constant)) else "float32"
