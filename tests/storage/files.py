"""A small network that has every kind of field, and ways to spoil its file."""

import h5py
import numpy as np

from intsim.arithmetic import Accumulator, BiasPlace, Overflow, Requantization, Rounding, Scale, ShiftRight
from intsim.formats import IntFormat, Quantization
from intsim.network import NetworkBuilder
from intsim.ops import Clamp, Conv2d, Requantize, Split
from intsim.storage import save


def small_network():
    """A convolution, a requantization and a clamp."""
    n = NetworkBuilder(source="by hand: née Größe")
    x = n.input("x", (4, 4, 2), IntFormat(8), Quantization.per_tensor(0.5, 3))
    conv = Conv2d(
        weight=np.arange(24).reshape(3, 2, 2, 2) - 12,
        bias=[5, -6, 7],
        input_zero_point=3,
        padding=((1, 0), (0, 1)),
        accumulator=Accumulator(
            IntFormat(20),
            Overflow.SATURATE,
            order="chw",
            tile=4,
            inner=Accumulator(IntFormat(18)),
            bias=BiasPlace.FIRST,
        ),
    )
    rule = Requantization(
        (
            ShiftRight(bits=[3, 4, 5], rounding=Rounding.HALF_AWAY),
            Scale(factors=np.float32(0.75), after=np.float32(-1)),
        ),
        IntFormat(8),
    )
    per_channel = Quantization([0.5, 0.25, 0.125], [0, 1, 2], axis=2)
    sums = n.add(conv, x, name="conv/acc.1")
    codes = n.add(Requantize(rule), sums, name="conv", quantization=per_channel)
    n.output(n.add(Clamp(lo=-5, hi=100), codes, name="relu"), sums)
    return n.build()


def split_network():
    """A node with several outputs, one of them annotated."""
    n = NetworkBuilder()
    x = n.input("x", (6,), IntFormat(8))
    annotations = (None, Quantization.per_tensor(0.25), None)
    n.add_many(Split(axis=0, sizes=(1, 2, 3)), x, name="s", outputs=("a", "b", "c"), quantization=annotations)
    n.output("c", "a")
    return n.build()


def spoiled(path, change, network=None):
    """Save a network, and change the open file by `change`."""
    save(network or small_network(), path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def set_attribute(place, name, value):
    """A change that sets an attribute of the object at `place`."""

    def change(file):
        file[place].attrs[name] = value

    return change


def drop_attribute(place, name):
    """A change that takes an attribute away."""

    def change(file):
        del file[place].attrs[name]

    return change


def drop(place):
    """A change that takes a group or dataset away."""

    def change(file):
        del file[place]

    return change


def put(place, **options):
    """A change that puts a dataset at `place`, in place of what is there."""

    def change(file):
        if place in file:
            del file[place]
        file.create_dataset(place, **options)

    return change
