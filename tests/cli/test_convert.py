"""intsim convert, with converters of our own."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from intsim.cli import installed
from intsim.errors import ConversionError, FileError, Finding
from intsim.storage import load
from tests.cli.files import call, listing, small


class Toy:
    """Takes files that hold the word "toy"."""

    name = "toy"
    suffixes = (".toy", ".bin")
    dialects = {"plain": "nothing special", "odd": "something else"}  # noqa: RUF012
    default_dialect = "plain"

    def convert(self, source: Path, dialect: str | None = None):
        try:
            text = source.read_text()
        except OSError as error:
            raise FileError(Finding(str(source), "cannot be read")) from error
        if text != "toy":
            raise ConversionError([Finding("node 1", "is no toy"), Finding("node 2", "neither")])
        if dialect not in (None, *self.dialects):
            raise ConversionError(f"dialect must be one of plain, odd, not {dialect!r}")
        return small().replace(source=f"dialect {dialect or self.default_dialect}")


class OtherToy(Toy):
    """Takes some of the same files."""

    name = "other"
    suffixes = (".bin", ".hex")


TOY, OTHER = Toy(), OtherToy()


@pytest.fixture(autouse=True)
def converters(monkeypatch):
    entries = [
        EntryPoint("toy", f"{__name__}:TOY", "intsim.converters"),
        EntryPoint("other", f"{__name__}:OTHER", "intsim.converters"),
    ]
    monkeypatch.setattr(installed, "entry_points", lambda group: entries)
    return entries


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.toy").write_text("toy")


def test_by_the_suffix(source, capsys):
    done = call(capsys, "convert", "model.toy", "-o", "net.h5")
    assert (done.status, done.out) == (0, "")
    assert done.err == "net.h5: 3 nodes, dialect plain\n"
    assert load("net.h5") == small().replace(source="dialect plain")


def test_suffixes_in_any_case(source, capsys):
    Path("MODEL.TOY").write_text("toy")
    assert call(capsys, "convert", "MODEL.TOY", "-o", "net.h5").status == 0


def test_by_name_and_dialect(source, capsys):
    Path("model").write_text("toy")
    done = call(capsys, "convert", "model", "-o", "net.h5", "--from", "toy", "--dialect", "odd")
    assert (done.status, done.err) == (0, "net.h5: 3 nodes, dialect odd\n")
    assert load("net.h5").source == "dialect odd"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("model.xyz",), ["model.xyz: no installed converter takes .xyz. Say --from, one of other, toy."]),
        (
            ("model",),
            ["model: no installed converter takes files without a suffix. Say --from, one of other, toy."],
        ),
        (("model.bin",), ["model.bin: several converters take .bin. Say --from, one of other, toy."]),
        (("model.toy", "--from", "onnx"), ["converter must be one of other, toy, not 'onnx'"]),
        (("model.toy", "--dialect", "x"), ["dialect must be one of plain, odd, not 'x'"]),
        (("bad.toy",), ["node 1: is no toy", "node 2: neither"]),
        (("no.toy",), ["no.toy: cannot be read"]),
        (("model.toy", "-o", "no/net.h5"), ["no/net.h5: cannot be written: no such file or directory"]),
        (("model.toy", "-o", "."), [".: must be a regular file, or not be there yet"]),
    ],
)
def test_refused(arguments, said, source, capsys):
    Path("bad.toy").write_text("bad")
    before = listing(".")
    done = call(capsys, "convert", "-o", "net.h5", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines() == [f"intsim: error: {line}" for line in said]
    assert listing(".") == before


def test_an_old_file_stays_when_the_conversion_fails(source, capsys):
    Path("bad.toy").write_text("bad")
    Path("net.h5").write_text("old")
    assert call(capsys, "convert", "bad.toy", "-o", "net.h5").status == 2
    assert Path("net.h5").read_text() == "old"


def test_a_converter_whose_framework_is_missing(source, converters, capsys):
    converters.append(EntryPoint("broken", "no_such_framework:CONVERTER", "intsim.converters"))
    done = call(capsys, "convert", "model.toy", "-o", "net.h5", "--from", "broken")
    assert done.status == 2
    assert done.err == (
        "intsim: error: converter broken: needs no_such_framework."
        " Install it with `pip install 'intsim[broken]'`.\n"
    )


def test_a_missing_framework_is_no_concern_of_others(source, converters, capsys):
    """The suffix is another converter's: one that cannot be loaded does not stand in its way."""
    converters.append(EntryPoint("broken", "no_such_framework:CONVERTER", "intsim.converters"))
    assert call(capsys, "convert", "model.toy", "-o", "net.h5").status == 0


def test_none_takes_it_but_one_could_not_be_asked(source, converters, capsys):
    converters.append(EntryPoint("broken", "no_such_framework:CONVERTER", "intsim.converters"))
    done = call(capsys, "convert", "model.xyz", "-o", "net.h5")
    assert done.status == 2
    first, second = done.err.splitlines()
    assert first == (
        "intsim: error: model.xyz: no installed converter takes .xyz. Say --from, one of broken, other, toy."
    )
    assert second.startswith("intsim: error: converter broken: needs no_such_framework. Install it ")


def test_the_dialects_of_converters_are_listed(converters, capsys):
    converters.append(EntryPoint("broken", "no_such_framework:CONVERTER", "intsim.converters"))
    done = call(capsys, "dialects")
    assert done.status == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert ["plain", "converter", "toy", "(default)", "nothing", "special"] in lines
    assert ["odd", "converter", "other", "something", "else"] in lines
