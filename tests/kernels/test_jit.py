"""The folder of compiled kernels: keyed by what decides them, never shared with other users."""

import os
import shutil
from pathlib import Path

import pytest

from intsim.kernels import jit, threads


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """No folder chosen yet; a home and a temporary folder of the test's own."""
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(jit.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    jit.cache_folder.cache_clear()
    yield tmp_path
    jit.cache_folder.cache_clear()


def test_the_folder_is_below_the_home(fresh):
    assert jit.cache_folder() == fresh / "home" / ".cache" / "intsim" / f"kernels-{jit.digest()}"


def test_the_folder_can_be_chosen(fresh, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(fresh / "x"))
    assert jit.cache_folder().parent == fresh / "x" / "intsim"
    jit.cache_folder.cache_clear()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "n"))
    assert jit.cache_folder().parent == fresh / "n" / "intsim"


def test_without_a_home_it_is_private(fresh):
    (fresh / "home").write_text("a file, so nothing can be made below it")
    folder = jit.cache_folder()
    assert folder.parent == fresh / "tmp" / f"intsim-{os.getuid()}"
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_a_temporary_folder_that_others_can_write_is_not_used(fresh):
    (fresh / "home").write_text("")
    planted = fresh / "tmp" / f"intsim-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    folder = jit.cache_folder()
    assert planted not in folder.parents
    assert folder.parent == fresh / "tmp"
    assert not any(planted.iterdir())


def taken_away(folder, monkeypatch):
    """Give a folder to another user."""
    if os.getuid() == 0:
        os.chown(folder, 12345, -1)
    else:
        monkeypatch.setattr(jit.os, "getuid", lambda: 12345)


@pytest.mark.parametrize("whose", ["another's", "for all to write"])
def test_a_folder_of_somebody_else_is_not_used(whose, fresh, monkeypatch):
    planted = fresh / "home" / ".cache" / "intsim" / f"kernels-{jit.digest()}"
    planted.mkdir(parents=True)
    (planted / "planted.nbc").write_bytes(b"code")
    if whose == "another's":
        taken_away(planted, monkeypatch)
    else:
        planted.chmod(0o777)
    folder = jit.cache_folder()
    assert folder != planted
    assert fresh / "tmp" in folder.parents


def test_the_next_place_is_taken_where_the_chosen_one_is_somebody_elses(fresh, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "n"))
    planted = fresh / "n" / "intsim" / f"kernels-{jit.digest()}"
    planted.mkdir(parents=True)
    planted.chmod(0o777)
    assert jit.cache_folder().parent == fresh / "home" / ".cache" / "intsim"


def test_a_folder_that_cannot_be_written_is_read(fresh, monkeypatch):
    full = fresh / "home" / ".cache" / "intsim" / f"kernels-{jit.digest()}"
    full.mkdir(parents=True)
    monkeypatch.setattr(
        jit, "_can_write", lambda folder: full != folder and folder.mkdir(exist_ok=True) is None
    )
    assert fresh / "tmp" in jit.cache_folder().parents
    jit.cache_folder.cache_clear()
    (full / "kernel.nbc").write_bytes(b"")
    assert jit.cache_folder() == full


def test_an_edited_kernel_has_another_folder(monkeypatch, tmp_path):
    copied = tmp_path / "kernels"
    shutil.copytree(Path(jit.__file__).parent, copied)
    digests = []
    monkeypatch.setattr(jit, "__file__", str(copied / "jit.py"))
    for edit in ("", "# edited\n"):
        path = copied / "steps.py"
        path.write_text(path.read_text() + edit)
        jit.digest.cache_clear()
        digests.append(jit.digest())
    jit.digest.cache_clear()
    assert digests[0] != digests[1]


def test_numbas_own_setting_is_left_as_it_was():
    import numba

    before = numba.config.CACHE_DIR

    @jit.compiled
    def double(x):
        return 2 * x

    assert double(21) == 42
    assert before == numba.config.CACHE_DIR


@pytest.mark.parametrize(
    ("total", "count", "least"), [(0, 3, 1), (1, 3, 1), (10, 3, 1), (10, 3, 4), (7, 7, 1)]
)
def test_ranges_cover_everything_once(total, count, least):
    parts = threads.split(total, count, least)
    assert [i for begin, end in parts for i in range(begin, end)] == list(range(total))
    assert len(parts) <= count
    assert all(end - begin >= min(least, total) for begin, end in parts)


def test_an_error_in_any_part_is_raised():
    for wrong in (0, 5, 9):

        def part(begin, end, wrong=wrong):
            if begin <= wrong < end:
                raise ValueError(str(wrong))

        with pytest.raises(ValueError, match=str(wrong)):
            threads.run_parts(part, 10, 3)
