"""Lowering of sums of products that are finished in their kernel (rules K1 to K4 of `engine.sums`)."""

from __future__ import annotations

import numpy as np

from intsim.engine.lowered import Call, Lowered, Site, Work, ready
from intsim.engine.products import Products, products_of
from intsim.engine.sums import exact_lane, grain, why_exact
from intsim.formats import IntFormat
from intsim.kernels.epilogue import Epilogue, started
from intsim.ops.dot import cannot_overflow, is_ring
from intsim.record import Array

_INT16, _INT32 = IntFormat(16), IntFormat(32)


def lower_finished(site: Site) -> Lowered | str:
    """A kernel for the sums of a site with an epilogue; or why there is none."""
    products = products_of(site.op, site.inputs[0], site.outputs[0])
    accumulator, bounds, epilogue = products.accumulator, site.bounds, site.epilogue
    if bounds.reach is None or bounds.final is None or epilogue is None:
        return "its bounds say nothing about partial sums"
    proved = cannot_overflow(bounds.reach, accumulator)
    if not proved and (site.counted or not is_ring(accumulator)):
        return f"sums can be in {bounds.reach}, beyond {accumulator.register}"
    if exact_lane(bounds.final, accumulator.format) != np.int32:
        return f"sums can be in {bounds.final}, beyond int32"
    if products.groups > 1 and products.filters.shape[3] > 1:
        return "groups of several channels are not finished in their kernel"
    centred = products.centred()
    ends = centred.min(), centred.max(), products.input_format.min, products.input_format.max
    if not _INT16.holds(min(*ends, products.input_zero_point), max(*ends, products.input_zero_point)):
        return "operands do not fit int16"
    start = products.bias - products.input_zero_point * centred.sum(axis=1).astype(object)
    call = _call(site, products, centred.astype(np.int16), started(epilogue, start))
    return Lowered(f"{products.word} int32 (int16 operands)", why_exact(site, proved), call)


def _call(site: Site, products: Products, weight: Array, epilogue: Epilogue) -> Call:
    storage, shape, taps = site.outputs[0].format.storage, site.outputs[0].shape, products.taps
    depthwise = products.groups > 1
    packed = np.ascontiguousarray(weight.T) if depthwise else np.pad(weight, [(0, 0), (0, -taps % 16)])
    fill, geometry, matrix = products.input_zero_point, products.geometry, products.matrix

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels import finished
        from intsim.kernels.threads import run_parts

        x = products.images(inputs[0])
        batch = inputs[0].shape[0]
        out = np.empty((batch, *shape), storage)
        flat = out.reshape(-1, products.channels)
        if matrix:
            rows = np.zeros((flat.shape[0], packed.shape[1]), np.int16)
            rows[:, :taps] = x.reshape(-1, taps)
            run_parts(
                lambda begin, end: finished.matmul_finished(rows, packed, epilogue, begin, end, flat),
                flat.shape[0],
                work.threads,
                grain(packed.size),
            )
            return (out,)
        images = ready(x)
        lines = batch * shape[0]
        run_parts(
            lambda begin, end: (
                finished.depthwise_finished(images, packed, epilogue, fill, geometry, begin, end, flat)
                if depthwise
                else finished.conv_finished(
                    images, packed[None], (epilogue,), fill, geometry, begin, end, flat
                )
            ),
            lines,
            work.threads,
            grain(shape[1] * packed.size),
        )
        return (out,)

    return call
