"""For tests of ops, here and in other packages: what every op must keep, and strategies to try it with.

`check_op` performs the whole contract for one `Case`; `intsim.testing.strategies` (which needs
Hypothesis, extra ``testing``) draws formats, accumulators, requantizations, tensors and networks.
"""

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
