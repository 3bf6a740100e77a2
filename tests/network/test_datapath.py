"""Datapath: from TOML to the accumulators of a network."""

import numpy as np
import pytest

from intsim import Datapath, NetworkBuilder, run
from intsim.arithmetic import Accumulator, BiasPlace, Overflow, Topology, ZeroPointPlace
from intsim.arithmetic.presets import ACCUMULATORS
from intsim.errors import FileError, SpecError
from intsim.formats import IntFormat
from intsim.network import Rule
from intsim.ops import Clamp, Dense

FULL = """
[[accumulator]]
nodes = "*"
format = "int12"
overflow = "wrap"

[[accumulator]]
nodes = ["b*", "[x"]
format = "int12"
overflow = "saturate"
order = "chw"
topology = "tree"
tile = 16
bias = "first"
zero_point = "preload"
[accumulator.inner]
format = "uint9"
overflow = "TRAP"
tile = 4
"""


def network():
    """Dense layers a, b1 and "[x", a clamp between."""
    n = NetworkBuilder()
    x = n.input("x", (3,), IntFormat(8))
    a = n.add(Dense(weight=[[7, 7, 7], [1, 2, 3]]), x, name="a")
    c = n.add(Clamp(lo=-8, hi=7), a, name="c")
    b = n.add(Dense(weight=[[1, 1]]), c, name="b1")
    n.output(n.add(Dense(weight=[[1]]), b, name="[x"))
    return n.build()


def test_every_key_is_read():
    inner = Accumulator(IntFormat(9, signed=False), Overflow.TRAP, tile=4)
    whole = Accumulator(
        IntFormat(12),
        Overflow.SATURATE,
        order="chw",
        topology=Topology.TREE,
        tile=16,
        inner=inner,
        bias=BiasPlace.FIRST,
        zero_point=ZeroPointPlace.PRELOAD,
    )
    path = Datapath.parse(FULL)
    assert path == Datapath((Rule(("*",), Accumulator(IntFormat(12))), Rule(("b*", "[x"), whole)))
    assert Datapath.parse("") == Datapath()


def test_a_later_rule_overrides_an_earlier_one_whole():
    changed = network().with_datapath(Datapath.parse(FULL))
    assert changed.node("a").op.accumulator == Accumulator(IntFormat(12))
    assert changed.node("b1").op.accumulator.overflow is Overflow.SATURATE
    assert changed.node("[x").op.accumulator.inner.tile == 4
    assert changed.specs["a"].format == IntFormat(12)
    assert network().with_datapath(Datapath()) == network()


def test_only_named_nodes_change_and_the_numbers_follow():
    text = '[[accumulator]]\nnodes = "a"\nformat = "int8"\noverflow = "{}"\n'
    for overflow, value in (("wrap", -109), ("saturate", 127)):
        changed = network().with_datapath(Datapath.parse(text.format(overflow)))
        assert changed.node("b1") == network().node("b1")
        result = run(changed, np.array([[7, 7, 7]]), trace=["a"])
        assert result.trace["a"].tolist() == [[value, 42]]
        assert result.trace["a"].dtype == np.int8


def test_an_explicit_order():
    path = Datapath.parse('[[accumulator]]\nnodes = "a"\norder = [2, 0, 1]')
    assert network().with_datapath(path).node("a").op.accumulator.order == (2, 0, 1)
    path = Datapath.parse('[[accumulator]]\nnodes = "?1"\norder = [2, 0, 1]')
    with pytest.raises(SpecError) as caught:
        network().with_datapath(path)
    assert str(caught.value) == "b1: dense.accumulator.order: must list 2 terms, not 3. [A4]"


def test_patterns_must_name_accumulating_nodes():
    path = Datapath.parse('[[accumulator]]\nnodes = ["a", "c"]\n[[accumulator]]\nnodes = "q*"')
    with pytest.raises(SpecError) as caught:
        network().with_datapath(path)
    assert str(caught.value).splitlines() == [
        "accumulator[0].nodes: must name nodes that accumulate, not 'c'. [D4]",
        "accumulator[1].nodes: must name nodes that accumulate, not 'q*'. [D4]",
    ]


def test_every_mistake_is_listed_under_its_key():
    text = """
speed = 3
[[accumulator]]
nodes = 4
format = "int65"
overflow = "sat"
tile = true
[[accumulator]]
preset = "wrap33"
width = 3
[[accumulator]]
nodes = []
tile = 4
[accumulator.inner]
format = 9
tile = 4
bits = 3
order = "chw"
[[accumulator]]
nodes = "a"
inner = 3
order = "hwd"
"""
    with pytest.raises(SpecError) as caught:
        Datapath.parse(text)
    keys = "format, overflow, order, topology, tile, inner, bias, zero_point"
    assert str(caught.value).splitlines() == [
        "speed: must be left out; a datapath has accumulator tables only",
        "accumulator[0].nodes: must be a pattern of node names or a list of them, not 4. [D1]",
        "accumulator[0].format: must be 1 to 64, not 65",
        "accumulator[0].overflow: must be one of wrap, saturate, trap, not 'sat'",
        "accumulator[0].tile: must be an integer, not True",
        "accumulator[1].nodes: must be a pattern of node names or a list of them, not absent. [D1]",
        f"accumulator[1].preset: must be one of {', '.join(ACCUMULATORS)}, not 'wrap33'. [D5]",
        f"accumulator[1].width: must be one of nodes, preset, {keys}",
        "accumulator[2].nodes: must be a pattern of node names or a list of them, not []. [D1]",
        "accumulator[2].inner.format: must be int1 to int64 or uint1 to uint64, not '9'",
        f"accumulator[2].inner.bits: must be one of {keys}",
        "accumulator[3].inner: must be a table, not 3",
        "accumulator[3].order: must be the letters h, w and c once each, not 'hwd'. [A4]",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accumulator = 3", "accumulator: must be tables, each under [[accumulator]]"),
        ("accumulator = [3]", "accumulator: must be tables, each under [[accumulator]]"),
        (
            '[[accumulator]]\nnodes = "a"\ntile = 4\n[accumulator.inner]\ntile = 4',
            "accumulator[0].inner.tile: must be below the outer tile 4, not 4. [A3]",
        ),
        (
            '[[accumulator]]\nnodes = "a"\ntile = 4\n[accumulator.inner]\nbias = "first"',
            "accumulator[0].inner.bias: is said by the outermost register only. [A3]",
        ),
    ],
)
def test_single_mistakes(text, message):
    with pytest.raises(SpecError) as caught:
        Datapath.parse(text)
    assert str(caught.value) == message


def test_files(tmp_path):
    path = tmp_path / "d.toml"
    path.write_text(FULL)
    assert Datapath.read(path) == Datapath.parse(FULL)
    path.write_text("nodes = ")
    with pytest.raises(FileError, match=r"d\.toml: datapath must be TOML: Invalid value"):
        Datapath.read(path)
    path.write_text("x = 1")
    with pytest.raises(FileError, match=r"d\.toml: x: must be left out"):
        Datapath.read(path)
    with pytest.raises(FileError, match=r"none\.toml: cannot be read"):
        Datapath.read(tmp_path / "none.toml")


def test_presets_are_read_and_changed():
    path = Datapath.parse('[[accumulator]]\nnodes = "a"\npreset = "nvdla-34"\norder = "chw"')
    made = path.rules[0].accumulator
    assert made == ACCUMULATORS["nvdla-34"].accumulator.replace(order="chw")
    assert all(name == preset.name and preset.source for name, preset in ACCUMULATORS.items())


def sums(preset, weight, x, **changes):
    """The sum of one row by a preset, on every engine at once."""
    n = NetworkBuilder()
    fields = {"accumulator": ACCUMULATORS[preset].accumulator, **changes}
    n.output(n.add(Dense(weight=[weight], **fields), n.input("x", (len(x),), IntFormat(16)), name="y"))
    results = {int(run(n.build(), [x], engine=e).output[0, 0]) for e in ("fast", "reference", "exact")}
    assert len(results) == 1
    return results.pop()


def test_what_the_presets_give():
    assert sums("wrap32", [127] * 3, [32767] * 3, bias=2**31 - 1) == 3 * 127 * 32767 + 2**31 - 1 - 2**32
    assert sums("sat32", [127] * 600 + [-127] * 9, [32767] * 609) == 2**31 - 1 - 9 * 127 * 32767
    assert sums("wrap48", [1], [3], bias=2**47 - 1) == 2 - 2**47
    # 64 products pass 34 bits only when summed in one go; afterwards the sum is limited to 32 bits
    assert sums("nvdla-34", [127] * 300, [32767] * 300) == 300 * 127 * 32767
    assert sums("nvdla-34", [127] * 600, [32767] * 600) == 2**31 - 1
    assert sums("nvdla-34", [127] * 6400 + [-128] * 6400, [32767] * 12800) == -(2**31)
    # 255 * 127 * 2 leaves 16 bits: the pair saturates, the other does not
    assert sums("vpmaddubsw-sat16-pairs", [127, 127, 1, 1], [255] * 4) == 32767 + 510
    assert sums("vpmaddubsw-sat16-pairs", [127, -127, 127], [255] * 3) == 127 * 255
    assert sums("tree16-sat20", [127] * 16, [500] * 16) == 2**19 - 1
    # each product is limited to 20 bits on its way into the tree
    assert sums("tree16-sat20", [127, -127] * 8, [5000] * 16) == 8 * (2**19 - 1 - 2**19)
