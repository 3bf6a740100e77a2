"""Blocks: scales and elements as gfloat and ml_dtypes have them, and where they are known to go wrong."""

from fractions import Fraction

import gfloat
import gfloat.formats as g
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Rounding
from intsim.arithmetic.encode import Beyond, encode
from intsim.arithmetic.encode_blocks import encode_blocks, encode_elements
from intsim.arithmetic.scale_mode import ScaleMode
from intsim.errors import InputError, SpecError
from intsim.formats.block import BlockFormat, BlockSpecials, Level
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.codebook import Codebook
from intsim.formats.dyadic import Kind
from intsim.formats.element import largest
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import BINARY16
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E4M3, FORMATS

MX = {
    "mxfp8-e5m2": g.format_info_mxfp8_e5m2,
    "mxfp8-e4m3": g.format_info_mxfp8_e4m3,
    "mxfp6-e3m2": g.format_info_mxfp6_e3m2,
    "mxfp6-e2m3": g.format_info_mxfp6_e2m3,
    "mxfp4": g.format_info_mxfp4_e2m1,
    "mxint8": g.format_info_mxint8,
}
BELOW_8 = np.nextafter(np.float32(8), np.float32(0))


def block(name):
    return FORMATS[name].format


def scale(name, values, mode=ScaleMode.FLOOR, **options):
    """The code of the scale of one block."""
    return int(encode_blocks(block(name), np.asarray(values, float), mode, **options).levels[0].scale[0])


@pytest.mark.parametrize("name", MX)
def test_blocks_as_gfloat_quantizes_them(name):
    format = block(name).replace(symmetric=False) if name == "mxint8" else block(name)
    random = np.random.default_rng(len(name))
    rows = random.standard_normal((40, 32)) * np.exp(10 * random.standard_normal((40, 1)))
    rows[0], rows[1] = 0, np.round(rows[1] / rows[1].max() * 16) / 16
    rows[2] *= 2.0**-130
    expected = [gfloat.quantize_block(MX[name], row, gfloat.compute_scale_amax) for row in rows]
    found = encode_blocks(format, rows).values().floats()
    assert (found == np.array(expected)).all()


@given(st.data())
def test_scales_by_fractions(data):
    """Each mode by its definition, in fractions: smallest power, largest power, rounded magnitude."""
    name = data.draw(st.sampled_from(sorted(MX)))
    element = block(name).element
    amax = data.draw(st.floats(2.0**-100, 2.0**100) | st.integers(-99, 99).map(lambda e: 2.0**e))
    if data.draw(st.booleans()):
        amax = float(np.nextafter(amax, data.draw(st.sampled_from([0.0, np.inf]))))
    exact, most = Fraction(amax), largest(element).fractions()[0]
    emax = max(e for e in range(-10, 20) if Fraction(2) ** e <= most)
    floor = max(e for e in range(-130, 130) if Fraction(2) ** e <= exact)
    bits = int(largest(element).significand).bit_length() - 1
    unit = Fraction(2) ** (floor - bits)
    evened = (exact + unit / 2) // unit * unit
    expected = {
        ScaleMode.FLOOR: floor - emax,
        ScaleMode.CEIL: min(e for e in range(-130, 130) if exact <= Fraction(2) ** e) - emax,
        ScaleMode.RCEIL: min(e for e in range(-130, 130) if exact <= most * Fraction(2) ** e),
        ScaleMode.EVEN: max(e for e in range(-130, 130) if Fraction(2) ** e <= evened) - emax,
    }
    for mode, exponent in expected.items():
        assert scale(name, [0, -amax, amax / 3], mode) == exponent + 127, mode


def test_below_a_power_of_two_the_exponent_is_the_lower_one():
    """floor(log2(x)) in float32 is 3 for the neighbour below 8; gfloat given float32 doubles the scale."""
    values = np.float32([BELOW_8, 3, 1.5, 0.75, 0.3, -0.26])
    assert np.floor(np.log2(BELOW_8)) == 3
    wrong = gfloat.quantize_block(MX["mxfp4"], values, gfloat.compute_scale_amax)
    assert wrong.tolist() == [8, 3, 2, 1, 0, 0]
    blocks = encode_blocks(block("mxfp4"), values)
    assert blocks.levels[0].scale.tolist() == [127]
    assert blocks.values().floats().tolist() == [6, 3, 1.5, 1, 0.5, -0.5]


@pytest.mark.parametrize("exponent", [-44, 3, 8, 10, 50, 100])
def test_no_ulp_below_a_power_of_two_is_taken_for_it(exponent):
    power = np.float32(2.0**exponent)
    values = [power]
    for _ in range(50):
        values.append(np.nextafter(values[-1], np.float32(0)))
    codes = encode_blocks(block("mxfp4"), np.float32(values)[:, None]).levels[0].scale.ravel() - 127 + 2
    assert codes.tolist() == [exponent] + [exponent - 1] * 50


def test_minus_two_in_mxint8():
    """gfloat writes -1.9999 as -2.0, the code that microxcaling and intsim leave out. Both read it."""
    values = np.array([-1.9999, 0.5])
    assert gfloat.quantize_block(MX["mxint8"], values, gfloat.compute_scale_amax).tolist() == [-2.0, 0.5]
    assert encode_blocks(block("mxint8"), values).values().floats().tolist() == [-127 / 64, 0.5]
    full = encode_blocks(block("mxint8").replace(symmetric=False), values)
    assert (full.elements.tolist(), full.values().floats().tolist()) == ([0x80, 0x20], [-2.0, 0.5])


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([7.0], [127, 128, 128, 128]),
        ([6.0], [127, 128, 127, 127]),
        ([6.99], [127, 128, 128, 127]),  # a half of E2M1's last place: 7 = 1.75 * 4
        ([4.0], [127, 127, 127, 127]),
        ([0.0, -0.0], [0, 0, 0, 0]),
        ([2.0**-140], [0, 0, 0, 0]),
        ([2.0**129], [254, 254, 254, 254]),
        ([1.5 * 2.0**129, 1.0], [254, 254, 254, 254]),
        ([1.75 * 2.0**129], [254, 254, 254, 254]),
    ],
)
def test_scale_modes_and_the_ends_of_the_scale(values, codes):
    assert [scale("mxfp4", values, mode) for mode in ScaleMode] == codes


def test_a_scale_above_the_largest_is_nan_if_asked():
    assert scale("mxfp4", [1.75 * 2.0**129], ScaleMode.RCEIL, beyond=Beyond.SPECIAL) == 0xFF
    with pytest.raises(InputError, match=r"^values must be within the format, not 1 \* 2\*\*128 at \(0,\)$"):
        scale("mxfp4", [1.75 * 2.0**129], ScaleMode.RCEIL, beyond=Beyond.TRAP)


def test_scale_codes_00_fe_ff():
    elements = np.array([[0x7, 0x1, 0x8]] * 3)
    blocks = Blocks(block("mxfp4"), elements, (Shared(np.array([[0x00], [0xFE], [0xFF]])),))
    values = blocks.values()
    assert values[0].fractions() == [Fraction(6, 2**127), Fraction(1, 2**128), 0]
    assert values[1].fractions()[:2] == [6 * 2**127, 2**126]
    assert (values[2].kind == Kind.NAN).all()
    assert values[0].negative.tolist() == [False, False, True]


def test_nan_and_infinite_elements_leave_their_neighbours():
    blocks = Blocks(block("mxfp8-e5m2"), np.array([0x7C, 0x7D, 0x3C, 0xFC]), (Shared(np.array([128])),))
    assert [str(value) for value in blocks.values().floats()] == ["inf", "nan", "2.0", "-inf"]


def test_all_zero_blocks_keep_the_signs():
    blocks = encode_blocks(block("mxfp4"), np.array([0.0, -0.0]))
    assert (blocks.levels[0].scale.tolist(), blocks.elements.tolist()) == ([0], [0, 8])


def test_what_becomes_of_nan_and_infinity():
    values = np.array([[1.0, np.inf, 3.0], [1.0, 2.0, 3.0], [-np.inf, 4.0, np.nan]])
    with pytest.raises(InputError, match=r"^values must be finite, not infinity at \(0, 1\)$"):
        encode_blocks(block("mxfp8-e5m2"), values)
    nan = encode_blocks(block("mxfp8-e5m2").replace(specials=BlockSpecials.NAN_SCALE), values)
    assert nan.levels[0].scale.tolist() == [[0xFF], [113], [0xFF]]
    assert np.isnan(nan.values().floats()).all(axis=1).tolist() == [True, False, True]
    alone = encode_blocks(block("mxfp8-e5m2").replace(specials=BlockSpecials.ELEMENTS), values)
    assert str(alone.values().floats().tolist()) == "[[1.0, inf, 3.0], [1.0, 2.0, 3.0], [-inf, 4.0, nan]]"
    with pytest.raises(InputError, match="values must have a code, and NaN and infinity have none"):
        encode_blocks(block("mxfp4").replace(specials=BlockSpecials.ELEMENTS), values)


def test_floor_saturates_and_rceil_does_not():
    values = np.array([7.9, -7.9, 1.0])
    assert encode_blocks(block("mxfp4"), values).values().floats().tolist() == [6, -6, 1]
    found = encode_blocks(block("mxfp4"), values, ScaleMode.RCEIL).values().floats()
    assert found.tolist() == [8, -8, 1]


def micro(values, mantissa_bits):
    """MX9, MX6 and MX4 in fractions, pair by pair: exponent, shifts and codes."""
    exponents = [
        -127 if v == 0 else max(e for e in range(-127, 128) if Fraction(2) ** e <= abs(v)) for v in values
    ]
    shared = max(exponents)
    shifts = [min(shared - max(exponents[i : i + 2]), 1) for i in range(0, len(values), 2)]
    top, codes = 2**mantissa_bits - 1, []
    for i, value in enumerate(values):
        step = Fraction(2) ** (shared - shifts[i // 2] - mantissa_bits + 1)
        codes.append(max(-top, min(top, round(Fraction(value) / step))))
    return shared, shifts, codes


@given(st.sampled_from([("mx9", 7), ("mx6", 4), ("mx4", 2)]), st.integers(0, 2**32), st.booleans())
def test_shared_microexponents(case, seed, tied):
    name, mantissa_bits = case
    random = np.random.default_rng(seed)
    values = random.standard_normal(16) * 2.0 ** random.integers(-4, 3, 16)
    if tied:
        values = np.round(values * 16) / 16
    blocks = encode_blocks(block(name), values)
    shared, shifts, codes = micro([Fraction(v) for v in values], mantissa_bits)
    assert blocks.levels[1].scale.tolist() == [shared + 127]
    assert blocks.levels[0].scale.tolist() == shifts
    signs = np.where(blocks.elements >> mantissa_bits, -1, 1)
    assert (signs * (blocks.elements & (2**mantissa_bits - 1))).tolist() == codes
    exact = [c * Fraction(2) ** (shared - shifts[i // 2] - mantissa_bits + 1) for i, c in enumerate(codes)]
    assert blocks.values().fractions() == exact


def test_nvfp4_as_fractions_and_ml_dtypes_have_it():
    random = np.random.default_rng(4)
    values = random.standard_normal((5, 48)).astype(np.float32) * np.exp(
        3 * random.standard_normal((5, 1))
    ).astype(np.float32)
    values[0, :16] = 0
    blocks = encode_blocks(block("nvfp4"), values)
    inner, outer = blocks.levels
    whole = float(block("nvfp4").levels[1].scale.decode(outer.scale).floats()[0, 0])
    assert whole == np.float32(np.float64(np.abs(values).max()) / 2688)
    for row, codes, scales in zip(values, blocks.elements, inner.scale, strict=True):
        for start, code in zip(range(0, 48, 16), scales, strict=True):
            part = [Fraction(float(v)) for v in row[start : start + 16]]
            wanted = max(map(abs, part)) / (6 * Fraction(whole))
            exact = float(wanted)  # a double is near enough: no middle of E4M3 is that close
            assert np.float32(exact).astype(ml_dtypes.float8_e4m3fn).view(np.uint8) == code
            unit = Fraction(float(E4M3.decode(int(code)).floats())) * Fraction(whole)
            for value, element in zip(part, codes[start : start + 16], strict=True):
                ratio = np.float32(float(value / unit)) if unit else np.float32(0)
                if value < 0 and not unit:
                    continue
                assert ratio.astype(ml_dtypes.float4_e2m1fn).view(np.uint8) == element


def test_nvfp4_of_nothing_but_zeros():
    blocks = encode_blocks(block("nvfp4"), np.zeros((2, 20)))
    assert blocks.levels[0].scale.tolist() == [[0, 0], [0, 0]]
    assert block("nvfp4").levels[1].scale.decode(blocks.levels[1].scale).floats().tolist() == [[1.0]]
    assert not blocks.values().floats().any()


def test_vs_quant_has_whole_scales_under_one_of_the_channel():
    values = np.random.default_rng(5).standard_normal((3, 40))
    blocks = encode_blocks(block("vs-quant"), values, per_row=True)
    inner, outer = blocks.levels
    assert (inner.scale.shape, outer.scale.shape) == ((3, 3), (3, 1))
    assert inner.scale.max(axis=1).tolist() == [15, 15, 15]
    q = np.where(blocks.elements > 7, blocks.elements - 16, blocks.elements)
    assert (np.abs(q) <= 7).all()
    channel = BINARY16.decode(outer.scale).fractions()
    for row in range(3):
        exact = [int(q[row, i]) * int(inner.scale[row, i // 16]) * channel[row] for i in range(40)]
        assert blocks.values()[row].fractions() == exact


def test_group_scales_of_gptq_awq_and_qserve():
    """s * (q - z) with z kept less 1 or as it is; q * s2 - z under s1."""
    half = int(encode(BINARY16, 0.5))
    q, z, s = np.arange(16)[None], np.array([[7]]), np.array([[half]])
    v2 = Blocks(block("gptq-v2"), q, (Shared(s, zero=z),))
    assert v2.values().floats().tolist() == [[(i - 7) / 2 for i in range(16)]]
    assert (Blocks(block("awq"), q, v2.levels).values().floats() == v2.values().floats()).all()
    v1 = Blocks(block("gptq"), q, (Shared(s, zero=z - 1),))
    assert (v1.values().floats() == v2.values().floats()).all()
    levels = (Shared(np.array([[9]]), offset=np.array([[60]])), Shared(s))
    qserve = Blocks(block("qserve"), q, levels)
    assert qserve.values().floats().tolist() == [[(9 * i - 60) / 2 for i in range(16)]]
    for blocks in (v1, v2, qserve):
        again = encode_elements(blocks.format, blocks.values(), blocks.levels)
        assert (again.elements == blocks.elements).all()
    far = encode_elements(v2.format, np.array([[-1e9, 0.26, 1e9]]), v2.levels)
    assert far.elements.tolist() == [[0, 8, 15]]


def test_q4_k_elements_under_given_scales():
    format = block("q4_k")
    d, m = int(encode(BINARY16, 0.01)), int(encode(BINARY16, 0.02))
    inner = Shared(np.array([[40] * 8]), offset=np.array([[11] * 8]))
    levels = (inner, Shared(np.array([[d]]), offset_scale=np.array([[m]])))
    blocks = Blocks(format, np.arange(256)[None] % 16, levels)
    exact_d, exact_m = (BINARY16.decode(code).fractions()[0] for code in (d, m))
    assert blocks.values().fractions() == [40 * (i % 16) * exact_d - 11 * exact_m for i in range(256)]
    assert (encode_elements(format, blocks.values(), levels).elements == blocks.elements).all()


def test_codebooks_under_a_scale():
    format = BlockFormat(Codebook([-8, -1, 0, 3]), (Level(2, E8M0),))
    blocks = encode_elements(format, np.array([1.6, -4.4, 40]), (Shared(np.array([126, 130])),))
    assert blocks.elements.tolist() == [3, 0, 3]
    assert blocks.values().floats().tolist() == [1.5, -4, 24]


def test_a_short_last_block_counts_as_filled_with_zeros():
    values = np.random.default_rng(6).standard_normal(70)
    short = encode_blocks(block("mxfp6-e2m3"), values)
    filled = encode_blocks(block("mxfp6-e2m3"), np.pad(values, (0, 26)))
    assert (short.elements == filled.elements[:70]).all()
    assert (short.levels[0].scale == filled.levels[0].scale).all()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: encode_blocks(block("mxfp4"), 1.0), "values must have an axis that blocks run along"),
        (lambda: encode_blocks(block("mxfp4"), np.zeros((2, 0))), "values must not be empty"),
        (
            lambda: encode_blocks(block("gptq"), np.ones(4)),
            "format must not have zeros or offsets for its scales to follow from the values",
        ),
        (
            lambda: encode_blocks(block("q8_0"), np.ones(4)),
            "format must have scales that follow from the values",
        ),
        (
            lambda: encode_blocks(block("mx9"), np.ones(4), ScaleMode.CEIL),
            "format must have scales that follow from the values",
        ),
        (
            lambda: Blocks(block("mxfp4"), np.zeros(33, int), (Shared(np.zeros(1, int)),)).values(),
            "levels[0].scale must have shape (2,), not (1,)",
        ),
        (lambda: Blocks(block("mxfp4"), np.zeros(3, int), ()).values(), "levels must be 1, not 0"),
        (
            lambda: Blocks(block("gptq"), np.zeros(3, int), (Shared(np.zeros(1, int)),)).values(),
            "levels[0].zero must be given",
        ),
        (
            lambda: encode_elements(block("mxfp4"), [1], (Shared(np.zeros(1, int), zero=np.zeros(1, int)),)),
            "levels[0].zero must not be given",
        ),
        (lambda: Level(-1, E8M0), "level.size: must be 0 or more, not -1"),
        (
            lambda: BlockFormat(FixedPoint(8), (Level(2, E8M0), Level(3, E8M0))),
            "block.levels: must each be a multiple of the ones inside, not 3 at 1",
        ),
        (lambda: BlockFormat(FixedPoint(8), ()), "block.levels: must be at least one"),
        (
            lambda: BlockFormat(FixedPoint(8, signed=False), (Level(2, E8M0),), symmetric=True),
            "block.symmetric: must be false unless elements are signed fixed-point",
        ),
    ],
)
def test_refused(use, message):
    with pytest.raises((InputError, SpecError)) as error:
        use()
    assert str(error.value) == message


def test_every_rounding_reaches_the_elements():
    values = np.array([6.0, 1.25, -1.25])
    found = {
        way: encode_blocks(block("mxfp4"), values, rounding=way).elements.tolist()[1:] for way in Rounding
    }
    assert found[Rounding.HALF_EVEN] == [2, 10]
    assert found[Rounding.HALF_AWAY] == [3, 11]
    assert found[Rounding.FLOOR] == [2, 11]
    assert found[Rounding.CEIL] == [3, 10]
