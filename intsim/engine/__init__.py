"""Runs networks: the plan (which kernel, by which proof), the run, the trace."""

from intsim.engine.planning import ENGINES, Plan, PlannedNode, plan
from intsim.engine.result import Result
from intsim.engine.running import run, stream
from intsim.engine.trace import select

__all__ = ["ENGINES", "Plan", "PlannedNode", "Result", "plan", "run", "select", "stream"]
