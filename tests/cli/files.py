"""Networks and inputs for the command, and a way to call it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import Accumulator, Overflow, Requantization, ShiftRight
from intsim.cli.main import main
from intsim.formats import IntFormat, Quantization
from intsim.network import NetworkBuilder
from intsim.ops import Clamp, Dense, Requantize
from intsim.storage import save

X = np.arange(-12, 12, dtype=np.int8).reshape(6, 4)


@dataclass(frozen=True)
class Done:
    """How a call of the command ended."""

    status: int
    out: str
    err: str


def call(capsys, *arguments) -> Done:
    """Run the command in this process."""
    capsys.readouterr()
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as ending:
        status = ending.code
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return Done(status, told.out, told.err)


def small(overflow=Overflow.WRAP, bits=32, quantized=True):
    """A dense layer of 4 to 2, requantized and clamped."""
    n = NetworkBuilder(source="by hand")
    x = n.input("x", (4,), IntFormat(8), Quantization.per_tensor(0.5, 1) if quantized else None)
    dense = Dense(
        weight=[[1, 2, 3, 4], [-1, 0, 100, 3]],
        bias=[7, -7],
        input_zero_point=1,
        accumulator=Accumulator(IntFormat(bits), overflow),
    )
    sums = n.add(dense, x, name="fc/acc")
    codes = n.add(Requantize(Requantization((ShiftRight(bits=2),))), sums, name="fc")
    n.output(n.add(Clamp(lo=-20, hi=20), codes, name="relu"))
    return n.build()


def two_doors():
    """Two inputs, two outputs."""
    n = NetworkBuilder()
    a, b = (n.input(name, (2,), IntFormat(4)) for name in ("a", "b/1"))
    n.output(n.add(Clamp(lo=0, hi=3), b, name="clamped"), n.add(Clamp(lo=-1, hi=1), a, name="other"))
    return n.build()


def expected_sums(x):
    """The dense layer of `small`, in Python ints."""
    weight, bias = [[1, 2, 3, 4], [-1, 0, 100, 3]], [7, -7]
    return [
        [
            sum((int(v) - 1) * w for v, w in zip(row, line, strict=True)) + b
            for line, b in zip(weight, bias, strict=True)
        ]
        for row in x
    ]


def expected(x):
    """The output of `small`, in Python ints."""
    codes = [[max(-128, min(127, value >> 2)) for value in row] for row in expected_sums(x)]
    return [[max(-20, min(20, value)) for value in row] for row in codes]


def setup(folder, network=None, x=X):
    """A network file and an input file."""
    save(network or small(), folder / "net.h5")
    np.save(folder / "x.npy", x)
    return folder / "net.h5", folder / "x.npy"


def listing(folder):
    return sorted(os.listdir(folder))
