"""The rules of a network, N1 to N6."""

import pytest

from intsim.errors import SpecError
from intsim.formats import IntFormat, Quantization, RealFormat, TensorSpec
from intsim.network import Input, Network, NetworkBuilder, Node
from intsim.ops import OPS, Add, Clamp, Conv2d, Split

INT8 = IntFormat(8)
X = Input("x", TensorSpec((4,), INT8))
RELU = Clamp(lo=0, hi=127)


def message(*arguments, **fields):
    with pytest.raises(SpecError) as error:
        Network(*arguments, **fields)
    return str(error.value)


def relu(name, source):
    return Node(name, RELU, (source,))


def test_a_network_knows_its_tensors():
    halves = Quantization.per_tensor(0.5, -3)
    b = NetworkBuilder("by hand")
    x = b.input("x", (4,), INT8, halves)
    left, right = b.add_many(
        Split(axis=0, sizes=(1, 3)), x, name="split", outputs=("left", "right"), quantization=(None, halves)
    )
    b.output(b.add(Add(), left, right), right)
    network = b.build()
    assert list(network.specs) == ["x", "left", "right", "add"]
    assert network.specs["right"] == TensorSpec((3,), INT8, halves)
    assert network.specs["add"] == TensorSpec((3,), IntFormat(32))
    assert network.producers["left"].name == "split"
    assert network.node("add").inputs == ("left", "right")
    assert (network.outputs, network.source) == (("add", "right"), "by hand")
    assert network == b.build()
    assert hash(network) == hash(b.build())
    with pytest.raises(SpecError) as error:
        network.node("nil")
    assert str(error.value) == "network has no node 'nil'"


def test_fresh_names():
    b = NetworkBuilder()
    x = b.input("clamp", (4,), INT8)
    assert b.add(RELU, x) == "clamp_1"
    assert b.add(RELU, x) == "clamp_2"
    assert b.fresh("other") == "other"


def test_n1_names():
    assert message((X,), (relu("x", "x"),), ("x",)) == "x: name must be unique. [N1]"
    assert message((Input("", X.spec),), (), ("",)) == (
        "network: name must have 1 to 1000 characters, none of them NUL. [N1]"
    )
    long = "a" * 1001
    assert message((Input(long, X.spec),), (), (long,)) == (
        f"{long[:60]}: name must have 1 to 1000 characters, none of them NUL. [N1]"
    )
    assert Network((Input(long[1:], X.spec),), (), (long[1:],)).outputs == (long[1:],)


def test_n2_order_and_arity():
    nodes = (relu("a", "b"), relu("b", "x"))
    assert message((X,), nodes, ("a",)) == (
        "a: input 'b' must be made before it is read. [N2]\n"
        "outputs: must name tensors of the network, not 'a'. [N5]"
    )
    two = Node("two", RELU, ("x", "x"))
    assert message((X,), (two,), ("x",)) == "two: clamp takes 1 inputs, not 2. [N2]"
    assert message((X,), (Node("none", Add(), ()),), ("x",)) == "none: add takes 2 inputs, not 0. [N2]"
    many = Node("many", OPS["concat"](axis=0), ())
    assert message((X,), (many,), ("x",)) == "many: concat takes 1 to any inputs, not 0. [N2]"


def test_n3_the_ops_own_rules_name_the_node():
    conv = Node("block1/conv", Conv2d(weight=[[[[1]]]]), ("x",))
    assert message((X,), (conv,), ("x",)) == (
        "block1/conv: conv2d: input must have shape (H, W, C), not (4,). [R1]"
    )


def test_n4_outputs_of_a_node():
    split = Node("split", Split(axis=0, sizes=(2, 2)), ("x",))
    assert message((X,), (split,), ("x",)) == "split: gives 2 outputs, not 1. [N4]"
    with pytest.raises(SpecError) as error:
        Node("a", RELU, ("x",), quantization=(None, None))
    assert str(error.value) == "a.quantization: must have 1 entries, not 2"


def test_n5_outputs_of_the_network():
    assert message((X,), (), ()) == "outputs: must not be empty. [N5]"
    assert message((X,), (), ("y",)) == "outputs: must name tensors of the network, not 'y'. [N5]"
    assert message((X,), (), ("x", "x")) == "\n".join(
        ["outputs: must name each tensor once, not 'x' again. [N5]"] * 2
    )
    assert message((), (), ("x",)).startswith("inputs: must not be empty")


def test_n6_reals_only_at_the_doors():
    real = Input("r", TensorSpec((4,), RealFormat()))
    reader = Node("a", OPS["reshape"](shape=(2, 2)), ("r",))
    assert "a: input 'r' is real, which only quantize at the door reads. [N6]" in message(
        (real,), (reader,), ("r",)
    )


def test_every_finding_is_told_at_once():
    nodes = (relu("a", "nil"), Node("b", Clamp(lo=0, hi=999), ("x",)), Node("c", RELU, ("x", "x")))
    assert message((X, X), nodes, ("x", "z")) == "\n".join(
        [
            "x: name must be unique. [N1]",
            "a: input 'nil' must be made before it is read. [N2]",
            "b: clamp: limits must be in int8, not 0 to 999. [R2]",
            "c: clamp takes 1 inputs, not 2. [N2]",
            "outputs: must name tensors of the network, not 'z'. [N5]",
        ]
    )


def test_an_annotation_must_fit_its_tensor():
    node = Node("a", RELU, ("x",), quantization=(Quantization([1.0, 2.0], [0, 0], axis=0),))
    assert message((X,), (node,), ("a",)) == (
        "a: TensorSpec.quantization.scale: must have 4 values along axis 0, not 2"
    )
