"""Oracles: every op once more, in Python ints, written from the rules and sharing nothing with intsim.

Each file exports ``ORACLES``: op name -> ``oracle(fields, shapes, inputs)``, for one sample without batch
axis. `fields` is the op as plain data (`intsim.testing.plain`), `shapes` the inputs' shapes, `inputs`
nested lists (a bare number for shape ()); the answer is a list with one nested list per output.
A register that traps raises `arith.Trap`.
"""
