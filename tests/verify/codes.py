"""What two functions make of single accumulators, by the oracle, and what a comparison of them must find."""

from __future__ import annotations

from intsim.testing.plain import plain
from intsim.verify.equivalence_evaluate import of_channel
from tests.oracles.arith import Trap, requantize


def maker(rule, channel=0):
    """A function from an accumulator to the oracle's code; None where a register traps."""
    # one channel only: the oracle is asked for one number at a time
    steps = plain(of_channel(rule, channel)) if rule.channels() > 1 else plain(rule)

    def code(value):
        try:
            return requantize([value], steps)[0]
        except Trap:
            return None

    return code


def expected(lo, hi, a, b):
    """Differing, first, a, b, largest, largest_at: all accumulators one by one."""
    apart = [(value, a(value), b(value)) for value in range(lo, hi + 1)]
    apart = [entry for entry in apart if entry[1] != entry[2]]
    if not apart:
        return 0, None, None, None, 0, None
    both = [(abs(x - y), -value) for value, x, y in apart if x is not None and y is not None]
    largest, at = max(both, default=(0, None))
    return len(apart), *apart[0], largest, None if at is None else -at


def told(entry):
    """The same of a ChannelComparison."""
    return entry.differing, entry.first, entry.a, entry.b, entry.largest, entry.largest_at


def stretches(lo, hi, *functions):
    """(first, last, codes) of every stretch on which monotone functions are constant, by halving."""
    waiting = [(lo, hi, tuple(f(lo) for f in functions), tuple(f(hi) for f in functions))]
    while waiting:
        first, last, begin, end = waiting.pop()
        if begin == end:
            yield first, last, begin
            continue
        middle = (first + last) // 2
        waiting.append((middle + 1, last, tuple(f(middle + 1) for f in functions), end))
        waiting.append((first, middle, begin, tuple(f(middle) for f in functions)))


def expected_of_monotone(lo, hi, a, b):
    """As `expected`, of two monotone functions on a long range."""
    apart = [(first, last, *codes) for first, last, codes in stretches(lo, hi, a, b) if codes[0] != codes[1]]
    if not apart:
        return 0, None, None, None, 0, None
    largest, at = max((abs(x - y), -first) for first, _, x, y in apart)
    first, _, x, y = apart[0]
    return sum(last - begin + 1 for begin, last, _, _ in apart), first, x, y, largest, -at
