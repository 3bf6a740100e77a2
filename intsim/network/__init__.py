"""The graph: which ops, in which order, on which tensors; and the hardware's say about it."""

from intsim.network.builder import NetworkBuilder
from intsim.network.datapath import Datapath, Rule
from intsim.network.graph import Input, Network, Node

__all__ = ["Datapath", "Input", "Network", "NetworkBuilder", "Node", "Rule"]
