"""The range of each channel, as Python ints."""

from __future__ import annotations

import numpy as np

from intsim.arithmetic import Interval, Requantization
from intsim.record import Array


def channel_ranges(interval: Interval, *rules: Requantization) -> list[tuple[int, int]]:
    """Both ends for every channel that the range or a requantization tells apart; at least one.

    Of a range per element, the hull of each channel.

    Raises
    ------
    ValueError
        They do not agree on the number of channels.
    """
    interval = interval.by_channel()
    sizes = {*(rule.channels() for rule in rules), np.size(interval.lo), np.size(interval.hi)} - {1}
    if len(sizes) > 1:
        raise ValueError(f"requantizations and range must agree on the channels, not {sorted(sizes)}")
    count = max(sizes, default=1)
    ends: list[Array] = [
        np.broadcast_to(np.asarray(end, dtype=object).reshape(-1), (count,))
        for end in (interval.lo, interval.hi)
    ]
    return [(int(lo), int(hi)) for lo, hi in zip(*ends, strict=True)]
