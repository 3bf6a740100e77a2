"""The kernels of the doors give what the reference gives, and say which value is not a number."""

import numpy as np
import pytest

from intsim import NetworkBuilder, plan, run
from intsim.arithmetic import Rounding
from intsim.errors import InputError
from intsim.formats import IntFormat, RealFormat
from intsim.formats.table import named
from intsim.ops import Dequantize, Quantize

UINT8 = IntFormat(8, signed=False)


def network(op, shape, source):
    b = NetworkBuilder()
    b.output(b.add(op, b.input("x", shape, source), name="y"))
    return b.build()


def both(built, x):
    """The fast engine's output, on one thread and on three, and the reference's, which are the same."""
    wanted = run(built, x, engine="reference").output
    for threads in (1, 3):
        found = run(built, x, threads=threads).output
        assert found.dtype == wanted.dtype
        assert np.array_equal(found.view(np.uint8), wanted.view(np.uint8))
    return wanted


def reals(real, steps, shape):
    """Ties and their neighbours, whole numbers, what is far, infinite or hardly there."""
    rng = np.random.default_rng(0)
    ties = (rng.integers(-300, 300, (7, *shape)) + 0.5).astype(real) * steps.astype(real)
    beside = np.nextafter(ties, rng.choice([-np.inf, np.inf], ties.shape).astype(real))
    edges = np.array([0.0, -0.0, np.inf, -np.inf, 3e38, -3e38, 1e-45, 5e-324, 1e-40], real)
    return np.concatenate(
        [ties, beside, rng.choice(edges, ties.shape), rng.normal(0, 40, ties.shape).astype(real)]
    )


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("rounding", [Rounding.HALF_EVEN, Rounding.HALF_AWAY])
@pytest.mark.parametrize("reciprocal", [False, True])
@pytest.mark.parametrize(
    ("scale", "zero", "axis", "format"),
    [
        ([0.5], [0], None, IntFormat(8)),
        ([0.1], [114], None, UINT8),
        ([0.25, 0.013, 3.0], [3, -9, 100], 0, IntFormat(8)),
        ([0.5, 1.0], [7], 1, IntFormat(16)),
        ([0.25, 0.5, 1.0, 0.3], [0, 1, 2, 3], 2, IntFormat(4)),
    ],
)
def test_codes_of_reals(real, rounding, reciprocal, scale, zero, axis, format):
    scale = np.array(scale, real)
    op = Quantize(scale, zero, axis, format, rounding, reciprocal)
    built = network(op, (3, 2, 4), RealFormat(8 * scale.itemsize))
    assert [step.kernel for step in plan(built).steps] == [f"quantize {scale.dtype}"]
    steps = scale.reshape([-1 if place == axis else 1 for place in range(3)]) if axis is not None else scale
    codes = both(built, reals(real, steps, (3, 2, 4)))
    assert len(np.unique(codes)) > 8


@pytest.mark.parametrize(
    "format", [IntFormat(4), UINT8, IntFormat(16), IntFormat(32), IntFormat(32, signed=False)]
)
@pytest.mark.parametrize(("scale", "axis"), [([0.3], None), ([0.3, 1e-30], 0), ([1e30, 2.0, 0.7], 1)])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_reals_of_codes(format, scale, axis, real):
    zero = [-((1 << 33) - 1)] if axis is None else list(range(len(scale)))
    op = Dequantize(np.array(scale, real), zero, axis, RealFormat(32))
    built = network(op, (2, 3), format)
    assert [step.kernel for step in plan(built).steps] == ["dequantize float64"]
    x = np.random.default_rng(1).integers(format.min, format.max, (50, 2, 3), endpoint=True)
    both(built, x.astype(format.storage))


def test_what_is_not_a_number_is_named():
    built = network(Quantize(np.float32(0.5)), (2, 3), RealFormat(32))
    x = np.zeros((400, 2, 3), np.float32)
    x[333, 1, 2] = np.nan
    for engine in ("fast", "reference"):
        with pytest.raises(InputError) as caught:
            run(built, x, engine=engine, chunk=64)
        assert "sample 333: quantize: values must be numbers, not NaN at (0, 1, 2)" in str(caught.value)


@pytest.mark.parametrize(
    ("op", "source"),
    [
        (Quantize(np.float32(1), rounding=Rounding.FLOOR), RealFormat(32)),
        (Quantize(np.float32(1), format=IntFormat(32)), RealFormat(32)),
        (Quantize(np.float32(1), 1 << 22), RealFormat(32)),
        (Quantize(np.float32(1), format=named("e4m3").format), RealFormat(32)),
        (Dequantize(np.float32(1), input_format=named("e4m3").format), named("e4m3").format),
    ],
)
def test_the_reference_does_the_rest(op, source):
    built = network(op, (3,), source)
    assert plan(built).steps[0].kernel.startswith("reference")
    x = (
        np.array([[1.5, -2.5, 300.0], [2.5, 0.5, -7.25]], np.float32)
        if isinstance(source, RealFormat)
        else None
    )
    both(built, x if x is not None else np.array([[1, 200, 57]], np.uint8))
