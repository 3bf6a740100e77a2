"""Damage to a file's bytes, drawn: some set, some left out, some put in."""

from __future__ import annotations

from hypothesis import strategies as st

Damage = tuple[str, int, int]
DAMAGES = st.lists(
    st.tuples(st.sampled_from(("set", "cut", "put", "end")), st.integers(0, 2**20), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)
"""Kind, place (modulo the length) and value."""


def damaged(data: bytes, damages: list[Damage]) -> bytes:
    """A file with damages, one after another."""
    whole = bytearray(data)
    for kind, place, value in damages:
        at = place % max(len(whole), 1)
        if kind == "set" and whole:
            whole[at] = value
        elif kind == "put":
            whole.insert(at, value)
        elif kind == "cut":
            del whole[at : at + 1]
        elif kind == "end" and value < 16:
            del whole[at:]
    return bytes(whole)
