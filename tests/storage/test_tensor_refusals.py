"""Files of tensors that claim more than they hold, are damaged, or would run code are refused."""

import io
import os
import pickle
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intsim.errors import FileError
from tests.storage.tensor_files import message_of, read, written

FUNCTION_SCOPED = [HealthCheck.function_scoped_fixture]


class Harm:
    """Unpickled, it would end the tests."""

    def __reduce__(self):
        return os._exit, (1,)


def npy(descr="<i4", shape=(3,), content=b"\0" * 12, version=(1, 0)):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + size + header + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(content=b"\0" * 11), "must hold the 12 bytes of int32[3], not 11. [Y2]"),
        (npy(content=b"\0" * 13), "must hold the 12 bytes of int32[3], not 13. [Y2]"),
        (
            npy(shape=(2**40, 2**40)),
            f"must hold the {2**82} bytes of int32[1099511627776, 1099511627776], not 12. [Y2]",
        ),
        (npy(shape=(-1, 3)), "shape must not be negative, not (-1, 3). [Y1]"),
        (npy(shape=(-1, -3)), "shape must not be negative, not (-1, -3). [Y1]"),
        (npy("|O", content=pickle.dumps(Harm())), "must hold booleans, integers or floats, not object. [Y1]"),
        (npy("<U1"), "must hold booleans, integers or floats, not <U1. [Y1]"),
        (npy("<c8"), "must hold booleans, integers or floats, not complex64. [Y1]"),
        (npy("<M8[s]"), "must hold booleans, integers or floats, not datetime64[s]. [Y1]"),
        (npy([("a", "<i4")]), "must hold booleans, integers or floats, not [('a', '<i4')]. [Y1]"),
        (npy(version=(3, 0)), "must be of version 1.0 or 2.0, not 3.0. [Y1]"),
        (npy(shape="(3,"), "cannot be read: "),
        (npy(descr="<nonsense"), "cannot be read: "),
        (b"", "cannot be read: "),
        (b"\x93NUMPY\x01\x00\xff\xff", "cannot be read: "),
        (pickle.dumps(Harm()), "cannot be read: "),
    ],
)
def test_npy_files_that_are_refused(content, message, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    assert message_of(path).startswith(f"{path}: {message}")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    assert message_of(tmp_path / "a.npz").startswith(f"{tmp_path / 'a.npz'}:x: {message}")


def test_version_2_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy(version=(2, 0)))
    assert read(tmp_path / "a.npy")[""].tolist() == [0, 0, 0]


def zipped(path, *members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_zip_bomb(tmp_path):
    """Two gigabytes by the archive's directory: refused before anything is unfolded."""
    path = zipped(tmp_path / "a.npz", ("y.npy", npy()), compression=zipfile.ZIP_DEFLATED)
    set_size(path, 2**31)
    assert message_of(path) == (
        f"{path}:y: must unfold to at most {2**30} of {2**30} bytes, or be stored uncompressed,"
        f" not {2**31} bytes. [H3]"
    )


def set_size(path, size):
    """Change what an archive of one member says it unfolds to."""
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(content)


def test_a_directory_that_lies(tmp_path):
    """The directory says 140 bytes, the content unfolds to many more: no more than 140 are taken."""
    path = zipped(tmp_path / "a.npz", ("x.npy", npy() + bytes(100000)), compression=zipfile.ZIP_DEFLATED)
    set_size(path, len(npy()))
    assert "cannot be read: Bad CRC-32" in message_of(path)


@pytest.mark.parametrize(
    ("members", "options", "message"),
    [
        ([("readme.txt", b"")], {}, ":readme.txt: must be a .npy file, once"),
        (
            [("x.npy", npy())],
            {"compression": zipfile.ZIP_BZIP2},
            ":x: must be stored or deflated, and not encrypted. [Y3]",
        ),
        (
            [("x.npy", npy())],
            {"compression": zipfile.ZIP_LZMA},
            ":x: must be stored or deflated, and not encrypted. [Y3]",
        ),
        ([("folder/", b"")], {}, ":folder/: must be a .npy file, once"),
    ],
)
def test_archives_that_are_refused(members, options, message, tmp_path):
    path = zipped(tmp_path / "a.npz", *members, **options)
    assert message_of(path) == f"{path}{message}"


def test_a_member_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "a.npz", ("x.npy", npy()), ("x.npy", npy()))
    assert message_of(path) == f"{path}:x.npy: must be a .npy file, once"


@settings(suppress_health_check=FUNCTION_SCOPED, max_examples=80)
@given(data=st.data(), compressed=st.booleans())
def test_damaged_archives(data, compressed, tmp_path):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, x=np.arange(50), y=np.ones((2, 2)))
    assert_read_or_refused(tmp_path / "a.npz", damage(data, buffer.getvalue()))


@settings(suppress_health_check=FUNCTION_SCOPED, max_examples=80)
@given(data=st.data())
def test_damaged_arrays(data, tmp_path):
    assert_read_or_refused(tmp_path / "a.npy", damage(data, npy()))


@settings(suppress_health_check=FUNCTION_SCOPED, max_examples=80)
@given(data=st.data())
def test_damaged_hdf5(data, tmp_path):
    written(tmp_path / "good.h5", notes={"network": "net.h5"})
    assert_read_or_refused(tmp_path / "a.h5", damage(data, (tmp_path / "good.h5").read_bytes()))


def damage(data, content):
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    return (
        bytes(content[: data.draw(st.integers(0, len(content)))])
        if data.draw(st.booleans())
        else bytes(content)
    )


def assert_read_or_refused(path, content):
    path.write_bytes(content)
    try:
        read(path)
    except FileError as error:
        where = error.findings[0].where
    else:
        where = str(path)
    assert where.startswith(str(path))


def ours(path, change):
    written(path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.__setitem__("format_version", 2), ":/.format_version: must be 1, not 2"),
        (lambda file: file.__delitem__("intsim.specs"), ":/intsim.specs: must be a group, not missing"),
        (
            lambda file: file.__delitem__("intsim.specs/a second"),
            ":/intsim.specs/a second: must be a group, not missing",
        ),
        (lambda file: file.__delitem__("a second"), ":/a second: must be a batch of (), not missing"),
        (
            lambda file: file["intsim.specs/a second"].attrs.__setitem__("shape", [3]),
            ":/a second: must be a batch of (3,), not (5,)",
        ),
        (
            lambda file: file["intsim.specs/a second"].attrs.__setitem__("format", np.bytes_("int")),
            ":/intsim.specs/a second.format: must be float32 or float64 or int1 to int64, uint1 to uint64"
            " or a name of `intsim formats`, not 'int'"
            "\n{path}:/intsim.specs/a second: must be a group, not missing",
        ),
        (
            lambda file: file.__setitem__("x%", 1),
            ":/x%: name must have two hex digits after every %, not 'x%'",
        ),
        (
            lambda file: file.__setitem__("soft", h5py.SoftLink("/zé")),
            ":/soft: must be in the file, not a soft link. [H1]",
        ),
        (
            lambda file: file.create_dataset("b/first%2e1", data=1),
            ":/b/first%2e1: must be the only tensor named 'b/first.1'",
        ),
    ],
)
def test_hdf5_files_that_are_refused(change, message, tmp_path):
    path = ours(tmp_path / "a.h5", change)
    assert message_of(path) == str(path) + message.replace("{path}", str(path))


def test_a_gzip_bomb(tmp_path):
    """A chunk of zeros, and many more places that say they hold the same one."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", (2**11, 2**20), "i1", chunks=(2**10, 2**20), compression="gzip")
        packed = zlib.compress(bytes(2**16))
        for row in (0, 2**10):
            data.id.write_direct_chunk((row, 0), packed)
    assert message_of(tmp_path / "a.h5") == (
        f"{tmp_path / 'a.h5'}:/x: must unfold to at most {2**30} of {2**30} bytes, or be stored uncompressed,"
        f" not {2**31} bytes. [H3]"
    )


def test_what_cannot_be_read(tmp_path):
    for suffix in (".npy", ".npz", ".h5"):
        path = tmp_path / f"a{suffix}"
        assert message_of(path) == f"{path}: cannot be read: no such file or directory"
        path.mkdir()
        assert message_of(path) == f"{path}: must be a regular file"


def test_deep_groups_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["/".join("x" * 50)] = 1
    assert message_of(tmp_path / "a.h5").endswith(": must not lie deeper than 32 groups")
