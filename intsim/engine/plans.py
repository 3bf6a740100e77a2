"""The plans of networks that were run last, so that running one again costs no more than its kernels.

Rules
-----
Q12. A plan is used again for the same network, engine and wish for events, while the environment tells the
     kernels the same. It is the same network if it is the same object; networks cannot change.
Q13. A few plans are kept, those that were used last, and with them their networks.
"""

from __future__ import annotations

import os
import threading

from intsim.engine.planning import Plan, plan
from intsim.kernels.isa.table import VARIABLE, WEIGHTS_VARIABLE
from intsim.network import Network

_KEPT = 4
_TOLD = (VARIABLE, WEIGHTS_VARIABLE, "NUMBA_DISABLE_JIT")
"""Environment variables that the choice of kernels asks for."""

_Key = tuple[int, str, bool, tuple[str | None, ...]]

_plans: dict[_Key, Plan] = {}
"""By when they were used, the last one at the end."""

_lock = threading.Lock()


def planned(network: Network, *, engine: str = "fast", events: bool = False) -> Plan:
    """`plan`, or what it gave before (rules Q12 and Q13)."""
    key = (id(network), engine, events, tuple([os.environ.get(name) for name in _TOLD]))
    with _lock:
        held = _plans.pop(key, None)  # it holds its network, so that nothing else has this id
        if held is not None:
            _plans[key] = held
            return held
    made = plan(network, engine=engine, events=events)
    with _lock:
        _plans[key] = made
        while len(_plans) > _KEPT:
            del _plans[next(iter(_plans))]
    return made
