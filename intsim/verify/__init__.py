"""Checks: two sets of tensors against each other, and the steps behind the first difference."""
