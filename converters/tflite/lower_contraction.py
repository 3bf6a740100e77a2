"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: sums of products, then a requantization."""

from __future__ import annotations
