"""Small helpers for writing LLVM instructions; addresses are int64 throughout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
VOID = ir.VoidType()


def vector(kind: ir.Type, count: int) -> ir.VectorType:
    """`count` lanes of a kind."""
    return ir.VectorType(kind, count)


def at(builder: Any, address: Any, kind: ir.Type) -> Any:
    """An address as a pointer."""
    return builder.inttoptr(address, kind.as_pointer())


def load(builder: Any, address: Any, kind: ir.Type) -> Any:
    """A value from an address that need not be aligned."""
    return builder.load(at(builder, address, kind), align=1, typ=kind)


def store(builder: Any, value: Any, address: Any) -> None:
    """A value to an address that need not be aligned."""
    builder.store(value, at(builder, address, value.type), align=1)


def splat(builder: Any, value: Any, count: int) -> Any:
    """One number in every lane."""
    kind = vector(value.type, count)
    undefined = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(undefined, value, I32(0))
    return builder.shuffle_vector(one, undefined, ir.Constant(vector(I32, count), [0] * count))


def call(builder: Any, name: str, result: ir.Type, values: Sequence[Any]) -> Any:
    """Call a function of LLVM's own."""
    module = builder.module
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(result, [value.type for value in values]), name)
    return builder.call(function, values)


@contextmanager
def counted(builder: Any, count: Any) -> Iterator[Any]:
    """A loop from 0 to `count`; yields the index."""
    with builder.goto_entry_block():
        place = builder.alloca(I64)
    head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
    builder.store(I64(0), place)
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.load(place)
    builder.cbranch(builder.icmp_signed("<", index, count), body, end)
    builder.position_at_end(body)
    yield index
    builder.store(builder.add(index, I64(1)), place)
    builder.branch(head)
    builder.position_at_end(end)


def function(module: ir.Module, name: str, arguments: int) -> tuple[ir.Function, ir.IRBuilder]:
    """A function of `arguments` int64, private to a module and never copied into its callers."""
    made = ir.Function(module, ir.FunctionType(VOID, [I64] * arguments), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    return made, ir.IRBuilder(made.append_basic_block("entry"))
