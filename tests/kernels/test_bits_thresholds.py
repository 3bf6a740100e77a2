"""Signs of sums, one threshold for each channel: finished in the kernel that sums, against Python ints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Add, Interval, Requantization, ShiftLeft, Thresholds
from intsim.formats import IntFormat
from intsim.kernels.epilogue import padded
from intsim.kernels.finish import finish
from intsim.kernels.finishing import epilogue_of


def signs(thresholds):
    """+1 from a threshold on, else -1."""
    steps = (Thresholds(values=np.array(thresholds)[:, None]), ShiftLeft(bits=1), Add(values=-1))
    return Requantization(steps, IntFormat(2))


def finished(epilogue, values):
    """The codes of values (rows, channels)."""
    sums = np.zeros((values.shape[0], padded(values.shape[1])), np.int32)
    sums[:, : values.shape[1]] = values
    out = np.full((values.shape[0] + 1, values.shape[1]), 77, np.int8)
    finish(sums, values.shape[0], epilogue, out, 0, 0)
    assert (out[-1] == 77).all()
    return out[:-1]


@pytest.mark.parametrize("bits", [32, 16])
@given(data=st.data())
@settings(max_examples=30)
def test_a_threshold_for_each_channel(bits, data):
    """Also where it is beyond the range, so that a channel has one code only."""
    most = data.draw(st.sampled_from([3, 576, 4608, 30_000]))
    channels = data.draw(st.integers(1, 40))
    within = st.one_of(st.integers(-most - 5, most + 5), st.integers(-3, 3))
    thresholds = data.draw(st.lists(within, min_size=channels, max_size=channels))
    made = epilogue_of(signs(thresholds), Interval(-most, most), channels, IntFormat(bits))
    assert not isinstance(made, str), made
    near = [[t + d for t in thresholds] for d in (-2, -1, 0, 1)]
    ends = [[end] * channels for end in (-most, -1, 0, most)]
    values = np.clip(np.array(near + ends), -most, most)
    expected = [
        [1 if v >= t else -1 for v, t in zip(row, thresholds, strict=True)] for row in values.tolist()
    ]
    assert finished(made[0], values).tolist() == expected
    assert "equals the steps on all" in made[1]
