"""Lowering of sums of products that are finished in their kernel (rules K1 to K4 of `engine.sums`)."""

from __future__ import annotations

import numpy as np

from intsim.engine.certified import in_its_order
from intsim.engine.lowered import Lowered, Site
from intsim.engine.products import products_of
from intsim.engine.sums import exact_lane, lower_vectors, vectors_of, why_exact
from intsim.ops.dot import cannot_overflow, is_ring


def lower_finished(site: Site) -> Lowered | str:
    """A kernel for the sums of a site with an epilogue; or why there is none."""
    products = products_of(site.op, site.inputs[0], site.outputs[0])
    accumulator, bounds, epilogue = products.accumulator, site.bounds, site.epilogue
    if bounds.reach is None or bounds.final is None or epilogue is None:
        return "its bounds say nothing about partial sums"
    proved = cannot_overflow(bounds.reach, accumulator) or in_its_order(bounds, site.counted)
    if not proved and (site.counted or not is_ring(accumulator)):
        return f"sums can be in {bounds.reach}, beyond {accumulator.register}"
    if exact_lane(bounds.final, accumulator.format) != np.int32:
        return f"sums can be in {bounds.final}, beyond int32"
    vectors = vectors_of(products, site.ranges[0])
    if vectors is None:
        return "operands do not fit int16"
    return lower_vectors(site, products, vectors, epilogue, why_exact(site, proved))
