"""Times of several contenders who take turns, so that what disturbs one disturbs all.

Rules
-----
T1. Each is called once before it is measured.
T2. A measurement lasts `LEAST` seconds (of several threads ten times that) or one call, whichever is
    longer: short calls are repeated.
T3. Measurements go round: every contender once, then again, beginning with another one each time.
T4. A contender has had enough after `seconds`, and at least `ROUNDS` measurements; where one call alone takes
    longer than `seconds`, after one.
T5. One thread is measured by the processor's time, which other processes do not lengthen; several threads
    by the clock.
T6. Before the first measurement, and before each of several threads, all rest for `REST` seconds: the
    threads of some peers go on turning for a while when their work is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

LEAST = 0.005
REST = 0.03
ROUNDS = 5

Call = Callable[[], object]


@dataclass
class Times:
    """Seconds of one call, a value for each measurement."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)


def take_turns(contenders: Mapping[str, Call], seconds: float, threads: int) -> dict[str, Times]:
    """Measure all contenders.

    Parameters
    ----------
    contenders : name -> a call that does the work once
    seconds : how long each is measured
    threads : how many each uses (rule T5)
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    least = LEAST if threads == 1 else 10 * LEAST
    repeats = {name: _repeats(call, clock, least) for name, call in contenders.items()}
    times = {name: Times() for name in contenders}
    waiting = list(contenders)
    time.sleep(REST)
    while waiting:
        for name in waiting:
            if threads > 1:
                time.sleep(REST)
            times[name].seconds.append(_once(contenders[name], repeats[name], clock))
        waiting = [name for name in waiting if not _enough(times[name], repeats[name], seconds)]
        waiting = waiting[1:] + waiting[:1]
    return times


def _repeats(call: Call, clock: Callable[[], float], least: float) -> int:
    """Rules T1 and T2; what was measured here is thrown away."""
    call()
    return max(1, round(least / max(_once(call, 1, clock), 1e-7)))


def _once(call: Call, repeats: int, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(repeats):
        call()
    return (clock() - begin) / repeats


def _enough(times: Times, repeats: int, seconds: float) -> bool:
    """Rule T4."""
    spent = sum(times.seconds) * repeats
    return spent >= seconds and (len(times.seconds) >= ROUNDS or times.least > seconds)
