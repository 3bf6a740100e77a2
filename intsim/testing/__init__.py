"""For tests in other packages: of accumulator widths and overflow bounds, and of ops of one's own.

Property tests of overflow bounds
---------------------------------
A rule that gives a width, a bound, or a requantization is held to account in four steps.

1. Draw. `intsim.testing.strategies` has `formats`, `codes` and `tensors` (edges, sums of edges and masked
   random integers far more often than chance), `accumulators` (chains, trees, tiles in registers of their
   own, zero points and bias in every place), `registers` and `requantizations`. `intsim.testing.layers` has
   `summing_ops`, `intsim.testing.networks` has `networks` and `inputs`, and `intsim.testing.ranges` has
   `intervals` and `input_ranges`, with values inside them. These need Hypothesis: the extra ``testing``.
2. Build the network with the width that the rule under test gives.
3. Assert. `assert_proved` asks for a proof over all inputs; `assert_no_overflow` executes some;
   `assert_within` holds values against bounds; `assert_same` compares integers.
4. Read. Every message names the node by its name in the network, the first element that is wrong, its
   value in decimal and hexadecimal, and an input that makes it so.

A rule that takes the sum of the weights' magnitudes times the largest activation, and needs no more:

>>> from hypothesis import given, strategies as st
>>> from intsim import Accumulator, IntFormat, Interval, NetworkBuilder
>>> from intsim.ops import Dense
>>> from intsim.testing.strategies import codes
>>> def layer(weights, bits):
...     b = NetworkBuilder()
...     x = b.input("x", (len(weights),), IntFormat(6, signed=False))
...     accumulator = Accumulator(IntFormat(bits))
...     b.output(b.add(Dense(weight=[weights], accumulator=accumulator), x, name="sum"))
...     return b.build()
>>> @given(st.lists(codes(IntFormat(4)), min_size=1, max_size=8))
... def test_the_rule_is_enough(weights):
...     assert_proved(layer(weights, 1 + (63 * sum(map(abs, weights))).bit_length()))
>>> test_the_rule_is_enough()

Half of that is enough only where the weights sum to 0; one weight is the counterexample:

>>> assert_proved(layer([-2], 7))
Traceback (most recent call last):
    ...
AssertionError: accumulators are not proved:
  sum (dense, int7 wrap): 1 of 1 channels; channel 0 delivers 2 where the sum is -126, on [63]

Inputs that are narrower than their format are said so:

>>> assert_proved(layer([-2], 7), {"x": Interval(0, 32)})

What is proved is that the outermost register delivers the exact sum, whatever the input: WRAP may overflow on
the way, SATURATE and TRAP may not. `intsim.verify.prove.prove` gives the whole account: per register and
channel what can be met, the smallest safe width, headroom, and a witness where there is one.

Ops of one's own
----------------
`check_op` performs the whole contract of an op for one `Case`: reference, bounds, batches, engines, file.
"""

from intsim.testing.asserts import assert_no_overflow, assert_proved, assert_same, assert_within
from intsim.testing.case import Case, network_of
from intsim.testing.contract import (
    Oracle,
    check_batch,
    check_bounds,
    check_engines,
    check_fields,
    check_file,
    check_op,
    check_oracle,
    check_reference,
    check_repr,
)
from intsim.testing.plain import plain

__all__ = [
    "Case",
    "Oracle",
    "assert_no_overflow",
    "assert_proved",
    "assert_same",
    "assert_within",
    "check_batch",
    "check_bounds",
    "check_engines",
    "check_fields",
    "check_file",
    "check_op",
    "check_oracle",
    "check_reference",
    "check_repr",
    "network_of",
    "plain",
]
