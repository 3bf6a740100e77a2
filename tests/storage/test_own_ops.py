"""Ops of other packages, with every type of field that a record may have."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import EntryPoint
from typing import ClassVar

import h5py
import numpy as np
import pytest

from intsim.arithmetic import Register
from intsim.errors import FileError, SpecError
from intsim.formats import IntFormat, RealFormat
from intsim.network import NetworkBuilder
from intsim.ops import Op
from intsim.record import CodeArray, FloatArray, IntArray, Record, field
from intsim.storage import Registry, load, registry, save


class Mode(Enum):
    """How it is done."""

    FAST_ONE = "fast"
    SLOW = "slow"


@dataclass(frozen=True, eq=False, repr=False)
class Left(Record):
    """One kind of part."""

    size: int = field("of it", default=1)


@dataclass(frozen=True, eq=False, repr=False)
class Right(Record):
    """Another, with the same field."""

    size: int = field("of it", default=1)
    mode: Mode = field("of it", default=Mode.SLOW)


@dataclass(frozen=True, eq=False, repr=False)
class Everything(Op):
    """One field of every type."""

    name: ClassVar[str] = "other.everything"
    version: ClassVar[int] = 3

    whole: int = field("", default=-7)
    truth: bool = field("", default=True)
    text: str = field("", default="grüß")
    real: float = field("", default=0.1)
    mode: Mode = field("", default=Mode.FAST_ONE)
    format: IntFormat = field("", default=IntFormat(3, signed=False))
    door: IntFormat | RealFormat = field("", default=RealFormat(64))
    codes: CodeArray = field("", default_factory=lambda: np.array([[1, 2], [3, 4]], np.uint16))
    numbers: IntArray = field("", default=5)
    reals: FloatArray = field("", default_factory=lambda: np.float32([0.1, -0.0]))
    maybe_reals: FloatArray | None = field("", default=None)
    numbers_or_text: str | tuple[int, ...] = field("", default=(1, 2))
    truths: tuple[bool, ...] = field("", default=(True, False))
    texts: tuple[str, ...] = field("", default=("", "a", "日本"))
    modes: tuple[Mode, ...] = field("", default=(Mode.SLOW, Mode.FAST_ONE))
    pairs: tuple[tuple[int, int], ...] = field("", default=((1, 2), (3, 4), (5, 6)))
    ragged: tuple[tuple[int, ...], ...] = field("", default=((1,), (), (2, 3)))
    mixed: tuple[int, str] = field("", default=(1, "one"))
    wide: tuple[int, ...] = field("", default=(0, 2**64 - 1))
    maybe: int | None = field("", default=None)
    register: Register = field("", default=Register(IntFormat(9)))
    part: Left | Right = field("", default=Right(size=3))
    parts: tuple[Left | Right, ...] = field("", default=(Left(), Right(), Left(size=2)))
    no_parts: tuple[Left, ...] = field("", default=())

    def infer(self, *inputs):
        return (inputs[0],)


def network(op):
    n = NetworkBuilder()
    n.output(n.add(op, n.input("x", (1,), IntFormat(8)), name="y"))
    return n.build()


@pytest.mark.parametrize(
    "op",
    [
        Everything(),
        Everything(
            maybe=0,
            maybe_reals=np.float64(1e-300),
            numbers_or_text="1",
            numbers=np.zeros((0,), np.int64),
            truths=(),
            texts=(),
            pairs=(),
            ragged=(),
            text="",
            real=-0.0,
            part=Left(),
            no_parts=(Left(), Left(size=9)),
            wide=(-(2**63), 0),
        ),
    ],
)
def test_every_type_of_field(op, tmp_path):
    save(network(op), tmp_path / "a.h5")
    again = load(tmp_path / "a.h5", extra_ops=[Everything])
    assert again == network(op)
    assert repr(again) == repr(network(op))
    assert np.signbit(again.node("y").op.real) == np.signbit(op.real)


def test_booleans_as_integers(tmp_path):
    save(network(Everything()), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["nodes/y"].attrs["truth"] = np.uint8(1)
        file["nodes/y"].attrs["truths"] = np.array([1, 0])
        file["nodes/y"].attrs["real"] = np.float64(0.1)
    assert load(tmp_path / "a.h5", extra_ops=[Everything]) == network(Everything())


@pytest.mark.parametrize(
    ("name", "value"), [("truth", 2), ("truth", 1.0), ("truths", [2, 0]), ("real", np.bytes_("1"))]
)
def test_other_values_are_refused(name, value, tmp_path):
    save(network(Everything()), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["nodes/y"].attrs[name] = value
    with pytest.raises(FileError, match=rf"a\.h5:/nodes/y\.{name}: must be "):
        load(tmp_path / "a.h5", extra_ops=[Everything])


def test_without_the_op(tmp_path):
    save(network(Everything()), tmp_path / "a.h5")
    with pytest.raises(
        FileError, match=r"/nodes/y\.op: must be a known op \(add, .*\), not 'other\.everything'$"
    ):
        load(tmp_path / "a.h5")


@pytest.mark.parametrize("version", [2, 4])
def test_another_version(version, tmp_path):
    save(network(Everything()), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["nodes/y"].attrs["op_version"] = version
    with pytest.raises(
        FileError, match=rf"/nodes/y\.op_version: must be 3 for other\.everything, not {version}$"
    ):
        load(tmp_path / "a.h5", extra_ops=[Everything])


@dataclass(frozen=True, eq=False, repr=False)
class Taken(Op):
    """An op whose field has the name of something else in the file."""

    name: ClassVar[str] = "taken"

    inputs: int = field("", default=1)

    def infer(self, *inputs):
        return (inputs[0],)


@dataclass(frozen=True, eq=False, repr=False)
class Strict(Op):
    """An op with a rule of its own."""

    name: ClassVar[str] = "strict"

    count: int = field("", default=1)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.count != 1:
            yield "count", f"must be 1, not {self.count}. [R1]"

    def infer(self, *inputs):
        return (inputs[0],)


def test_a_field_must_not_have_a_name_of_the_layout(tmp_path):
    with pytest.raises(FileError, match=r"a\.h5:/nodes/y: taken must not have a field named 'inputs'$"):
        save(network(Taken()), tmp_path / "a.h5")


def test_an_ops_own_rule_is_told_with_the_path(tmp_path):
    save(network(Strict()), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["nodes/y"].attrs["count"] = 2
    with pytest.raises(FileError, match=r"a\.h5:/nodes/y\.count: must be 1, not 2\. \[R1\]$"):
        load(tmp_path / "a.h5", extra_ops=[Strict])


def installed(monkeypatch, *entries):
    def entry_points(group, name=None):
        assert group == "intsim.ops"
        return [entry for entry in entries if name in (None, entry.name)]

    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_installed_ops_are_found(monkeypatch, tmp_path):
    installed(monkeypatch, EntryPoint("strict", f"{__name__}:Strict", "intsim.ops"))
    save(network(Strict()), tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == network(Strict())
    assert "strict" in Registry().names()


def test_only_what_is_needed_is_imported(monkeypatch, tmp_path):
    installed(monkeypatch, EntryPoint("broken", "no.such.module:Op", "intsim.ops"))
    assert Registry().find("add").name == "add"
    assert Registry().find("strict") is None


def test_an_entry_point_that_is_no_op(monkeypatch):
    installed(monkeypatch, EntryPoint("strict", f"{__name__}:Mode", "intsim.ops"))
    message = rf"^entry point {__name__}:Mode of intsim\.ops must be an op named 'strict', not "
    with pytest.raises(SpecError, match=message):
        Registry().find("strict")


@pytest.mark.parametrize("ops", [[Strict, Strict], [Op]])
def test_extra_ops_need_names(ops):
    with pytest.raises(SpecError, match=r"^extra op must have a name of its own, not '(strict|)'$"):
        Registry(ops)
