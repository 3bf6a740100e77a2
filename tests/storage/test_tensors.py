"""Files of tensors: what is written is read; what is claimed is checked."""

import os
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from intsim.errors import FileError
from intsim.formats import IntFormat, TensorSpec
from intsim.storage import open_tensors, write_tensors
from intsim.storage.writing import kind_of
from tests.storage.tensor_files import SPECS, arrays_of, assert_same, read, written


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".hdf5", ".NPZ"])
@pytest.mark.parametrize("chunks", [(5,), (2, 3), (1, 1, 1, 1, 1)])
def test_written_is_read(suffix, chunks, tmp_path):
    path = tmp_path / f"a{suffix}"
    assert_same(read_in_order(path, written(path, chunks=chunks)), arrays_of(5))
    assert os.listdir(tmp_path) == [path.name]


def read_in_order(path, expected):
    found = read(path)
    assert list(found) == list(expected)
    return found


@pytest.mark.parametrize("spec", SPECS.values())
def test_one_tensor(spec, tmp_path):
    expected = written(tmp_path / "a.npy", specs={"only": spec})
    assert_same(read(tmp_path / "a.npy"), {"": expected["only"]})
    assert np.array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), expected["only"])
    with open_tensors(tmp_path / "a.npy") as file:
        assert list(file.named("x")) == ["x"]


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_no_samples(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    expected = written(path, batch=0, chunks=())
    assert_same(read(path), expected)


def test_numpy_and_h5py_read_it(tmp_path):
    expected = written(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert_same({name: archive[name] for name in archive.files}, expected)
    written(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["a second"][()], expected["a second"])
        assert np.array_equal(file["b%2Ffirst%2E1"][()], expected["b/first.1"])


def test_what_an_h5_file_says(tmp_path):
    notes = {"network": "net.h5", "datapath": "long " * 20000, "empty": ""}
    written(tmp_path / "a.h5", notes=notes)
    with open_tensors(tmp_path / "a.h5") as file:
        assert dict(file.specs) == SPECS
        assert list(file) == list(SPECS)
        assert file.notes == notes


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_same_bytes_at_another_time(suffix, tmp_path):
    written(tmp_path / f"a{suffix}")
    time.sleep(2.1)  # zip's times count two seconds
    written(tmp_path / f"b{suffix}", chunks=(5,))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_files_of_others(tmp_path):
    image, other = np.arange(12).reshape(3, 4), np.float32([[1.5]])
    np.savez(tmp_path / "a.npz", image=image, other=np.asfortranarray(image))
    assert_same(read(tmp_path / "a.npz"), {"image": image, "other": image})
    np.savez_compressed(tmp_path / "b.npz", image=image, other=other)
    assert_same(read(tmp_path / "b.npz"), {"image": image, "other": other})
    np.save(tmp_path / "a.npy", np.asfortranarray(image))
    assert_same(read(tmp_path / "a.npy"), {"": image})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["block1/conv.weight"] = image
        file["a%2Fb"] = image
        file.create_dataset("packed", data=image, compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("fast", data=image, compression="lzf")
        file["packed"].attrs["note"] = "of varying length: not looked at"
        file.attrs["format"] = np.bytes_("NHWC")
    assert_same(
        read(tmp_path / "a.h5"), {"a/b": image, "fast": image, "packed": image, "block1/conv.weight": image}
    )
    with open_tensors(tmp_path / "a.h5") as file:
        assert file["fast"].shape == (3, 4)
        assert file["fast"][1:, 0].tolist() == [4, 8]
        assert dict(file.specs) == {}


def test_npy_files_are_mapped(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((100, 100)))
    with open_tensors(tmp_path / "a.npy") as file:
        assert isinstance(file[""], np.memmap)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("a.csv", 1, "name must end in .npy, .npz, .h5, not '.csv'"),
        ("a", 1, "name must end in .npy, .npz, .h5, not ''"),
        ("a.npy", 2, "a .npy file must hold one tensor, not 2; use .npz or .h5"),
    ],
)
def test_names_that_cannot_be_written(name, count, message, tmp_path):
    with pytest.raises(FileError) as caught:
        kind_of(tmp_path / name, count)
    assert str(caught.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize("fault", ["few", "raise", "shape", "dtype", "names", "rows"])
def test_nothing_is_left(suffix, fault, tmp_path):
    specs = {"x": TensorSpec((2,), IntFormat(8)), "y": TensorSpec((2,), IntFormat(8))}
    specs = {"x": specs["x"]} if suffix == ".npy" else specs
    right = {name: np.zeros((2, 2), np.int8) for name in specs}
    wrong = {
        "few": {name: values[:1] for name, values in right.items()},
        "shape": {**right, "x": np.zeros((2, 3), np.int8)},
        "dtype": {**right, "x": np.zeros((2, 2), np.uint8)},
        "names": {**right, "z": right["x"]},
        "rows": {name: np.zeros((index + 3, 2), np.int8) for index, name in enumerate(specs)},
    }

    def run():
        with write_tensors(tmp_path / f"a{suffix}", specs, 2) as writer:
            if fault == "raise":
                raise KeyboardInterrupt
            writer.append(wrong[fault])

    with pytest.raises((KeyboardInterrupt, ValueError)):
        run()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize("limit", [100, 30000, 80050])
def test_the_disk_is_full(suffix, limit, tmp_path):
    code = f"""
import resource, signal
import numpy as np
from intsim.errors import FileError
from intsim.formats import IntFormat, TensorSpec
from intsim.storage import write_tensors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    specs = {{"x": TensorSpec((20000,), IntFormat(8))}}
    with write_tensors({str(tmp_path / ("a" + suffix))!r}, specs, 4) as writer:
        for _ in range(2):
            writer.append({{"x": np.ones((2, 20000), np.int8)}})
except FileError as error:
    print(error)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path / ('a' + suffix)}: cannot be written: file too large\n"
    assert done.stderr == ""
    assert os.listdir(tmp_path) == []
