"""A damaged file gives a network or a FileError: nothing else, and not for ever."""

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intsim.errors import FileError
from intsim.network import Network
from intsim.record import Record, schema
from intsim.storage import load, save
from tests.storage.files import small_network


def rewritten(source, target):
    """The same content in HDF5's oldest layout, whose headers carry no checksums."""

    def copy(old, new):
        for name, value in old.attrs.items():
            new.attrs[name] = value
        for name, entry in old.items():
            if isinstance(entry, h5py.Group):
                copy(entry, new.create_group(name))
            else:
                new.create_dataset(name, data=entry[()])

    with h5py.File(source) as old, h5py.File(target, "w", libver="earliest") as new:
        copy(old, new)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The bytes of a good file, in the layout that intsim writes and in the oldest one."""
    folder = tmp_path_factory.mktemp("damage")
    save(small_network(), folder / "new.h5")
    rewritten(folder / "new.h5", folder / "old.h5")
    assert load(folder / "old.h5") == small_network()
    return {name: (folder / f"{name}.h5").read_bytes() for name in ("new", "old")}


def outcome(path, content):
    path.write_bytes(content)
    try:
        return load(path)
    except FileError as error:
        wheres = {finding.where.startswith(str(path)) for finding in error.findings}
    assert wheres == {True}
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(layout=st.sampled_from(["new", "old"]), data=st.data())
def test_flipped_bytes(layout, data, contents, tmp_path):
    content = bytearray(contents[layout])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    assert isinstance(outcome(tmp_path / "a.h5", bytes(content)), Network | None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(layout=st.sampled_from(["new", "old"]), data=st.data())
def test_cut_files(layout, data, contents, tmp_path):
    content = contents[layout]
    end = data.draw(st.integers(0, len(content) - 1))
    assert outcome(tmp_path / "a.h5", content[:end]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(layout=st.sampled_from(["new", "old"]), data=st.data())
def test_moved_blocks(layout, data, contents, tmp_path):
    content = contents[layout]
    begin, end = sorted(data.draw(st.integers(0, len(content))) for _ in range(2))
    to = data.draw(st.integers(0, len(content)))
    moved = (content[:to] + content[begin:end] + content[to + end - begin :])[: len(content)]
    assert isinstance(outcome(tmp_path / "a.h5", moved), Network | None)


@given(content=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_no_hdf5_at_all(content, tmp_path):
    assert outcome(tmp_path / "a.h5", content) is None
    assert outcome(tmp_path / "a.h5", b"\x89HDF\r\n\x1a\n" + content) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_damage_outside_the_arrays_is_seen(data, contents, tmp_path):
    """In the layout that intsim writes, all but the arrays' values is under a checksum."""
    content = bytearray(contents["new"])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    again = outcome(tmp_path / "a.h5", bytes(content))
    assert again is None or without_values(again) == without_values(small_network())


def without_values(value):
    """A record as plain data, its arrays by type and shape only."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape
    if isinstance(value, Record):
        return type(value), [without_values(getattr(value, entry.name)) for entry, _ in schema(type(value))]
    return [without_values(entry) for entry in value] if isinstance(value, tuple) else value
