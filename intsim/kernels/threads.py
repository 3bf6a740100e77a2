"""Work split over threads by rows: which thread does what never changes a byte."""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue


def split(total: int, threads: int, least: int = 1) -> list[tuple[int, int]]:
    """Ranges that cover 0 to `total`, one per thread, none shorter than `least` if there are several.

    Examples
    --------
    >>> split(10, 3), split(10, 3, least=4), split(0, 3)
    ([(0, 4), (4, 7), (7, 10)], [(0, 5), (5, 10)], [])
    """
    count = min(threads, max(1, total // least), total)
    if count <= 0:
        return []
    size, rest = divmod(total, count)
    ends = [0]
    for part in range(count):
        ends.append(ends[-1] + size + (part < rest))
    return list(itertools.pairwise(ends))


def run_parts(work: Callable[[int, int], None], total: int, threads: int, least: int = 1) -> None:
    """Call `work(begin, end)` for every range, at once."""
    if threads == 1 or total < 2 * least:
        if total > 0:
            work(0, total)
        return
    parts = split(total, threads, least)
    if len(parts) <= 1:
        for begin, end in parts:
            work(begin, end)
        return
    first, *others = parts
    waiting = [workers(threads - 1).submit(work, begin, end) for begin, end in others]
    try:
        work(*first)
    finally:
        for entry in waiting:
            entry.result()


Task = tuple[Callable[..., object], tuple[object, ...]]
"""A function and its arguments."""


def helpers(count: int) -> SimpleQueue[Task]:
    """Where idle threads take tasks from; nobody hears how one ends. To begin takes them half as long as it
    takes `workers`."""
    return _helpers(count, os.getpid())


@functools.cache
def _helpers(count: int, process: int) -> SimpleQueue[Task]:
    tasks: SimpleQueue[Task] = SimpleQueue()

    def help_out() -> None:
        while True:
            function, arguments = tasks.get()
            function(*arguments)
            del function, arguments  # else they stay until the next task

    for _ in range(count):
        threading.Thread(target=help_out, name="intsim-helper", daemon=True).start()
    return tasks


def workers(count: int) -> ThreadPoolExecutor:
    """Idle threads kept for the next time; a forked process makes its own."""
    return _pool(count, os.getpid())


@functools.cache
def _pool(count: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix="intsim")
