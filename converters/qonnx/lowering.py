"""`QonnxLowering`: one operator of a QONNX graph on its way into a network.

How to write a lowering
-----------------------
One file per family, ``lower_<family>.py``, imported by the package; one function per operator or group::

    @lowers("Neg")
    def lower_neg(op: QonnxLowering) -> None:
        x = op.carried(0)                          # integers and what QONNX has in their place, or a refusal
        op.bind(x.then(Step("Mul", (...,))))       # nothing is computed until a quantizer reads it

What the base class offers (`view`, `attribute`, `require`, ...) is told in
`intsim_converters.onnx.lowering`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Constant, Node
from intsim_converters.onnx.values import Codes, Layout
from intsim_converters.qonnx.annotations import DataType, parse
from intsim_converters.qonnx.parameters import Array, Shape, axes, one
from intsim_converters.qonnx.target import QonnxTarget
from intsim_converters.qonnx.values import Carried, Entry, Fixed, Pending

from intsim.formats import Quantization
from intsim.ops import Op, Reshape

Lower = Callable[["QonnxLowering"], None]

LOWERINGS: dict[tuple[str, str], Lower] = {}
"""(domain, operator) -> its lowering."""

CUSTOM = "qonnx.custom_op.general"
DOMAINS: Mapping[str, str] = {
    "": "",
    **dict.fromkeys((CUSTOM, "onnx.brevitas", "qonnx", "finn", "finn.custom_op.general"), CUSTOM),
}
"""A file's domain -> the one that lowerings are registered under."""


def lowers(*names: str, domain: str = "") -> Callable[[Lower], Lower]:
    """Register a lowering for operators of a domain."""

    def register(lower: Lower) -> Lower:
        for name in names:
            LOWERINGS[domain, name] = lower
        return lower

    return register


class QonnxLowering(Lowering):
    """What a lowering function gets."""

    target: QonnxTarget

    def __init__(self, target: QonnxTarget, node: Node, dialect: str) -> None:
        super().__init__(target, node, dialect)

    # -- its tensors --

    def given(self, i: int) -> Any:
        """Input i, whatever it is; an annotated constant as the integers that it says it holds."""
        value: Any = self.value(i)
        kind = self.data_type(self.node.inputs[i])
        if isinstance(value, Constant) and kind is not None and kind.format is not None and kind.step:
            return self._annotated(value, kind)
        return value

    def _annotated(self, constant: Constant, kind: DataType) -> Any:
        values = constant.values
        if values.dtype.kind not in "fiu" or kind.format is None or kind.step is None:
            return constant
        codes = values.astype(np.float64) / kind.step
        with np.errstate(all="ignore"):
            good = bool(np.isfinite(codes).all()) and np.array_equal(codes, np.rint(codes))
        self.require(good, f"constant {constant.name!r} must hold integers as its data type says")
        held = codes.astype(np.int64)
        self.require(
            not kind.format.outside(held).any(),
            f"constant {constant.name!r} must be in {kind.format} as annotated",
        )
        rank = held.ndim
        return Fixed(
            constant.name, held, kind.format, one(kind.step, rank, np.float64), one(0, rank, np.int64)
        )

    def data_type(self, name: str) -> DataType | None:
        """What the file's annotation says of a tensor; None: nothing."""
        said = self.target.annotations.get(name)
        if said is None:
            return None
        found = parse(said)
        self.require(found is not None, f"data type of {name!r} must be one of QONNX', not {said!r}")
        return found

    def carried(self, i: int) -> Carried:
        """Input i as integers and what they stand for; refuses constants and floats."""
        value, name = self.given(i), self.node.inputs[i]
        if isinstance(value, Entry):
            self.refuse(
                f"float input {name!r} must be integers before it is computed with: put a Quant behind the"
                " graph input, or give the input an integer data type (ModelWrapper.set_tensor_datatype), or"
                " see dialect qonnx-image8"
            )
        if isinstance(value, Pending):
            self.refuse(f"{name!r} must be read by a Clip or a DequantizeLinear only")
        if not isinstance(value, Carried):
            self.refuse(f"input {name!r} must be computed, not a constant")
        return value

    def fixed(self, i: int, what: str) -> Fixed:
        """Input i as constant integers."""
        value, name = self.given(i), self.node.inputs[i]
        if isinstance(value, Constant):
            self.refuse(
                f"{what} {name!r} must be integers: quantize them, or annotate an integer data type, not"
                f" {value.dtype} without one"
            )
        if not isinstance(value, Fixed):
            self.refuse(f"{what} {name!r} must be constant, not computed")
        return value

    def reals(self, i: int, what: str) -> Array:
        """Input i as constant float32."""
        value = self.given(i)
        if isinstance(value, Fixed):
            return value.real
        self.require(
            isinstance(value, Constant), f"{what} {self.node.inputs[i]!r} must be constant, not computed"
        )
        self.require(value.dtype == "float32", f"{what} must be float32, not {value.dtype}")
        return np.asarray(value.values)

    # -- what becomes of it --

    def bind(self, value: Any, output: int = 0) -> None:
        """Say what an output stands for (`values`)."""
        super().bind(value, output)

    def settled(self, x: Carried) -> Codes:
        """The network's tensor with the shape that the file has by now."""
        if x.codes.shape == x.shape:
            return x.codes
        codes = Codes(self.target.fresh(f"{x.codes.name}/reshaped"), x.shape, "")
        held = self.view(x.codes, Layout.PLAIN)
        self._keeps_batch(x.shape)
        self.target.produce(codes, Reshape(self.target.batch.sample(x.shape)), held, layout=Layout.PLAIN)
        return codes

    def produce(
        self, op: Op, *inputs: str, shape: Shape, layout: Layout, meaning: Quantization | None = None
    ) -> Codes:
        """Add the node that yields this node's output."""
        self._keeps_batch(shape)
        codes = Codes(self.output, shape, "")
        self._add(lambda: self.target.produce(codes, op, *inputs, layout=layout, quantization=meaning))
        return codes

    def _keeps_batch(self, shape: Shape) -> None:
        self.require(
            not self.strict or (bool(shape) and shape[0] == self.target.batch.size),
            f"output must keep the batch on its first axis, not have shape {shape}; samples must not mix",
        )

    def channel_view(self, x: Carried, extra: tuple[Array, ...] = ()) -> tuple[str, Layout, int | None]:
        """The network's tensor whose last axis is the one that parameters run along.

        extra : more parameters than those of `x`

        Returns
        -------
        Its name, its layout, and the file's axis that parameters run along; None: they are one each.
        """
        varying = axes((*x.parameters, *extra))
        self.require(
            len(varying) <= 1, f"scales and other parameters must run along one axis, not axes {varying}"
        )
        codes = self.settled(x)
        if not varying:
            layout = Layout.IMAGE if Layout.IMAGE in codes.views else Layout.PLAIN
            return codes.views[layout], layout, None
        (axis,) = varying
        if axis == len(x.shape) - 1:
            return self.view(codes, Layout.PLAIN), Layout.PLAIN, axis
        image = axis == 1 and len(x.shape) in (3, 4) and self.target.batch.batched(x.shape)
        self.require(
            image, f"scales and other parameters must run along channels, not axis {axis} of {x.shape}"
        )
        return self.view(codes, Layout.IMAGE), Layout.IMAGE, axis

    def annotation(self, slope: Array, zero: Array, shape: Shape, layout: Layout) -> Quantization | None:
        """What codes stand for, where that can be noted."""
        varying = axes((slope, zero))
        if not (np.isfinite(slope) & (slope > 0)).all() or len(varying) > 1:
            return None
        axis = None
        if varying:
            if layout is Layout.IMAGE and self.output in self.target.outputs:
                return None
            axis = 2 if layout is Layout.IMAGE else varying[0] - self.target.batch.batched(shape)
        size = (max(slope.size, zero.size),)
        wide = np.broadcast_to(slope.reshape(-1), size), np.broadcast_to(zero.reshape(-1), size)
        return Quantization(*wide, axis)


__all__ = ["CUSTOM", "DOMAINS", "LOWERINGS", "Lower", "QonnxLowering", "lowers"]
