"""Concat and Split, and com.microsoft QLinearConcat.

Rules (J), cited by the lowerings
---------------------------------
J1. Concat of codes follows them one after another. Of dequantized tensors that mean the same, so do their
    codes.
J2. QLinearConcat, and in every dialect Concat of dequantized tensors of 16 bits at most in front of a
    QuantizeLinear: each tensor's codes that mean something else than the output go through a table (rule D3
    of `lower_doors`).
J3. Split of dequantized codes is one of codes.

References
----------
ONNX Runtime 1.31.1: onnxruntime/contrib_ops/cpu/quantization/qlinear_concat.cc.
"""

from __future__ import annotations

from intsim_converters.onnx.elementwise import codes_in
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.moving import code_name, whole
from intsim_converters.onnx.values import Codes, Layout, Meaning, Pending, Real

from intsim.ops import Concat, Reshape, Slice


@lowers("Concat")
def lower_concat(op: Lowering) -> None:
    values = [op.value(i) for i in range(len(op.node.inputs))]
    axis = op.attribute("axis", 1)
    if all(isinstance(value, (Codes, Constant)) for value in values):
        _joined(op, [op.codes(i) for i in range(len(values))], axis)
        return
    for i, value in enumerate(values):
        op.require(
            isinstance(value, Real) and value.meaning.axis is None,
            op.float_reason(i)
            if not isinstance(value, (Real, Constant))
            else "inputs must come from DequantizeLinear with one scale each. [J2]",
        )
    reals = [value for value in values if isinstance(value, Real)]
    if all(real.meaning.same(reals[0].meaning) and not real.functions for real in reals):
        name = code_name(op, reals[0])
        op.bind(Real(_joined(op, [_codes(op, real) for real in reals], axis, name), reals[0].meaning))
    else:
        op.bind(Pending(lambda quantize, y: _rescaled(quantize, reals, axis, y), pending_reason(op)))


@lowers("QLinearConcat", domain=MICROSOFT)
def lower_qlinear_concat(op: Lowering) -> None:
    """Rule J2."""
    op.require_own()
    count = (len(op.node.inputs) - 2) // 3
    op.require(count >= 1 and len(op.node.inputs) == 2 + 3 * count, "inputs must be two and then threes")
    reals = []
    for i in range(count):
        codes = op.codes(2 + 3 * i)
        reals.append(Real(codes, op.meaning(3 + 3 * i, 4 + 3 * i, codes.dtype)))
    _rescaled(op, reals, op.attribute("axis", 1), op.meaning(0, 1, reals[0].codes.dtype))


def _codes(op: Lowering, real: Real) -> Codes:
    return real.codes if isinstance(real.codes, Codes) else op.constant_codes(real.codes)


def _rescaled(op: Lowering, reals: list[Real], axis: int, y: Meaning) -> Codes:
    """Rule J2."""
    parts = [codes_in(op, real, y, f"rescaled{i}", "J2") for i, real in enumerate(reals)]
    return _joined(op, parts, axis, meaning=y)


def _joined(
    op: Lowering, parts: list[Codes], axis: int, name: str | None = None, meaning: Meaning | None = None
) -> Codes:
    """Rule J1."""
    shapes = [codes.shape for codes in parts]
    rank = len(shapes[0])
    op.require(
        all(len(shape) == rank for shape in shapes), f"inputs must have one number of axes, not {shapes}"
    )
    op.require(-rank <= axis < rank, f"axis must be of {rank} axes, not {axis}")
    axis %= rank
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    op.require(len(others) == 1, f"inputs must differ along axis {axis} only, not {shapes}")
    types = {codes.dtype for codes in parts}
    op.require(len(types) == 1, f"inputs must have one type, not {sorted(types)}")
    total = sum(shape[axis] for shape in shapes)
    shape = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
    dtype = parts[0].dtype
    if axis == 0:
        names = [whole(op, codes) for codes in parts]
        sample = op.target.batch.sample(shape)
        if sample == shape:
            return op.emit(Concat(0), *names, shape=shape, dtype=dtype, name=name, meaning=meaning)
        inner = op.step(Concat(0), *names, name="joined")
        return op.emit(Reshape(sample), inner, shape=shape, dtype=dtype, name=name, meaning=meaning)
    image = rank in (3, 4) and any(Layout.IMAGE in codes.views for codes in parts)
    image = image and op.target.batch.batched(shape)
    layout = Layout.IMAGE if image else Layout.PLAIN
    names = [op.view(codes, layout) for codes in parts]
    within = op.axis(axis, shape)
    if image:
        within = (2, 0, 1)[within] if rank == 4 else (2, 1)[within]
    return op.emit(
        Concat(within), *names, shape=shape, dtype=dtype, layout=layout, name=name, meaning=meaning
    )


@lowers("Split")
def lower_split(op: Lowering) -> None:
    """Rule J3: one slice for each output, in the file's axes."""
    value = op.value(0)
    if isinstance(value, Real):
        op.require(value.meaning.axis is None, "input must have one scale. [J3]")
        x = _codes(op, value)
    else:
        x = op.codes(0)
    rank = len(x.shape)
    given = op.attribute("axis", 0)
    op.require(-rank <= given < rank, f"axis must be of {x.shape}, not {given}")
    axis = given % rank
    begin = 0
    for i, size in enumerate(_sizes(op, x.shape[axis])):
        name = code_name(op, value, i) if isinstance(value, Real) else None
        shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
        part = _part(op, x, axis, begin, shape, i, name)
        if isinstance(value, Real):
            op.bind(Real(part, value.meaning, value.functions), i)
        begin += size


def _part(
    op: Lowering, x: Codes, axis: int, begin: int, shape: tuple[int, ...], output: int, name: str | None
) -> Codes:
    lead = int(op.target.batch.batched(x.shape))
    sample = op.target.batch.sample(shape)
    if axis >= lead:
        starts = tuple(begin if at == axis else 0 for at in range(lead, len(shape)))
        cut, held = Slice(starts, shape[lead:]), op.view(x)
    else:
        starts = tuple(begin if at == axis else 0 for at in range(len(shape)))
        cut, held = Slice(starts, shape), whole(op, x)
    if cut.size == sample:
        return op.emit(cut, held, shape=shape, dtype=x.dtype, output=output, name=name)
    inner = op.step(cut, held, name=f"part{output}")
    return op.emit(Reshape(sample), inner, shape=shape, dtype=x.dtype, output=output, name=name)


def _sizes(op: Lowering, extent: int) -> tuple[int, ...]:
    """The outputs' sizes along the axis: an attribute before version 13, then an input, else equal parts."""
    count = len(op.node.outputs)
    given = op.attribute("split") if op.opset < 13 else (op.ints(1) if op.has(1) else None)
    if given is None:
        size = -(-extent // count)
        given = (*(size,) * (count - 1), extent - size * (count - 1))
    sizes = tuple(given)
    good = len(sizes) == count and sum(sizes) == extent and min(sizes) >= 1
    op.require(good, f"parts must be {count} of at least 1 that make {extent}, not {sizes}")
    return sizes
