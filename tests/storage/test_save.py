"""A file is written whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from intsim.arithmetic import Accumulator
from intsim.errors import FileError, Finding
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import Clamp, Dense
from intsim.storage import load, save
from intsim.storage.atomic import replacing
from tests.storage.files import small_network


def listing(folder):
    return sorted(os.listdir(folder))


def message_of(call):
    with pytest.raises(FileError) as caught:
        call()
    return str(caught.value)


def test_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("old")
    save(small_network(), path)
    assert load(path) == small_network()
    assert listing(tmp_path) == ["a.h5"]


def test_the_usual_permissions(tmp_path):
    save(small_network(), tmp_path / "a.h5")
    (tmp_path / "b").write_text("")
    assert (tmp_path / "a.h5").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_through_a_link(tmp_path):
    (tmp_path / "link.h5").symlink_to(tmp_path / "real.h5")
    save(small_network(), tmp_path / "link.h5")
    assert (tmp_path / "link.h5").is_symlink()
    assert load(tmp_path / "real.h5") == small_network()


def test_no_such_folder(tmp_path):
    path = tmp_path / "no" / "a.h5"
    assert (
        message_of(lambda: save(small_network(), path))
        == f"{path}: cannot be written: no such file or directory"
    )


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_only_regular_files_are_replaced(make, tmp_path):
    path = tmp_path / "a.h5"
    make(path)
    assert (
        message_of(lambda: save(small_network(), path))
        == f"{path}: must be a regular file, or not be there yet"
    )
    assert listing(tmp_path) == ["a.h5"]
    assert not stat.S_ISREG(path.stat().st_mode)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, FileError, ZeroDivisionError])
def test_nothing_is_left(error, tmp_path):
    (tmp_path / "a.h5").write_text("old")

    def half():
        with replacing(tmp_path / "a.h5") as beside:
            beside.write_text("half")
            raise error("stop")

    with pytest.raises(error):
        half()
    assert listing(tmp_path) == ["a.h5"]
    assert (tmp_path / "a.h5").read_text() == "old"


@pytest.mark.parametrize("limit", [100, 3000])
def test_the_disk_is_full(limit, tmp_path):
    """A limit on the file's size stands for the disk's."""
    (tmp_path / "a.h5").write_text("old")
    code = f"""
import resource, signal
from intsim.errors import FileError
from intsim.storage import save
from tests.storage.files import small_network
network = small_network()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    save(network, {str(tmp_path / "a.h5")!r})
except FileError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{tmp_path / 'a.h5'}: cannot be written: file too large\n"
    assert done.stderr == ""
    assert listing(tmp_path) == ["a.h5"]
    assert (tmp_path / "a.h5").read_text() == "old"


def dense_with(**fields):
    n = NetworkBuilder(source=fields.pop("source", ""))
    x = n.input("x", (1,), IntFormat(8))
    n.output(n.add(Dense(weight=[[1]], accumulator=Accumulator(IntFormat(64)), **fields), x, name="a/y"))
    return n.build()


@pytest.mark.parametrize(
    ("network", "where", "what"),
    [
        (
            dense_with(input_zero_point=2**64),
            "/nodes/a%2Fy.input_zero_point",
            "must fit 64 bits to be stored, not 18446744073709551616 to 18446744073709551616",
        ),
        (
            dense_with(input_zero_point=-(2**63) - 1),
            "/nodes/a%2Fy.input_zero_point",
            "must fit 64 bits to be stored, not -9223372036854775809 to -9223372036854775809",
        ),
        (dense_with(source="a\0b"), "/.source", "must be Unicode without NUL to be stored"),
        (dense_with(source="\udc80"), "/.source", "must be Unicode without NUL to be stored"),
    ],
)
def test_what_hdf5_does_not_hold(network, where, what, tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(FileError) as caught:
        save(network, path)
    assert caught.value.findings == (Finding(f"{path}:{where}", what),)
    assert listing(tmp_path) == []


def test_what_cannot_be_read(tmp_path):
    path = tmp_path / "a.h5"
    assert message_of(lambda: load(path)) == f"{path}: cannot be read: no such file or directory"
    path.mkdir()
    assert message_of(lambda: load(path)) == f"{path}: must be a regular file"
    (tmp_path / "b.h5").write_text("no HDF5")
    assert message_of(lambda: load(tmp_path / "b.h5")).startswith(
        f"{tmp_path / 'b.h5'}: must be a whole HDF5 file: "
    )
    os.mkfifo(tmp_path / "fifo")
    assert message_of(lambda: load(tmp_path / "fifo")) == f"{tmp_path / 'fifo'}: must be a regular file"


def test_a_loaded_file_is_free(tmp_path):
    """Nothing keeps the file open: its arrays are in memory, and it may be replaced."""
    save(small_network(), tmp_path / "a.h5")
    network = load(tmp_path / "a.h5")
    n = NetworkBuilder()
    n.output(n.add(Clamp(lo=0, hi=1), n.input("x", (1,), IntFormat(8)), name="y"))
    save(n.build(), tmp_path / "a.h5")
    assert network == small_network()
    assert load(tmp_path / "a.h5") == n.build()
