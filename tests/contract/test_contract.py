"""Every op keeps the contract of `intsim.testing`; `-m sweep` tries it with many more examples."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intsim.ops import OPS
from intsim.testing import (
    check_batch,
    check_bounds,
    check_engines,
    check_fields,
    check_file,
    check_oracle,
    check_reference,
    check_repr,
)
from tests.contract.registry import CASES, ORACLES

ENGINES = ("reference", "exact", "fast")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
every_op = pytest.mark.parametrize("name", sorted(OPS))
some = settings(max_examples=25, suppress_health_check=SLOW)
few = settings(max_examples=8, suppress_health_check=SLOW)
many = settings(max_examples=1000, suppress_health_check=SLOW)


def test_every_op_has_cases_and_an_oracle():
    assert sorted(CASES) == sorted(OPS)
    assert sorted(ORACLES) == sorted(OPS)


@every_op
@some
@given(data=st.data())
def test_reference(name, data):
    case = data.draw(CASES[name])
    assert case.op.name == name
    check_reference(case)
    check_oracle(case, ORACLES[name])
    check_bounds(case)
    check_batch(case)


@every_op
@few
@given(data=st.data())
def test_fields(name, data):
    op = data.draw(CASES[name]).op
    check_repr(op)
    check_fields(op)


@every_op
@some
@given(data=st.data())
def test_engines(name, data):
    check_engines(data.draw(CASES[name]), ENGINES)


@every_op
@few
@given(data=st.data())
def test_file(name, data):
    check_file(data.draw(CASES[name]))


@pytest.mark.sweep
@every_op
@many
@given(data=st.data())
def test_sweep(name, data):
    case = data.draw(CASES[name])
    check_reference(case)
    check_oracle(case, ORACLES[name])
    check_bounds(case)
    check_batch(case)
    check_engines(case, ENGINES)
