"""What a start costs: numba is imported only where a kernel is first run."""

import os
import subprocess
import sys

import pytest

BUILD = """
import sys, numpy as np, intsim
from intsim.ops import Dense, Requantize
b = intsim.NetworkBuilder()
x = b.input("x", (4,), intsim.IntFormat(8))
sums = b.add(Dense(weight=np.full((3, 4), 100)), x, name="y")
rule = intsim.Requantization((), intsim.IntFormat(8))
b.output(b.add(Requantize(requantization=rule), sums, name="z"))
network = b.build()
"""


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import sys, intsim; intsim.IntFormat(8); intsim.run; intsim.plan; intsim.Datapath",
        BUILD + "intsim.plan(network)",
        BUILD + "intsim.run(network, np.ones((2, 4), np.int8), engine='reference')",
    ],
)
def test_no_numba_before_a_kernel_runs(code):
    assert python(code + "\nprint('numba' in sys.modules)") == "False\n"


@pytest.mark.parametrize("code", ["import sys, intsim", BUILD + "intsim.plan(network, engine='reference')"])
def test_no_compiler_before_a_plan_has_kernels(code):
    """A plan asks it for the processor's features."""
    assert python(code + "\nprint('llvmlite' in sys.modules)") == "False\n"


def test_every_public_name_is_there():
    code = "import intsim\nfor name in intsim.__all__: assert getattr(intsim, name) is not None, name"
    python(code + "\nassert set(intsim.__all__) == {n for names in intsim._ROOMS.values() for n in names}")
    python("import intsim\ntry: intsim.nothing\nexcept AttributeError as e: assert 'nothing' in str(e)")


def test_without_a_compiler_the_fast_engine_is_the_reference():
    code = BUILD + "p = intsim.plan(network); print(p.nodes[0].kernel, '/', p.nodes[0].reason.split(';')[0])"
    code += "\nprint(p.run(np.ones((1, 4), np.int8)).output.tolist(), 'numba' in sys.modules)"
    assert python(code, NUMBA_DISABLE_JIT="1") == (
        "reference int64 / NUMBA_DISABLE_JIT is set\n[[127, 127, 127]] False\n"
    )


def test_a_home_that_cannot_be_written(tmp_path):
    """The kernels compile and run; their cache goes among the temporary files, or where it is told to."""
    code = BUILD + "print(intsim.run(network, np.ones((1, 4), np.int8)).output.tolist())"
    code += "\nfrom intsim.kernels.jit import cache_folder; print(cache_folder())"
    (tmp_path / "file").write_text("")
    nowhere, temporary = str(tmp_path / "file" / "home"), tmp_path / "tmp"
    temporary.mkdir()
    environment = {"HOME": nowhere, "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": "", "TMPDIR": str(temporary)}
    shown = python(code, **environment).splitlines()
    assert shown[0] == "[[127, 127, 127]]"
    assert shown[1].startswith(str(temporary / "intsim-"))
    assert any(temporary.rglob("*.nbc"))
