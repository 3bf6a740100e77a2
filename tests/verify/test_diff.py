"""`diff` against a side that does one thing otherwise: the first tensor, its counts, and the reason."""

from functools import partial

import numpy as np
import pytest

from intsim.arithmetic import (
    Accumulator,
    Add,
    Clamp,
    Multiply,
    Overflow,
    Requantization,
    Rounding,
    Scale,
    ShiftRight,
)
from intsim.arithmetic.dialects import DIALECTS
from intsim.engine import run as run_by
from intsim.errors import SpecError
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import Clamp as ClampOp
from intsim.ops import Conv2d, GroupDense, Requantize, Reshape, Transpose
from intsim.verify.diff import diff as diff_by
from intsim.verify.diff_doubts import Undecided
from intsim.verify.diff_reasons import Reason

diff, run = partial(diff_by, engine="reference"), partial(run_by, engine="reference")  # compiles nothing
RNG = np.random.default_rng(0)
WEIGHT = RNG.integers(-127, 128, (4, 3, 3, 2))
NEXT = RNG.integers(-127, 128, (3, 1, 1, 4))
FIXED = (Multiply(multipliers=1), ShiftRight(bits=9, rounding=Rounding.HALF_AWAY))
FLOAT = Scale(factors=np.float32(0.5 / 2**7))
INPUTS = RNG.integers(0, 256, (70, 6, 5, 2)).astype(np.uint8)


def network_of(steps=FIXED, accumulator=None):
    builder = NetworkBuilder()
    name = builder.input("x", (6, 5, 2), IntFormat(8, signed=False))
    conv = Conv2d(WEIGHT, padding=((1, 1), (1, 1)), accumulator=accumulator or Accumulator())
    name = builder.add(conv, name, name="sum")
    name = builder.add(Requantize(Requantization(steps, IntFormat(8))), name, name="codes")
    name = builder.add(ClampOp(lo=0, hi=127), name, name="relu")
    name = builder.add(Conv2d(NEXT), name, name="sum2")
    name = builder.add(Requantize(Requantization(FIXED, IntFormat(8))), name, name="codes2")
    builder.output(name)
    return builder.build()


class Side:
    """Another network under the first one's names; `shown` says which, and in which order of axes."""

    what = "the other side"

    def __init__(self, network, shown=("codes", "relu", "codes2"), axes=None, calls=None):
        self.left_out = {"sum": "nobody shows it", "elsewhere": "no tensor of the network"}
        self.network, self.axes = network, dict.fromkeys(shown, axes)
        self.calls = calls or {}

    def run(self, inputs, names):
        trace = run(self.network, inputs, trace=("*",)).trace
        axes = {name: (0, *(axis + 1 for axis in order or (0, 1, 2))) for name, order in self.axes.items()}
        return {name: trace[self.calls.get(name, name)].transpose(axes[name]) for name in names}


def batches():
    return [{"x": INPUTS[:32]}, {"x": INPUTS[32:]}]


PAIRS = Accumulator(IntFormat(32), tile=2, inner=Accumulator(IntFormat(16), Overflow.SATURATE))
AFTER = Scale(factors=np.float32(0.5 / 2**7), after=np.float32(-3))
REASONS = [
    (
        FIXED,
        (Multiply(multipliers=1), ShiftRight(bits=9, rounding=Rounding.HALF_EVEN)),
        "rounding",
        "step 2 rounds HALF_EVEN, not HALF_AWAY",
    ),
    ((FLOAT, Add(values=-3)), (AFTER,), "zero point", "it is added before the rounding, not after"),
    ((AFTER,), (FLOAT, Add(values=-3)), "zero point", "it is added after the rounding, not before"),
    ((*FIXED, Clamp(lo=0, hi=127)), FIXED, "clamp", "step 3, a clamp, is not made here"),
]


@pytest.mark.parametrize(("mine", "theirs", "kind", "words"), REASONS)
def test_the_reason_of_a_requantization(mine, theirs, kind, words):
    found = diff(network_of(mine), Side(network_of(theirs)), batches())
    assert found.first.name == "codes"
    assert found.reason.kind == kind
    assert words in (found.reason.words, *found.reason.also)


def test_another_dialect_of_the_same_scale():
    """Twice rounded here, once there: the ratio is read from the multiplier and the shifts."""
    twice = (
        Multiply(multipliers=1638298993),
        ShiftRight(bits=31, rounding=Rounding.HALF_UP),
        ShiftRight(bits=8, rounding=Rounding.HALF_AWAY),
        Add(values=-3),
        Clamp(lo=-100, hi=100),
    )
    once = DIALECTS["f32-rne-zp-after"].requantization(
        np.array([1638298993 / 2**39]), zero_point=-3, lo=-100, hi=100
    )
    many = [{"x": RNG.integers(0, 256, (400, 6, 5, 2)).astype(np.uint8)}]
    found = diff(network_of(twice), Side(network_of(once.steps)), many)
    assert found.reason.kind == "rounding"
    summary = DIALECTS["f32-rne-zp-after"].summary
    assert f"as f32-rne-zp-after: {summary}" in (found.reason.words, *found.reason.also)


def test_float32_against_float64():
    """Sums that float32 does not hold."""
    builders = []
    for kind in (np.float32, np.float64):
        builder = NetworkBuilder()
        rule = Requantization((Scale(factors=kind(np.float32(0.1))),), IntFormat(32))
        builder.output(builder.add(Requantize(rule), builder.input("x", (4,), IntFormat(30)), name="y"))
        builders.append(builder.build())
    side = Side(builders[1], ("y",))
    side.axes = {"y": None}
    side.run = lambda inputs, names: run(builders[1], inputs).outputs
    found = diff(builders[0], side, [{"x": RNG.integers(-(2**28), 2**28, (50, 4)).astype(np.int32)}])
    assert found.reason == Reason("scale", "step 1 computes in float64, not float32")


@pytest.mark.parametrize(
    ("accumulator", "words"),
    [
        (PAIRS, "pairs of products saturate in 16 bits (x86 without VNNI)"),
        (Accumulator(IntFormat(16)), "the register is int16 and does WRAP"),
        (Accumulator(IntFormat(16), Overflow.SATURATE), "the register is int16 and does SATURATE"),
    ],
)
def test_the_reason_is_an_overflow(accumulator, words):
    found = diff(network_of(), Side(network_of(accumulator=accumulator)), batches())
    assert found.first.name == "codes"
    assert found.reason == Reason("overflow", words)
    narrow = diff(network_of(accumulator=accumulator), Side(network_of()), batches())
    assert narrow.reason.kind == "overflow"


def test_a_register_of_sums_over_groups():
    """Pairs of products are no groups of three; registers without tiles are tried."""

    def layer(register):
        builder = NetworkBuilder()
        op = GroupDense(np.full((2, 6), 15), np.full((2, 2), 9), 3, accumulator=register)
        builder.output(builder.add(op, builder.input("x", (6,), IntFormat(8)), name="y"))
        return builder.build()

    side = Side(layer(Accumulator(IntFormat(16))), ("y",))
    side.axes = {"y": None}
    side.run = lambda inputs, names: run(side.network, inputs).outputs
    found = diff(layer(Accumulator()), side, [{"x": RNG.integers(-128, 128, (40, 6)).astype(np.int8)}])
    assert found.reason == Reason("overflow", "the register is int16 and does WRAP")


def test_a_layout_that_is_told_is_no_difference():
    side = Side(network_of(), axes=(2, 0, 1))
    assert diff(network_of(), side, batches()).first is None


def test_a_layout_that_is_not_told():
    square = Side(network_of(), ("codes2",))
    square.axes = {"codes2": None}
    square.run = lambda inputs, names: {
        "codes2": np.moveaxis(run(network_of(), inputs).outputs["codes2"], -1, 1)
    }
    found = diff(network_of(), square, batches())
    assert found.first.why.startswith("shape (32, 6, 5, 3) against (32, 3, 6, 5)")
    assert found.reason == Reason("layout", "the same integers, with a sample's axes in the order (1, 2, 0)")


def test_a_fused_op():
    """The framework's tensor before its activation is what the network has after it."""
    side = Side(network_of(), calls={"codes": "relu"})
    found = diff(network_of(), side, batches())
    assert found.first.name == "codes"
    assert found.reason == Reason("fused op", "its tensor is what the network calls relu")


def test_counts_and_the_first_index_over_batches():
    class Wrong(Side):
        def run(self, inputs, names):
            found = super().run(inputs, names)
            if len(inputs["x"]) != 32:
                found["relu"] = found["relu"].copy()
                found["relu"][3, 1, 2, 0] ^= 1
                found["relu"][4, 0, 0, 1] += 5
            return found

    found = diff(network_of(), Wrong(network_of()), batches())
    counts = {entry.difference.name: entry for entry in found.tensors}
    assert list(counts) == ["codes", "relu", "codes2"]
    assert found.samples == 70
    assert [entry.difference.size for entry in found.tensors] == [70 * 120, 70 * 120, 70 * 90]
    relu = counts["relu"].difference
    assert (relu.differing, relu.index, counts["relu"].largest) == (2, (35, 1, 2, 0), 5)
    assert counts["codes"].difference.equal
    assert found.reason is None


def test_two_changes_at_once_are_the_files_own():
    """No single change explains it: the weights and the zero point are others, and the file says so."""
    side, other = Side(network_of((AFTER,))), network_of(FIXED)
    weight = [node.replace(op=Conv2d(-WEIGHT, padding=((1, 1), (1, 1)))) if node.name == "sum" else node
              for node in side.network.nodes]  # fmt: skip
    side.network = side.network.replace(nodes=tuple(weight))
    found = diff(other, side, batches())
    assert found.first.name == "codes"
    assert found.reason == Reason(
        "op",
        "codes has another requantization.steps in the file; sum has another weight in the file",
    )


def test_a_reason_behind_moves():
    """The framework shows the tensor behind a transposition only."""
    builders = []
    for rounding in (Rounding.HALF_AWAY, Rounding.HALF_EVEN):
        builder = NetworkBuilder()
        name = builder.input("x", (6, 5, 2), IntFormat(8, signed=False))
        name = builder.add(Conv2d(WEIGHT), name, name="sum")
        steps = (Multiply(multipliers=1), ShiftRight(bits=9, rounding=rounding))
        name = builder.add(Requantize(Requantization(steps, IntFormat(8))), name, name="y/nhwc")
        builder.output(builder.add(Transpose((2, 0, 1)), name, name="y"))
        builders.append(builder.build())
    found = diff(builders[0], Side(builders[1], ("y",)), batches())
    assert found.first.name == "y"
    assert found.reason.kind == "rounding"
    assert "step 2 rounds HALF_EVEN, not HALF_AWAY" in found.reason.also


class Doubting(Side):
    """A side whose floats may take a sum for one of its neighbours; they take every one for the next."""

    doubt = "floats: the sum lies next to a threshold"
    error = 1

    def run(self, inputs, names):
        nodes = [node.replace(op=node.op.replace(bias=self.error)) if node.name == "sum" else node
                 for node in self.network.nodes]  # fmt: skip
        side = Side(self.network.replace(nodes=tuple(nodes)))
        side.axes = self.axes
        return side.run(inputs, names)

    def undecided(self, tensor, read):
        node = self.network.producers[tensor]
        if tensor == "codes2":
            return None
        return tuple(node.op.reference(read + side)[0] for side in (-1, 1))


def with_ops(network, **ops):
    nodes = [node.replace(op=ops.get(node.name, node.op)) for node in network.nodes]
    return network.replace(nodes=tuple(nodes))


def shifted(rounding, bits=9):
    steps = (Multiply(multipliers=1), ShiftRight(bits=bits, rounding=rounding))
    return Requantize(Requantization(steps, IntFormat(8)))


def test_what_floats_leave_open():
    """Some codes are others, next to a threshold; what follows from them is no difference of its own."""
    found = diff(network_of(), Doubting(network_of()), batches())
    (codes,) = (entry.difference for entry in found.tensors if entry.difference.name == "codes")
    assert found.first == codes
    assert codes.differing > 1
    assert found.reason == Reason("float", "floats: the sum lies next to a threshold")
    assert found.at == "codes"
    assert found.undecided == (Undecided("codes", codes.differing, codes.differing),)
    assert not found.tensors[-1].difference.equal  # codes2 is another, but made of other codes


def test_beyond_what_floats_leave_open():
    """The other side is further off than its floats' error: nothing that was tried explains that."""
    side = Doubting(network_of())
    side.error = 3
    found = diff(network_of(), side, batches())
    assert (found.at, found.reason) == ("codes", None)
    (codes,) = found.undecided
    assert (codes.name, codes.differing) == ("codes", found.first.differing)
    assert 0 < codes.undecided < codes.differing


def test_a_reason_beside_what_floats_leave_open():
    """Another rounding here, and floats that leave some codes open there."""
    mine = with_ops(network_of(), codes=shifted(Rounding.FLOOR))
    found = diff(mine, Doubting(network_of()), batches())
    assert (found.at, found.reason.kind) == ("codes", "rounding")
    assert "step 2 rounds HALF_AWAY, not FLOOR" in (found.reason.words, *found.reason.also)
    assert found.undecided[0].undecided < found.undecided[0].differing


def test_another_difference_behind_one_that_is_open():
    """The first tensor differs by floats alone; a later one by its rounding, too."""
    mine, file = (
        with_ops(network_of(), codes2=shifted(rounding, 6))
        for rounding in (Rounding.CEIL, Rounding.HALF_AWAY)
    )
    (batch, _), side = batches(), Doubting(file)
    blurred = side.run(batch, ["codes2"])["codes2"] != run(file, batch).outputs["codes2"]
    assert blurred.any()
    found = diff(mine, side, batches())
    assert found.first.name == "codes"
    assert (found.at, found.reason.kind) == ("codes2", "rounding")
    assert "step 2 rounds HALF_AWAY, not CEIL" in (found.reason.words, *found.reason.also)
    assert [(entry.name, entry.undecided == entry.differing) for entry in found.undecided] == [
        ("codes", True),
        ("codes2", False),
    ]


def test_floats_that_decide_everything_leave_the_reason_as_it_is():
    side = Doubting(with_ops(network_of(), codes=shifted(Rounding.HALF_EVEN)))
    side.error = 0
    found = diff(network_of(), side, batches())
    assert (found.at, found.reason.kind) == ("codes", "rounding")
    assert [(entry.differing, entry.undecided) for entry in found.undecided] == [(found.first.differing, 0)]


def test_an_open_node_behind_moves():
    """The tensor that is shown is the codes in another order."""
    builder = NetworkBuilder()
    name = builder.input("x", (6, 5, 2), IntFormat(8, signed=False))
    name = builder.add(Conv2d(WEIGHT), name, name="sum")
    name = builder.add(Requantize(Requantization(FIXED, IntFormat(8))), name, name="y/nhwc")
    name = builder.add(Reshape((3, 4, 4)), name, name="y/rows")
    builder.output(builder.add(Transpose((1, 2, 0)), name, name="y"))
    found = diff(builder.build(), Doubting(builder.build(), ("y",)), batches())
    assert found.reason == Reason("float", Doubting.doubt)
    assert found.undecided == (Undecided("y", found.first.differing, found.first.differing),)


def test_a_tensor_that_cannot_be_made_of_theirs():
    """Their codes do not fit the network's format: what reads them is compared as it is."""
    narrow = Requantize(Requantization(FIXED, IntFormat(5)))
    found = diff(with_ops(network_of(), codes=narrow, relu=ClampOp(0, 15)), Doubting(network_of()), batches())
    assert found.at == "codes"
    relu = next(entry.difference for entry in found.tensors if entry.difference.name == "relu")
    assert Undecided("relu", relu.differing, 0) in found.undecided


def test_what_is_left_out_is_told():
    found = diff(network_of(), Side(network_of()), [{"x": INPUTS[:2]}])
    assert found.left_out == {"sum": "nobody shows it"}


def test_other_inputs():
    builder = NetworkBuilder()
    builder.output(builder.add(ClampOp(lo=0, hi=5), builder.input("x", (6, 5, 2), IntFormat(8)), name="relu"))
    with pytest.raises(SpecError, match=r"must be uint8 of \(6, 5, 2\), as the file has it, not int8 of"):
        diff(builder.build(), Side(network_of()), [])


def test_nothing_in_common():
    with pytest.raises(SpecError, match="the two sides must name a tensor alike"):
        diff(network_of(), Side(network_of(), ("conv_1",)), batches())
    with pytest.raises(SpecError, match="inputs must have a sample"):
        diff(network_of(), Side(network_of()), [])
