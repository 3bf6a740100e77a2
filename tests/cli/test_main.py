"""The command as a whole: help, exit status, what is said where."""

import os
import signal
import subprocess
import sys
import time
from importlib import import_module

import pytest

from intsim.cli import info
from intsim.cli.main import VERBS, main
from intsim.errors import FileError, Finding, MismatchError, OverflowTrap
from tests.cli.files import call, setup

INTSIM = [sys.executable, "-W", "error", "-m", "intsim.cli.main"]


def test_help_names_every_verb(capsys):
    done = call(capsys, "--help")
    assert done.status == 0
    assert done.err == ""
    for verb in VERBS:
        assert f"    {verb.replace('_', '-')}" in done.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(verb, capsys):
    done = call(capsys, verb.replace("_", "-"), "--help")
    assert done.status == 0
    module = import_module(f"intsim.cli.{verb}")
    assert module.__doc__.splitlines()[0] in done.out
    examples = done.out.split("examples:\n")[1]
    assert all(
        line.startswith(f"  intsim {verb.replace('_', '-')} ")
        for line in module.EXAMPLES.splitlines()[:2]
        if line.count(" ") > 3
    )
    assert module.EXAMPLES.strip() in examples


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom intsim.cli.main import main\n"
        "try: main(['run', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'h5py', 'rich', 'intsim.ops'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_help_of_the_command_imports_neither_numpy_nor_numba(tmp_path):
    """As a process of its own, `info` too: it shows a network and runs nothing."""
    network, _ = setup(tmp_path)
    for arguments, light in (
        (["--help"], {"numpy", "numba"}),
        (["info", str(network)], {"numba", "llvmlite"}),
    ):
        code = (
            f"import sys; sys.argv = ['intsim', *{arguments!r}]\n"
            "from intsim.cli.main import main\n"
            "try: main()\nexcept SystemExit: pass\n"
            f"assert not {light!r} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_first_use_says_what_it_compiles(tmp_path):
    """Once, on stderr; the second use says nothing."""
    network, inputs = setup(tmp_path)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    told = []
    for name in ("first.npz", "second.npz"):
        command = [*INTSIM, "run", network, "-i", inputs, "-o", tmp_path / name]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout == ""
        told.append(done.stderr)
    first = told[0].splitlines()
    assert len(first) == 1
    assert first[0].startswith("intsim: compiling ")
    assert first[0].endswith(f"; kept in {next((tmp_path / 'cache' / 'intsim').iterdir())}")
    assert told[1] == ""
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_version(capsys):
    done = call(capsys, "--version")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("intsim 0.")


@pytest.mark.parametrize(
    "arguments",
    [(), ("nonsense",), ("info",), ("info", "a", "b"), ("run", "net.h5"), ("run", "a", "--threads", "x")],
)
def test_wrong_usage(arguments, capsys):
    done = call(capsys, *arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("usage: intsim")
    assert "error: " in done.err.splitlines()[-1]


def test_all_findings_are_told(capsys, monkeypatch):
    def run(arguments):
        raise FileError([Finding("a", "first"), Finding("", "second")])

    monkeypatch.setattr(info, "run", run)
    done = call(capsys, "info", "net.h5")
    assert (done.status, done.out) == (2, "")
    assert done.err == "intsim: error: a: first\nintsim: error: second\n"


def test_what_a_file_says_does_not_steer_the_terminal(capsys, monkeypatch):
    def run(arguments):
        raise FileError([Finding("a\x1b[31m\n\u202e\u00e4", "n" * 3000), *[Finding("b", "more")] * 150])

    monkeypatch.setattr(info, "run", run)
    done = call(capsys, "info", "net.h5")
    first, *others = done.err.splitlines()
    assert first.startswith(r"intsim: error: a\x1b[31m\n\u202eä: nnn")
    assert first.endswith("n ... (3,020 characters)")
    assert len(first) < 2100
    assert others == ["intsim: error: b: more"] * 99 + ["intsim: error: and 51 more"]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OverflowTrap("it does not fit"), 1, "intsim: error: it does not fit\n"),
        (MismatchError("they differ"), 1, "intsim: error: they differ\n"),
        (MemoryError(), 2, "intsim: error: there is not enough memory for this\n"),
        (KeyboardInterrupt(), 130, "intsim: interrupted\n"),
        (OSError(28, "No space left on device"), 2, "intsim: error: no space left on device\n"),
    ],
)
def test_exit_status(error, status, said, capsys, monkeypatch):
    def run(arguments):
        raise error

    monkeypatch.setattr("intsim.cli.main._close_stdout", lambda: None)
    monkeypatch.setattr(info, "run", run)
    done = call(capsys, "info", "net.h5")
    assert (done.status, done.out, done.err) == (status, "", said)


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    def run(arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(info, "run", run)
    with pytest.raises(ZeroDivisionError):
        main(["info", "net.h5"])


def test_being_terminated(capsys, monkeypatch):
    def run(arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(info, "run", run)
    done = call(capsys, "info", "net.h5")
    assert (done.status, done.err) == (130, "intsim: interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_goes_away():
    done = subprocess.run(
        ["bash", "-c", f'{" ".join(INTSIM)} formats uint8 | head -1; echo "${{PIPESTATUS[0]}}"'],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() in (["name     uint8", "0"], ["name     uint8", "141"])


def test_a_full_disk_under_stdout():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*INTSIM, "formats"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "intsim: error: no space left on device\n"


def test_as_a_command(tmp_path):
    network, _ = setup(tmp_path)
    done = subprocess.run([*INTSIM, "check-model", network], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{network}: valid, 3 nodes\n", "")
    done = subprocess.run([*INTSIM, "info", tmp_path / "no.h5"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"intsim: error: {tmp_path / 'no.h5'}: cannot be read: no such file or directory\n"


def test_interrupted_in_the_middle_of_a_run(tmp_path):
    """Ctrl-C while outputs are being written: nothing is left, and nothing but one line is said."""
    network, inputs = setup(tmp_path)
    code = f"""
import os, signal, sys
from intsim.cli.main import main
from intsim.storage.writing import TensorWriter
TensorWriter.append = lambda self, arrays: os.kill(os.getpid(), signal.{{}})
sys.exit(main(["run", {str(network)!r}, "-i", {str(inputs)!r}, "-o", {str(tmp_path / "out.npz")!r}]))
"""
    for name in ("SIGINT", "SIGTERM"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(name)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "intsim: interrupted\n")
        assert sorted(os.listdir(tmp_path)) == ["net.h5", "x.npy"]
