"""Files of compiled kernels: never another kernel's code, whoever writes at once, whatever breaks."""

import os
import subprocess
import sys
import threading

import pytest

from intsim.kernels import jit, kept

MODULE = """
from intsim.kernels.jit import compiled

@compiled
def scaled(x, y):
    return x * {factor} + y
"""
USE = """
import sys, time
sys.path.insert(0, {folder!r})
from intsim.kernels import jit
told = []
jit.tell_compilations(told.append)
from own import scaled
while time.time() < {start}:
    pass
print([scaled(*values) for values in {values!r}], len(told), jit.cache_folder())
"""


def using(tmp_path, values, start=0.0):
    """A process that calls a kernel of a module of the test's own, compiled for every signature."""
    code = USE.format(folder=str(tmp_path), values=values, start=start)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def answer(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.split("] ")[0] + "]"


def files(tmp_path):
    return sorted((tmp_path / "cache").rglob("*.nbc"))


def test_processes_that_compile_at_once(tmp_path):
    """Each compiles signatures of its own and one that all share; another one then reads them all."""
    import time

    (tmp_path / "own.py").write_text(MODULE.format(factor=10))
    values = [[(2, 1), (2.5, 1)], [(2, 1), (2, 1.5)], [(2, 1), (True, 2)]]
    begin = time.time() + 2.5
    running = [using(tmp_path, entry, begin) for entry in values]
    assert [answer(process) for process in running] == ["[21, 26.0]", "[21, 21.5]", "[21, 12]"]
    before = [(path, path.stat().st_mtime_ns) for path in files(tmp_path)]
    assert len(before) == 4
    everything = [pair for entry in values for pair in entry]
    assert answer(using(tmp_path, everything)) == "[21, 26.0, 21, 21.5, 21, 12]"
    assert [(path, path.stat().st_mtime_ns) for path in files(tmp_path)] == before


def test_an_edited_function_is_compiled_again(tmp_path):
    """Same name, same code, another constant, which numba's own key does not see."""
    for factor in (10, 20):
        (tmp_path / "own.py").write_text(MODULE.format(factor=factor))
        assert answer(using(tmp_path, [(1, 0)])) == f"[{factor}]"


def test_a_damaged_file_is_compiled_again(tmp_path):
    (tmp_path / "own.py").write_text(MODULE.format(factor=10))
    assert answer(using(tmp_path, [(1, 0)])) == "[10]"
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    assert answer(using(tmp_path, [(1, 0)])) == "[10]"
    assert len(path.read_bytes()) == len(whole)


@pytest.mark.parametrize("damage", ["none", "cut", "changed", "empty", "another", "a folder", "gone"])
def test_what_is_damaged_is_not_read(damage, tmp_path):
    path, other = tmp_path / "a.nbc", tmp_path / "b.nbc"
    kept.write(path, "a", [1])
    kept.write(other, "b", [1])
    whole = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "gone":
        changed = whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]
        held = {"none": whole, "cut": whole[:-1], "changed": changed, "empty": b""}
        path.write_bytes(held.get(damage, other.read_bytes()))
    assert kept.read(path, "a") == ([1] if damage == "none" else None)


def test_a_file_is_whole_or_not_there(tmp_path):
    """Many write and read under few names; what is read is what its key says."""
    wrong, seen = [], []

    def work(number):
        for turn in range(40):
            key = (number + turn) % 5
            path = tmp_path / f"{key}.nbc"
            kept.write(path, key, [key] * 1000)
            found = kept.read(path, key)
            seen.append(found)
            if found != [key] * 1000 or kept.read(path, key + 1) is not None:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, len(seen)) == ([], 240)
    assert sorted(os.listdir(tmp_path)) == [f"{key}.nbc" for key in range(5)]


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        kept.write(tmp_path / "a.nbc", 1, 2)
    assert os.listdir(tmp_path) == []


def test_a_kernel_runs_where_nothing_can_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path / "gone")

    @jit.compiled
    def tripled(x):
        return 3 * x

    assert tripled(14) == 42
    assert os.listdir(tmp_path) == []


def test_compilations_of_intsim_are_told(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(jit, "_told", [told.append])
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)

    def halved(x):
        return x // 2

    halved.__module__ = "intsim.kernels.somewhere"
    assert jit.compiled(halved)(84) == 42
    assert told == ["halved"]
    assert jit.compiled(halved)(84) == 42  # from its file
    assert told == ["halved"]
    halved.__module__ = "elsewhere"
    assert jit.compiled(halved)(84) == 42
    assert told == ["halved"]


def test_what_only_compiling_needs_is_not_loaded_for_kept_kernels(tmp_path):
    """numba's implementations, and scipy that they ask for a BLAS; a function that needs them finds them."""
    script = tmp_path / "script.py"
    script.write_text("""
import sys, numpy as np
from intsim.kernels.jit import compiled
@compiled
def one(x):
    y = np.empty_like(x)
    y[0] = x[3]
    return y[0]
assert one(np.arange(4)) == 3
kept = not {"scipy.linalg", "numba.np.arraymath"} & sys.modules.keys()
import numba
@numba.njit
def product(a, b):
    return np.dot(a, b)
assert product(np.eye(2), np.full((2, 2), 3.0)).tolist() == [[3.0, 3.0], [3.0, 3.0]]
print("kept" if kept else "compiled")
""")
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, script],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.strip())
    assert said == ["compiled", "kept"]
