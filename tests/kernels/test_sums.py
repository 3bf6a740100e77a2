"""The kernels of sums against the reference and against plain Python sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim import plan, run
from intsim.arithmetic import Accumulator, BiasPlace, Events, Overflow, Topology, ZeroPointPlace
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels.isa.table import chosen
from intsim.ops import BatchMatmul, Conv2d, Dense, DepthwiseConv2d, TransposeConv2d
from intsim.testing import Case, network_of
from tests.contract.cases_contraction import CASES

ISA = chosen()


def fast(bits):
    """The kernel's name for operands of so many bits."""
    return f"int32 ({bits if ISA.bytes else 16}-bit operands, {ISA.name})"


def fast_of(op, signed=True):
    """The kernel's name for an op with 8-bit weights; words where the zero points take them beyond."""
    centred = op.weight.reshape(6, -1).astype(int) - op.weight_zero_point.reshape(-1, 1)
    beyond = centred.min() < -128 or centred.max() > 127
    codes = IntFormat(8, signed)
    beyond |= not codes.min <= op.input_zero_point <= codes.max
    name = fast(16 if beyond else 8)
    return name.replace("amx", "avx512_vnni") if isinstance(op, DepthwiseConv2d) else name


WRAP, SATURATE, TRAP = Overflow.WRAP, Overflow.SATURATE, Overflow.TRAP


def outcome(network, inputs, engine, events, **options):
    try:
        result = run(network, inputs, engine=engine, events=events, **options)
    except OverflowTrap as trap:
        return str(trap)
    return result.outputs["node"].tolist(), dict(result.events)


def same(case, **options):
    """The fast engine's outcome equals the reference's, with and without events; the kernels' names."""
    network = network_of(case)
    inputs = {f"x{i}": x for i, x in enumerate(case.inputs)}
    for events in (False, True):
        expected = outcome(network, inputs, "reference", events)
        assert outcome(network, inputs, "fast", events, **options) == expected
    return [plan(network, events=events).nodes[0].kernel for events in (False, True)]


@pytest.mark.parametrize("name", ["conv2d", "depthwise_conv2d", "dense", "transpose_conv2d", "batch_matmul"])
@given(data=st.data())
def test_drawn_cases(name, data):
    case = data.draw(CASES[name])
    same(case, threads=data.draw(st.integers(1, 3)))


def filled(shape, format, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(format.min, format.max + 1, shape, dtype=np.int64)
    x.flat[:: max(1, x.size // 7)] = rng.choice([format.min, format.max], x.flat[:: max(1, x.size // 7)].size)
    return x


@pytest.mark.parametrize("rows", [1, 2, 3, 33])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("taps", [1, 15, 16, 17, 100])
def test_every_remainder_of_a_matrix_product(rows, channels, taps):
    from intsim.kernels.sums import matmul_rows

    for operand, lane in ((np.int16, np.int32), (np.int16, np.int64), (np.int64, np.int64)):
        format = IntFormat(8 * np.dtype(operand).itemsize)
        a, w = (
            filled((rows, taps), format, 1).astype(operand),
            filled((channels, taps), format, 2).astype(operand),
        )
        start = filled((channels,), IntFormat(8 * np.dtype(lane).itemsize), 3).astype(lane)
        exact = a.astype(object) @ w.astype(object).T + start.astype(object)
        half = 2 ** (8 * np.dtype(lane).itemsize - 1)
        expected = (exact + half) % (2 * half) - half
        out = np.full((rows + 1, channels), 77, lane)
        for begin, end in ((0, rows // 2), (rows // 2, rows)):
            mask = -1 if lane is np.int64 else 2**32 - 1
            matmul_rows(a, w, start, mask, -half, begin, end, out)
        assert out[:rows].tolist() == expected.tolist()
        assert (out[rows] == 77).all()


@pytest.mark.parametrize("bits", [1, 7, 8, 12, 31, 32])
@pytest.mark.parametrize("signed", [True, False])
def test_wrap_is_done_once_and_into_the_narrow_storage(bits, signed):
    format = IntFormat(bits, signed=signed)
    op = Dense(weight=filled((5, 40), IntFormat(8)), bias=-7, accumulator=Accumulator(format))
    kernels = same(Case(op, (TensorSpec((40,), IntFormat(8)),), (filled((3, 40), IntFormat(8), 1),)))
    assert kernels[0] == f"dense {fast(8)}"


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [48, 63, 64])
def test_wide_sums_take_int64_lanes(bits, signed):
    format = IntFormat(bits, signed=signed)
    weight = np.full((2, 3), 2**31 - 1)
    op = Dense(weight=weight, weight_format=IntFormat(32), bias=5, accumulator=Accumulator(format))
    x = filled((4, 3), IntFormat(32), 1)
    kernels = same(Case(op, (TensorSpec((3,), IntFormat(32)),), (x,)))
    assert kernels[0] == "dense int64 (int64 operands)"
    op = Dense(weight=[[-1] * 9], accumulator=Accumulator(format), input_zero_point=3)
    kernels = same(Case(op, (TensorSpec((9,), IntFormat(64)),), (filled((4, 9), IntFormat(60), 1),)))
    assert kernels[0] == "dense int64 (int64 operands)"


GEOMETRIES = {
    "plain": {},
    "padded": {"padding": ((1, 2), (2, 1)), "input_zero_point": -5},
    "strided": {"stride": (2, 3), "padding": ((2, 0), (0, 1)), "input_zero_point": 100},
    "dilated": {"dilation": (2, 3), "padding": ((2, 2), (3, 3)), "stride": (2, 1)},
    "zero points": {"weight_zero_point": [1, -2, 3, 100, -128, 7], "input_zero_point": 9},
}


def convolutions(fields, accumulator):
    """A plain, a grouped, two depthwise convolutions, on one image size."""
    common = {"bias": [1, -2, 3, 300, -5, 0], **GEOMETRIES[fields], "accumulator": accumulator}
    spec = TensorSpec((7, 8, 6), IntFormat(8))
    x = filled((2, 7, 8, 6), IntFormat(8), 4)
    yield Case(Conv2d(weight=filled((6, 3, 2, 6), IntFormat(8)), **common), (spec,), (x,))
    yield Case(Conv2d(weight=filled((6, 3, 2, 3), IntFormat(8)), groups=2, **common), (spec,), (x,))
    yield Case(DepthwiseConv2d(weight=filled((6, 1, 3, 2), IntFormat(8)), **common), (spec,), (x,))
    wide = TensorSpec((7, 8, 3), IntFormat(8, signed=False))
    op = DepthwiseConv2d(weight=filled((3, 2, 3, 2), IntFormat(8)), **common)
    yield Case(op, (wide,), (x[..., :3] + 128,))


@pytest.mark.parametrize("fields", GEOMETRIES)
def test_convolutions_that_cannot_overflow(fields):
    for case in convolutions(fields, Accumulator()):
        for kernel in same(case, threads=2):
            assert kernel == f"{case.op.name} {fast_of(case.op, case.specs[0].format.signed)}"


CHAINS = {
    "wrap": Accumulator(IntFormat(11)),
    "saturate": Accumulator(IntFormat(11), SATURATE, order="chw"),
    "unsigned": Accumulator(IntFormat(12, signed=False), SATURATE, bias=BiasPlace.FIRST),
    "tiles": Accumulator(IntFormat(13), SATURATE, tile=4),
    "wrapping tiles": Accumulator(IntFormat(16), WRAP, tile=5, inner=Accumulator(IntFormat(10))),
    "saturating tiles": Accumulator(IntFormat(16), WRAP, tile=4, inner=Accumulator(IntFormat(10), SATURATE)),
    "three levels": Accumulator(
        IntFormat(12),
        SATURATE,
        tile=10,
        inner=Accumulator(IntFormat(11), WRAP, tile=4, inner=Accumulator(IntFormat(10), SATURATE, tile=3)),
    ),
    "one tile": Accumulator(IntFormat(9), SATURATE, tile=10**6),
    "preload": Accumulator(IntFormat(14), SATURATE, zero_point=ZeroPointPlace.PRELOAD, bias=BiasPlace.FIRST),
    "after": Accumulator(IntFormat(14), SATURATE, zero_point=ZeroPointPlace.AFTER, order="wch"),
    "wide": Accumulator(IntFormat(33), SATURATE, tile=3, inner=Accumulator(IntFormat(9), SATURATE)),
}


@pytest.mark.parametrize("fields", GEOMETRIES)
@pytest.mark.parametrize("chain", CHAINS)
def test_convolutions_that_can_overflow(fields, chain):
    lane = "int64" if chain == "wide" else "int32"
    for case in convolutions(fields, CHAINS[chain]):
        exact, counted = same(case, threads=2)
        assert counted == f"{case.op.name} stepwise {lane}"
        once = f"{case.op.name} {fast_of(case.op, case.specs[0].format.signed)}"
        assert exact == (once if chain == "wrap" else counted)


def test_an_explicit_order():
    places = np.random.default_rng(0).permutation(36)
    for case in convolutions("padded", Accumulator()):
        order = tuple(int(p) for p in places if p < case.op.weight[0].size)
        if isinstance(case.op, Conv2d):
            accumulator = Accumulator(IntFormat(11), SATURATE, order=order)
            assert (
                "stepwise" in same(Case(case.op.replace(accumulator=accumulator), case.specs, case.inputs))[0]
            )


def test_traps_say_what_the_reference_says():
    for case in convolutions("padded", Accumulator(IntFormat(14), TRAP)):
        network = network_of(case)
        message = outcome(network, {"x0": case.inputs[0]}, "reference", False)
        assert "sample 0: register must hold int14" in message
        assert outcome(network, {"x0": case.inputs[0]}, "fast", False) == message
        assert outcome(network, {"x0": case.inputs[0]}, "fast", True) == message


def test_persistent_and_transient_events_are_told_apart():
    # 100 + 100 - 100 leaves int8 on the way only; 100 + 100 + 100 leaves it for good
    op = Dense(weight=[[1, 1, -1], [1, 1, 1], [1, -1, 0]], accumulator=Accumulator(IntFormat(8), SATURATE))
    network = network_of(Case(op, (TensorSpec((3,), IntFormat(8)),), ()))
    x = np.array([[100, 100, 100], [0, 0, 0], [-100, 50, -100]])
    for engine in ("fast", "reference"):
        result = run(network, x, engine=engine, events=True)
        # in sample 2: -100 + 50 + 100, -100 + 50 - 100 and -100 - 50
        assert result.events == {"node": Events([3], [1])}
        assert result.output.tolist() == [[27, 127, 0], [0, 0, 0], [50, -128, -128]]
    inner = Accumulator(IntFormat(16), SATURATE, tile=2, inner=Accumulator(IntFormat(8), WRAP))
    result = run(
        network_of(Case(op.replace(accumulator=inner), (TensorSpec((3,), IntFormat(8)),), ())), x, events=True
    )
    assert result.events == {"node": Events([0, 3], [0, 0])}


def reason(accumulator, events=False, **fields):
    op = Dense(weight=np.full((2, 8), 100), accumulator=accumulator, **fields)
    planned = plan(network_of(Case(op, (TensorSpec((8,), IntFormat(8)),), ())), events=events).nodes[0]
    return planned.kernel, planned.reason


def test_the_plan_says_why():
    assert reason(Accumulator(IntFormat(20), SATURATE)) == (
        f"dense {fast(8)}",
        "every partial sum is in [-102400, 101600], no register overflows, any order is exact [K1]",
    )
    assert reason(Accumulator(IntFormat(12))) == (
        f"dense {fast(8)}",
        "int12 wrap: sums modulo 2**12, wrapped once at the end [K2]",
    )
    assert reason(Accumulator(IntFormat(12)), events=True) == (
        "dense stepwise int32",
        "partial sums can be in [-102400, 101600], beyond int12 wrap: certified at run time,"
        " else stepped in int32 lanes, counting events [K7]",
    )
    assert reason(Accumulator(IntFormat(18), SATURATE, tile=4, inner=Accumulator(IntFormat(9), TRAP))) == (
        "dense stepwise int32",
        "partial sums can be in [-102400, 101600], beyond int9 trap: certified at run time,"
        " else stepped in int32 lanes [K7]",
    )
    tree = Accumulator(IntFormat(12), SATURATE, topology=Topology.TREE)
    kernel, why = reason(tree)
    assert kernel == "dense stepwise int32"
    assert why.startswith("partial sums can be in [-102400, 101600], beyond int12 saturate: certified at ")
    assert reason(tree.replace(overflow=WRAP))[0] == f"dense {fast(8)}"
    assert reason(Accumulator(), input_zero_point=2**40)[1].startswith(
        "the input's zero point 1099511627776 does not fit int32; "
    )


def test_a_register_as_wide_as_int64_is_left_to_the_reference():
    op = Dense(weight=np.full((2, 8), 100), bias=2**62, accumulator=Accumulator(IntFormat(63), SATURATE))
    planned = plan(network_of(Case(op, (TensorSpec((8,), IntFormat(60)),), ()))).nodes[0]
    assert planned.kernel.startswith("reference")
    same(Case(op, (TensorSpec((8,), IntFormat(60)),), (filled((2, 8), IntFormat(60)),)))


@pytest.mark.parametrize(
    ("bits", "weight", "kernel"),
    [
        (30, 50, "stepwise int32"),
        (30, 100, "stepwise int64"),  # 2**29 and 600 * 100 * 2**15 are beyond 2**31
        (31, 50, fast(16)),
        (31, 80, "stepwise int64"),
        (32, 32767, "stepwise int64"),
        (40, 32767, "stepwise int64"),
    ],
)
def test_lanes_hold_a_register_and_what_enters_it(bits, weight, kernel):
    x = np.full((2, 600), 32767)
    x[1] = -32768
    for overflow in (WRAP, SATURATE):
        op = Dense(weight=np.full((1, 600), weight), weight_format=IntFormat(16), bias=-1)
        op = op.replace(accumulator=Accumulator(IntFormat(bits), overflow))
        assert same(Case(op, (TensorSpec((600,), IntFormat(16)),), (x,)))[1] == f"dense {kernel}"


def test_read_only_strided_and_foreign_inputs():
    op = Dense(weight=filled((3, 8), IntFormat(8)))
    network = network_of(Case(op, (TensorSpec((8,), IntFormat(8)),), ()))
    x = filled((4, 16), IntFormat(8))[:, ::2]
    expected = run(network, x, engine="exact").output.tolist()
    frozen = x.astype(np.int8)
    frozen.flags.writeable = False
    for given_ in (
        x,
        frozen,
        x.astype(">i4"),
        np.asfortranarray(x.astype(np.int8)),
        x.astype(np.int8)[::-1][::-1],
    ):
        assert run(network, given_).output.tolist() == expected


def test_matrices_that_are_both_computed():
    spec = TensorSpec((2, 5, 17), IntFormat(8)), TensorSpec((17, 6), IntFormat(8))
    x, y = filled((3, 2, 5, 17), IntFormat(8)), filled((3, 17, 6), IntFormat(8), 1)
    fields = {"x_zero_point": -128, "y_zero_point": 127}
    exact, counted = same(Case(BatchMatmul(**fields), spec, (x, y)), threads=3)
    assert exact == counted == f"batch_matmul {fast(16)}"
    narrow = BatchMatmul(**fields, accumulator=Accumulator(IntFormat(12)))
    exact, counted = same(Case(narrow, spec, (x, y)))
    assert (exact, counted) == (f"batch_matmul {fast(16)}", "batch_matmul stepwise int32")
    wide = TensorSpec((5, 17), IntFormat(32)), TensorSpec((6, 17), IntFormat(16))
    op = BatchMatmul(transpose_y=True, accumulator=Accumulator(IntFormat(48, signed=False)))
    case = Case(op, wide, (filled((1, 5, 17), IntFormat(32)), filled((1, 6, 17), IntFormat(16))))
    assert same(case)[0] == "batch_matmul int64 (int64 operands)"


def test_a_transposed_convolution_meets_its_taps_backwards():
    op = TransposeConv2d(
        weight=filled((4, 3, 2, 3), IntFormat(8)),
        output_size=(9, 10),
        stride=(2, 3),
        offset=(1, 0),
        groups=2,
        input_zero_point=-130,
        accumulator=Accumulator(IntFormat(11), SATURATE, order="chw"),
    )
    case = Case(op, (TensorSpec((4, 3, 6), IntFormat(8)),), (filled((2, 4, 3, 6), IntFormat(8)),))
    assert same(case)[0] == "transpose_conv2d stepwise int32"
    wide = Case(op.replace(accumulator=Accumulator()), case.specs, case.inputs)
    assert same(wide)[0] == "transpose_conv2d int32 (int16 operands)"
