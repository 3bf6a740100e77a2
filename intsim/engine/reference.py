"""The slow engines: an op's own reference, on int64 where that is proved enough, else on Python ints."""

from __future__ import annotations

import numpy as np

from intsim.engine.lowered import Lowered, Site, Work
from intsim.errors import Finding, InputError, OverflowTrap
from intsim.formats import Discrete, IntFormat, TensorSpec
from intsim.record import Array

_INT64 = IntFormat(64)


def lower_reference(site: Site) -> Lowered:
    """The reference, on the integers that hold every value on the way."""
    if site.bounds.partial.within(_INT64):
        reason = f"every value on the way is in {site.bounds.partial}, so int64 holds it"
        return _lowered(site, "reference int64", reason, np.dtype(np.int64))
    reason = f"values on the way can be in {site.bounds.partial}, beyond int64"
    return _lowered(site, "reference exact", reason, np.dtype(object))


def lower_exact(site: Site) -> Lowered:
    """The reference on Python ints, whatever the bounds say."""
    return _lowered(site, "exact", "Python ints have no width", np.dtype(object))


def _lowered(site: Site, kernel: str, reason: str, kind: np.dtype[np.generic]) -> Lowered:
    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        wide = (_widen(spec, x, kind) for spec, x in zip(site.inputs, inputs, strict=True))
        try:
            results = site.op.reference(*wide, events=work.events)
        except (OverflowTrap, InputError) as error:
            raise error.at(site.node.name) from None
        return tuple(
            _narrow(site.node.name, spec, result) for spec, result in zip(site.outputs, results, strict=True)
        )

    return Lowered(kernel, reason, call, _workspace(site, kind))


def _widen(spec: TensorSpec, x: Array, kind: np.dtype[np.generic]) -> Array:
    return x.astype(kind) if isinstance(spec.format, Discrete) else x


def _narrow(name: str, spec: TensorSpec, result: Array) -> Array:
    """A result in its storage dtype, once it is known to be what the op's `infer` promised."""
    format = spec.format
    if result.shape[1:] != spec.shape:
        raise fault(name, f"result must have shape {spec.shape} after the batch, not {result.shape}")
    if not isinstance(format, Discrete):
        if result.dtype != format.storage:
            raise fault(name, f"result must be {format}, not {result.dtype}")
        return result
    if result.dtype != object and result.dtype.kind not in "iu":
        raise fault(name, f"result must be integers, not {result.dtype}")
    outside = format.outside(result)
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise fault(name, f"result must fit {format}, not {int(result[index])} at {index}")
    return result.astype(format.storage)


def fault(name: str, what: str) -> RuntimeError:
    """An error of intsim's own, or of a stranger's op: not something that a user's data can cause."""
    return RuntimeError(f"{Finding(name, what)}. This is a fault of the op, please report it")


def _workspace(site: Site, kind: np.dtype[np.generic]) -> int:
    """A guess at the bytes per sample that a reference takes for its temporary arrays."""
    elements = sum(spec.size for spec in (*site.inputs, *site.outputs)) * 6
    weight = getattr(site.op, "weight", None)
    if weight is not None and weight.ndim == 4:  # the taps of every output position, copied twice
        channels = site.outputs[0].shape[-1]
        positions = site.outputs[0].size // channels
        groups = getattr(site.op, "groups", 1)
        elements += 3 * positions * (weight.size // channels if groups > 0 else 1) * groups
    return elements * (40 if kind.kind == "O" else 8)
