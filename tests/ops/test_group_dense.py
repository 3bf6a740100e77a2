"""Layers with scales of groups: real packings, VS-Quant, QServe, what is proved of them, and int16 lanes."""

from fractions import Fraction

import numpy as np
import pytest

from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Interval,
    Overflow,
    Register,
    Requantization,
    Rounding,
    ShiftRight,
    ZeroPointPlace,
)
from intsim.engine import plan, run
from intsim.errors import SpecError
from intsim.formats import IntFormat, TensorSpec, pack, unpack
from intsim.formats.packings import PACKINGS
from intsim.formats.table import named
from intsim.network import NetworkBuilder
from intsim.ops import Dense, GroupDense, GroupScales
from intsim.verify.certificate import certificate
from intsim.verify.narrowest import datapath_of, narrowest
from intsim.verify.prove import prove

ENGINES = ("fast", "reference", "exact")
WIDE = Accumulator(IntFormat(64))


def network_of(op, *shapes):
    builder = NetworkBuilder()
    names = [builder.input(f"x{i}", shape, format) for i, (shape, format) in enumerate(shapes)]
    builder.output(builder.add(op, *names, name="y"))
    return builder.build()


def everywhere(network, *inputs):
    """The output of every engine, which is one, and the events of all."""
    given = {f"x{i}": x for i, x in enumerate(inputs)}
    found = [run(network, given, engine=engine, events=True) for engine in ENGINES]
    for other in found[1:]:
        assert np.array_equal(found[0].outputs["y"], other.outputs["y"])
        assert found[0].events == other.events
    quiet = run(network, given).outputs["y"]
    assert np.array_equal(quiet, found[0].outputs["y"])
    return found[0].outputs["y"]


# --- what is in files ---


@pytest.mark.parametrize("name", ["gptq", "gptq-v2", "awq"])
def test_groups_of_packed_checkpoints(name):
    """Nibbles and zero points as the checkpoint packs them, float16 scales in units of 2**-24: all exact."""
    format = named(name).format
    (level,) = format.levels
    random = np.random.default_rng(len(name))
    depth, channels = 256, 16
    codes, zeros = random.integers(0, 16, (depth, channels)), random.integers(0, 16, (2, channels))
    halves = (random.random((2, channels)) * 0.02).astype(np.float16)
    along_depth = name.startswith("gptq")  # AWQ packs neighbours of the output
    lines = codes.T if along_depth else codes
    stored = pack(lines, format.packing)
    stored_zeros = pack(zeros, format.packing)

    read = unpack(stored, format.packing, lines.shape[-1])
    weight = read if along_depth else read.T
    zero = level.zero.entries_of(unpack(stored_zeros, format.packing, channels)).T
    scale = level.scale.decode(halves.view(np.uint16)).integers(-24).T
    op = GroupDense(
        weight,
        scale,
        level.size,
        zero,
        scale_format=IntFormat(32, signed=False),
        zero_format=level.zero,
        accumulator=WIDE,
    )
    x = random.integers(-128, 128, (3, depth))
    expected = []
    for row in x.tolist():
        for channel in range(channels):
            total = Fraction(0)
            for c, value in enumerate(row):
                taken = int(zeros[c // 128, channel]) + (name == "gptq")
                weight_value = Fraction(float(halves[c // 128, channel])) * (int(codes[c, channel]) - taken)
                total += weight_value * value
            expected.append(total * 2**24)
    assert everywhere(network_of(op, ((depth,), IntFormat(8))), x).ravel().tolist() == expected
    assert named(name).format.packing == PACKINGS["gptq" if along_depth else "awq"].packing


def test_progressive_groups_of_qserve():
    """q * s2 - z in 8 bits, then one product of int8 matrices."""
    format = named("qserve").format
    level = format.levels[0]
    random = np.random.default_rng(2)
    weight, scale = random.integers(0, 16, (8, 256)), random.integers(1, 17, (8, 2))
    offset = scale * random.integers(4, 9, (8, 2))
    op = GroupDense(
        format.element.entries_of(weight),
        scale,
        level.size,
        offset=level.offset.entries_of(offset),
        scales=GroupScales.WEIGHT,
        weight_register=Register(IntFormat(8), Overflow.SATURATE),
    )
    x = random.integers(-128, 128, (5, 256))
    made = weight * scale.repeat(128, axis=1) - offset.repeat(128, axis=1)
    clamped = np.clip(made, -128, 127)
    assert (made != clamped).any()
    network = network_of(op, ((256,), IntFormat(8)))
    assert np.array_equal(everywhere(network, x), x @ clamped.T)
    assert plan(network).steps[0].reason.startswith("scales multiplied into weights [V3]")
    dense = Dense(clamped, IntFormat(8)).bounds([TensorSpec((256,), IntFormat(8))], [Interval(-128, 127)])
    assert op.bounds([TensorSpec((256,), IntFormat(8))], [Interval(-128, 127)]).final == dense.final


@pytest.mark.parametrize("bits", [0, 3])
def test_vs_quant_rows_in_int64(bits):
    """Both sides with integer scales; their product exact, or cut to fewer bits, a tie to even."""
    random = np.random.default_rng(bits)
    x, s = random.integers(-7, 8, (6, 100)), random.integers(0, 16, (6, 7))
    w, t = random.integers(-7, 8, (5, 100)), random.integers(0, 16, (5, 7))
    rule = Requantization(
        (ShiftRight(bits=bits, rounding=Rounding.HALF_EVEN),), IntFormat(8 - bits, signed=False)
    )
    op = GroupDense(
        w,
        t,
        16,
        weight_format=IntFormat(4),
        scale_format=IntFormat(4, signed=False),
        scale_product=rule if bits else None,
        bias=np.arange(5),
    )
    total = np.zeros((6, 5), np.int64) + np.arange(5)
    for i in range(7):
        part = slice(16 * i, 16 * i + 16)
        product = s[:, i : i + 1] * t[:, i]
        total += (x[:, part] @ w[:, part].T) * np.rint(product / 2**bits).astype(np.int64)
    network = network_of(op, ((100,), IntFormat(4)), ((7,), IntFormat(4, signed=False)))
    assert np.array_equal(everywhere(network, x, s), total)
    assert plan(network).steps[0].kernel == "group product float64"


def test_scaled_weights_beyond_32_bits_are_scaled_after_their_sums():
    """As files with float scales give them: 30 bits of scale, and weights of either sign."""
    random = np.random.default_rng(3)
    weight, zero = random.integers(0, 16, (3, 40)), random.integers(0, 16, (3, 3))
    scale = random.integers(2**29, 2**30, (3, 3))
    op = GroupDense(
        weight,
        scale,
        16,
        zero,
        scale_format=IntFormat(30, signed=False),
        input_zero_point=5,
        accumulator=WIDE,
    )
    network = network_of(op, ((40,), IntFormat(8)))
    x = random.integers(-128, 128, (4, 40))
    parts = [(x[:, i : i + 16] - 5) @ (weight[:, i : i + 16] - zero[:, i // 16, None]).T for i in (0, 16, 32)]
    assert np.array_equal(everywhere(network, x), sum(part * scale[:, g] for g, part in enumerate(parts)))
    assert plan(network).steps[0].kernel == "group product float64"


@pytest.mark.parametrize(("bits", "kernel"), [(23, "group product float64"), (24, "reference int64")])
def test_groups_are_summed_in_float64_only_where_it_is_exact(bits, kernel):
    """With 24 bits sums of a group are odd numbers of 54 bits."""
    large, top = 2**30 - 1, 2 ** (bits - 1) - 1
    op = GroupDense(
        [[large, large, 1]], [[8]], 3, weight_format=IntFormat(31), zero_format=IntFormat(1), accumulator=WIDE
    )
    network = network_of(op, ((3,), IntFormat(bits)))
    x = np.array([[top, top, 1], [-top, -top, 1], [top, top - 1, 0]])
    exact = [8 * (large * (a + b) + c) for a, b, c in x.tolist()]
    assert everywhere(network, x).ravel().tolist() == exact
    assert plan(network).steps[0].kernel == kernel


# --- registers ---


def stepped(register, group):
    """A network of two groups whose registers are those."""
    weight, scale = [[15, 15, 15, 15], [1, 0, 0, 1]], [[100, 1], [3, 2]]
    return network_of(GroupDense(weight, scale, group, accumulator=register), ((4,), IntFormat(8)))


def test_a_register_for_every_group():
    """The register of a group saturates before the scale; two levels of events."""
    inner = Accumulator(IntFormat(10), Overflow.SATURATE)
    network = stepped(Accumulator(IntFormat(32), tile=2, inner=inner), 2)
    x = np.array([[127, 127, -128, 1], [0, 34, 0, 0]])
    assert everywhere(network, x).tolist() == [[511 * 100 - 512 + 15, 127 * 3 + 2], [510 * 100, 0]]
    events = run(network, x, events=True).events["y"]
    assert (events.persistent, events.transient) == ([0, 2], [0, 0])


def test_what_is_proved():
    inner = Accumulator(IntFormat(13), Overflow.SATURATE)
    network = stepped(Accumulator(IntFormat(20), Overflow.SATURATE, tile=2, inner=inner), 2)
    (node,) = prove(network).nodes
    assert node.verdicts == ("proved", "proved")
    assert [int(entry.needed[0]) for entry in node.registers] == [20, 13]
    small = inner.replace(format=IntFormat(12))
    network = stepped(Accumulator(IntFormat(20), Overflow.SATURATE, tile=2, inner=small), 2)
    (node,) = prove(network).nodes
    assert node.verdicts == ("witnessed", "proved")
    found = certificate(prove(network), "0" * 64)
    assert found["proved"] is False
    assert found["nodes"]["y"]["registers"] is None


def test_scales_in_the_weights_leave_the_register_on_the_way():
    """15 * (a + 1000) - 15 * (b + 1000) is small; what a dense layer adds first is not, and saturates."""
    op = GroupDense(
        [[15, -15, 1, 2]],
        [[1, 1]],
        2,
        weight_format=IntFormat(6),
        input_zero_point=-1000,
        accumulator=Accumulator(IntFormat(14), Overflow.SATURATE),
    )
    network = network_of(op, ((4,), IntFormat(8)))
    assert prove(network).proved
    assert plan(network, events=True).steps[0].reason.startswith("scales multiplied into weights [V1]")
    x = np.array([[127, -128, 127, 127], [-128, 127, -128, -128]])
    assert everywhere(network, x).ravel().tolist() == [15 * 255 + 3 * 1127, -15 * 255 + 3 * 872]


def test_the_narrowest_registers_are_tight():
    """One bit less, and an input of the layer shows it."""
    network = stepped(Accumulator(IntFormat(40), tile=2, inner=Accumulator(IntFormat(40))), 2)
    (found,) = narrowest(network)
    assert [max(bits) for bits in found.needed] == [20, 13]
    exact = run(network, worst := np.array([[-128, -128, -128, -128]])).outputs["y"]
    narrow = network.with_datapath(datapath_of((found,)))
    assert np.array_equal(run(narrow, worst).outputs["y"], exact)
    for level in range(2):
        made = found.after
        if level:
            made = made.replace(inner=made.inner.replace(format=IntFormat(12)))
        else:
            made = made.replace(format=IntFormat(19))
        smaller = network.replace(
            nodes=(network.nodes[0].replace(op=network.nodes[0].op.replace(accumulator=made)),)
        )
        assert not np.array_equal(run(smaller, worst).outputs["y"], exact)


def test_groups_inside_tiles_inside_registers():
    """Two groups of 3 in 12 bits, in a register of 16; in each group, pairs in 9 bits."""
    pair = Accumulator(IntFormat(9), Overflow.SATURATE)
    group = Accumulator(IntFormat(12), Overflow.SATURATE, tile=3, inner=pair)
    register = Accumulator(IntFormat(16), Overflow.SATURATE, tile=6, inner=group, bias=BiasPlace.FIRST)
    weight = np.full((1, 9), 15)
    op = GroupDense(weight, [[5, 5, 1]], 3, accumulator=register, bias=100)
    x = np.array([[20, 20, -100, 7, 7, 7, 127, 127, 127]])
    first = -256  # 300 saturates at 255, so does 255 + 300; 255 - 1500 is below
    second = third = 255  # 105 * 3 and 1905 * 3
    assert everywhere(network_of(op, ((9,), IntFormat(8))), x).tolist() == [
        [100 + (first * 5 + second * 5) + third]
    ]


@pytest.mark.parametrize("place", ZeroPointPlace)
def test_zero_points_in_a_groups_register(place):
    register = Accumulator(
        IntFormat(32), tile=2, inner=Accumulator(IntFormat(10), Overflow.SATURATE), zero_point=place
    )
    op = GroupDense([[15, 1]], [[2]], 2, [[15]], accumulator=register)
    found = everywhere(network_of(op, ((2,), IntFormat(8))), np.array([[127, -100]]))
    assert found.item() == {"SUBTRACT": 511, "PRELOAD": 511 - 100, "AFTER": 411 - 405}[place.name] * 2


# --- int16 lanes of an AVX2 kernel ---


def lanes(depth):
    """bitnet.cpp's order: 16 lanes of int16, each fed two neighbours of four fields in every 128 codes."""
    places = [
        128 * step + 32 * field + 2 * lane + byte
        for lane in range(16)
        for step in range(depth // 128)
        for field in range(4)
        for byte in range(2)
    ]
    return tuple(places)


@pytest.mark.parametrize("value", [127, 1])
def test_bitnet_avx2_sums_wrap_in_int16(value):
    """32 times 4 sums of two products up to 254 are added in int16 lanes: 65,024 becomes -512."""
    depth = 4096
    pairs = Accumulator(IntFormat(16), Overflow.SATURATE)  # maddubs
    lane = Accumulator(IntFormat(16), Overflow.WRAP, tile=2, inner=pairs)
    kernel = Accumulator(
        IntFormat(32), order=lanes(depth), tile=256, inner=lane, zero_point=ZeroPointPlace.AFTER
    )
    codes = np.full((1, depth), 2)  # trits as 0, 1 and 2: all of them +1
    op = Dense(codes, IntFormat(2, signed=False), weight_zero_point=1, accumulator=kernel)
    network = network_of(op, ((depth,), IntFormat(8)))
    found = everywhere(network, np.full((1, depth), value))
    right = value * depth
    assert found.item() == (16 * -512 - right if value == 127 else right)
    if value == 127:
        assert 2 * right - 16 * 65024 == 0
        assert np.array(65024).astype(np.int16) == -512
    proof = prove(network, witnesses=False)
    assert not proof.proved
    assert int(proof.nodes[0].registers[1].range.final.max) == 65024


def test_bitnet_avx2_sums_against_numpy_int16():
    random = np.random.default_rng(0)
    depth = 4096
    lane = Accumulator(IntFormat(16), tile=2, inner=Accumulator(IntFormat(16), Overflow.SATURATE))
    kernel = Accumulator(
        IntFormat(32), order=lanes(depth), tile=256, inner=lane, zero_point=ZeroPointPlace.AFTER
    )
    codes, x = random.integers(1, 3, (3, depth)), random.integers(90, 128, (2, depth))
    op = Dense(codes, IntFormat(2, signed=False), weight_zero_point=1, accumulator=kernel)
    products = (codes[None] * x[:, None])[..., list(lanes(depth))].reshape(2, 3, 16, 128, 2)
    held = products.sum(axis=-1).astype(np.int16)
    with np.errstate(over="ignore"):
        added = np.add.reduce(held, axis=-1, dtype=np.int16)
    expected = added.astype(np.int32).sum(axis=-1) - x.sum(axis=-1)[:, None]
    found = everywhere(network_of(op, ((depth,), IntFormat(8))), x)
    assert np.array_equal(found, expected)
    assert (found != x @ (codes - 1).T).any()


# --- refusals ---

REFUSED = [
    ({"group": 0}, "group_dense.group: must be at least 1, not 0. [R1]"),
    ({"scale": [[1]]}, "group_dense.scale: must be of shape (1, 2), not (1, 1). [R2]"),
    ({"zero": [1]}, "group_dense.zero: must be one or of shape (1, 2), not (1,). [R2]"),
    ({"zero": 16}, "group_dense.zero: values must fit uint4 (0 to 15), not 16 at (). [R2]"),
    ({"offset": 1}, "group_dense.offset: must be 0 where scales multiply sums. [R3]"),
    (
        {"weight_register": Register(IntFormat(8))},
        "group_dense.weight_register: must be absent where scales multiply sums. [R3]",
    ),
    (
        {"scales": "weight", "scale_product": Requantization((), IntFormat(8))},
        "group_dense.scale_product: must be absent where scales multiply weights. [R4]",
    ),
    (
        {"scale_product": Requantization((ShiftRight(bits=[1, 2]),), IntFormat(8))},
        "group_dense.scale_product: must hold one value for all channels. [R3]",
    ),
    (
        {"accumulator": Accumulator(tile=3)},
        "group_dense.accumulator.tile: must be the group, 2, or a multiple around it, not 3. [U1]",
    ),
    (
        {"accumulator": Accumulator(tile=4)},
        "group_dense.accumulator.tile: must be the group, 2, in some level, not 4 in the last. [U1]",
    ),
    (
        {"accumulator": Accumulator(order=(3, 2, 1, 0))},
        "group_dense.accumulator.order: must name axes, so that no term leaves its group. [U3]",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_refused(fields, message):
    with pytest.raises(SpecError) as caught:
        GroupDense(**{"weight": [[1, 2, 3, 4]], "scale": [[1, 2]], "group": 2, **fields})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("scales", "shapes", "message"),
    [
        ("sum", [(5,)], "input must have 4 elements on its last axis, not shape (5,). [R1]"),
        ("sum", [(4,), (3,)], "scales must be of shape (2,), not (3,). [R1]"),
        ("weight", [(4,), (2,)], "inputs must be one where scales multiply weights. [R4]"),
    ],
)
def test_refused_inputs(scales, shapes, message):
    op = GroupDense([[1, 2, 3, 4]], [[1, 2]], 2, scales=scales)
    with pytest.raises(SpecError) as caught:
        op.infer(*(TensorSpec(shape, IntFormat(8)) for shape in shapes))
    assert str(caught.value) == f"group_dense: {message}"
