"""Records: fields checked when built, compared by value, shown as valid code."""

from dataclasses import FrozenInstanceError, dataclass
from enum import Enum

import numpy as np
import pytest

from intsim.errors import Finding, SpecError
from intsim.record import CodeArray, FloatArray, IntArray, Record, conform, describe, field, same


class Way(Enum):
    LEFT = "left"
    RIGHT = "right"

    def __repr__(self):
        return f"Way.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Point(Record):
    x: int = field("first")
    y: int = field("second", default=0)

    def check(self):
        if self.x < 0:
            yield "x", f"must not be negative, not {self.x}"


@dataclass(frozen=True, eq=False, repr=False)
class Thing(Record):
    name: str = field("a text", default="thing")
    flag: bool = field("a flag", default=False)
    size: float = field("a number", default=1.0)
    way: Way = field("a way", default=Way.LEFT)
    point: Point | None = field("a place", default=None)
    pair: tuple[int, Way] = field("two of a kind", default=(0, Way.LEFT))
    list: tuple[int, ...] = field("many", default=())
    either: int | str = field("one or the other", default=0)
    ints: IntArray = field("integers", default=0)
    codes: CodeArray = field("codes", default=0)
    reals: FloatArray | None = field("reals", default=None)


NAMES = {"np": np, "Point": Point, "Thing": Thing, "Way": Way}

THINGS = [
    Thing(),
    Thing(name="a 'quoted' text", flag=True, size=0.1, way=Way.RIGHT),
    Thing(point=Point(1), pair=(3, Way.RIGHT), list=(1,), either="x"),
    Thing(ints=[[1, -2], [3, 4]], codes=np.array([1, 2], np.int8), reals=np.array([0.1], np.float32)),
    Thing(ints=np.zeros((0, 3), int), list=range_ if (range_ := (1, 2, 3)) else ()),
]


@pytest.mark.parametrize("thing", THINGS, ids=range(len(THINGS)))
def test_repr_is_valid_code_for_an_equal_record(thing):
    again = eval(repr(thing), NAMES)
    if thing.ints.size:
        assert again == thing
        assert hash(again) == hash(thing)
    assert thing.replace() == thing


def test_repr_leaves_defaults_out():
    assert repr(Thing()) == "Thing()"
    assert repr(Point(3)) == "Point(x=3)"
    assert repr(Thing(pair=(0, Way.RIGHT), list=(1,))) == "Thing(pair=(0, Way.RIGHT), list=(1,))"
    assert repr(Thing(ints=0, codes=np.int8(0))) == "Thing()"
    assert repr(Thing(ints=[0])) == "Thing(ints=np.array([0], dtype=np.int64))"
    assert repr(Thing(ints=[1, 2])) == "Thing(ints=np.array([1, 2], dtype=np.int64))"


def test_long_arrays_are_shown_by_their_shape():
    text = repr(Thing(ints=np.arange(65)))
    assert text.startswith("Thing(ints=<int64 array of shape (65,), ")
    assert text != repr(Thing(ints=np.arange(65)[::-1].copy()))


def test_what_is_taken_is_brought_into_one_form():
    thing = Thing(
        flag=np.bool_(True),
        size=np.float32(0.5),
        way="Right",
        pair=[np.int8(1), "left"],
        list=np.array([4, 5]),
    )
    assert (thing.flag, thing.size, thing.way) == (True, 0.5, Way.RIGHT)
    assert (thing.pair, thing.list) == ((1, Way.LEFT), (4, 5))
    assert type(thing.pair[0]) is int
    assert type(thing.list[0]) is int
    assert Thing(ints=np.array([1], ">u2")).ints.dtype == np.int64
    assert Thing(codes=np.array([1], ">i2")).codes.dtype == np.int16
    assert Thing(codes=np.array([1], ">i2")).codes.dtype.isnative
    assert Thing(ints=np.array([2**62], object)).ints.dtype == np.int64


def test_arrays_are_copied_and_locked():
    given = np.array([1, 2])
    thing = Thing(ints=given)
    given[0] = 9
    assert thing.ints.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        thing.ints[0] = 5
    with pytest.raises(FrozenInstanceError):
        thing.flag = True


def test_equality_is_by_value_type_and_dtype():
    assert Thing(codes=np.array([1], np.int8)) != Thing(codes=np.array([1], np.int16))
    assert Thing(ints=[1]) != Thing(ints=[[1]])
    assert Thing(ints=[1]) != Thing(ints=1)
    assert Thing(either=1) != Thing(either="1")
    assert Thing(reals=np.array(0.0)) != Thing(reals=np.array(-0.0))
    assert Thing(reals=np.array(np.nan)) == Thing(reals=np.array(np.nan))
    assert Point(1) != Thing()
    assert Point(1) != (1, 0)
    assert len({Point(1), Point(1, 0), Point(2), Thing(ints=[1]), Thing(ints=[1])}) == 3
    assert same((1, (2,)), (1, (2,)))
    assert not same(1, True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 3}, "Thing.name: must be a text, not 3"),
        ({"flag": 1}, "Thing.flag: must be true or false, not 1"),
        ({"size": "1"}, "Thing.size: must be a real number, not '1'"),
        ({"size": True}, "Thing.size: must be a real number, not True"),
        ({"way": "up"}, "Thing.way: must be one of left, right, not 'up'"),
        ({"way": 3}, "Thing.way: must be one of left, right, not 3"),
        ({"point": 3}, "Thing.point: must be Point, not 3"),
        ({"pair": (1,)}, "Thing.pair: must have 2 entries, not 1: (1,)"),
        ({"pair": 1}, "Thing.pair: must be (an integer, one of left, right), not 1"),
        ({"list": "12"}, "Thing.list: must be a list (an integer each), not '12'"),
        ({"list": (1, "2")}, "Thing.list: must be an integer, not '2'"),
        ({"either": 1.5}, "Thing.either: must be an integer or a text, not 1.5"),
        ({"ints": [0.5]}, "Thing.ints: must be integers, not float64"),
        ({"ints": [True]}, "Thing.ints: must be integers, not bool"),
        ({"ints": np.array([2**63], np.uint64)}, "Thing.ints: must be below 2**63, not 9223372036854775808"),
        ({"ints": [2**64]}, "Thing.ints: must fit 64 bits"),
        ({"ints": np.array([1, None], object)}, "Thing.ints: must be integers, not object"),
        ({"reals": [1]}, "Thing.reals: must be float32 or float64, not int64"),
        ({"reals": np.array([1], np.float16)}, "Thing.reals: must be float32 or float64, not float16"),
        (
            {"flag": 1, "way": "up"},
            "Thing.flag: must be true or false, not 1\nThing.way: must be one of left, right, not 'up'",
        ),
    ],
)
def test_refused(fields, message):
    with pytest.raises(SpecError) as error:
        Thing(**fields)
    assert str(error.value) == message
    assert len(error.value.findings) == len(fields)


def test_rules_between_fields_come_after_types():
    with pytest.raises(SpecError) as error:
        Point(-1)
    assert str(error.value) == "Point.x: must not be negative, not -1"
    with pytest.raises(SpecError) as error:
        Point(-1, "y")
    assert str(error.value) == "Point.y: must be an integer, not 'y'"
    with pytest.raises(SpecError, match=r"^Point.x: must not be negative, not -1$"):
        Point(1).replace(x=-1)


def test_errors_are_named_from_further_out():
    error = SpecError([Finding("a", "is wrong"), Finding("", "is bad")])
    assert str(error) == "a: is wrong\nis bad"
    assert str(error.at("net")) == "net.a: is wrong\nnet: is bad"
    assert isinstance(error.at("net"), SpecError)
    assert isinstance(error, ValueError)


def test_types_in_words():
    assert describe(int | None) == "an integer or nothing"
    assert describe(tuple[int, ...]) == "a list (an integer each)"
    assert describe(IntArray) == "an array of integers"
    assert describe(FloatArray) == "an array of float32 or float64"
    assert describe(Way) == "one of left, right"
    assert conform(int | None, None) is None
