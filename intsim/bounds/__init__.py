"""What every tensor and every partial sum of a network can be, proved."""

from intsim.bounds.propagate import NetworkBounds, network_bounds

__all__ = ["NetworkBounds", "network_bounds"]
