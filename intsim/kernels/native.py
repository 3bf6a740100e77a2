"""Compiled functions called by address, with arguments that lie in memory: Python prepares them once.

Rules
-----
N1. numba gives a function a place for its result, one for an exception, and then its arguments taken apart
    into words: integers, addresses and floats. An array is no owner, no parent, its elements, their size,
    its address, its shape and its strides.
N2. A block holds one call: the address of what calls, the address of what is called, the result, and the
    words of the arguments. What calls is compiled once for every sequence of kinds of words.
N3. Who makes a block keeps the arrays alive that it points to.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof as untyped_typeof
from numba import types as untyped_types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic as untyped_intrinsic

from intsim.errors import IntsimError
from intsim.kernels.isa.emit import I8, I32, I64, at, load
from intsim.kernels.jit import compiled

cgutils: Any = untyped_cgutils
intrinsic: Any = untyped_intrinsic
typeof: Any = untyped_typeof
types: Any = untyped_types
_ADDRESS = I8.as_pointer()
_KINDS: dict[str, ir.Type] = {"w": I64, "a": _ADDRESS, "d": ir.DoubleType(), "f": ir.FloatType()}
"""Words: integers, addresses, float64 and float32."""

CALLER, CALLED, RESULT, WORDS = range(4)
"""Places of a block (rule N2)."""


def block_of(kernel: Any, arguments: Sequence[Any]) -> list[int]:
    """The block of one call."""
    address, form = _compiled_for(kernel, tuple([typeof(value) for value in arguments]))
    words = [word for value in arguments for word in words_of(value)]
    return [_caller(form), address, 0, *words]


def words_of(value: Any) -> list[int]:
    """Rule N1; floats by their bits."""
    if isinstance(value, np.ndarray):
        return [0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides]
    if isinstance(value, tuple):
        return [word for entry in value for word in words_of(entry)]
    if isinstance(value, np.float32):
        return list(struct.unpack("<q", struct.pack("<fi", value, 0)))
    if isinstance(value, float):
        return list(struct.unpack("<q", struct.pack("<d", value)))
    return [int(value)]


def places_of(arguments: Sequence[Any]) -> list[tuple[int, Any]]:
    """Every array among the arguments, with the place of its address in their block."""
    found, place = [], WORDS
    for value in _leaves(arguments):
        if isinstance(value, np.ndarray):
            found.append((place + 4, value))
        place += len(words_of(value))
    return found


def _leaves(values: Sequence[Any]) -> list[Any]:
    return [leaf for value in values for leaf in (_leaves(value) if isinstance(value, tuple) else [value])]


@functools.cache
def _compiled_for(kernel: Any, kinds: tuple[Any, ...]) -> tuple[int, str]:
    """The address of a kernel that takes such arguments, and the kinds of its words."""
    kernel.compile(kinds)
    made = kernel.overloads[kinds]
    packed = made.target_context.get_arg_packer(made.fndesc.argtypes).argument_types
    return made.library.get_pointer_to_function(made.fndesc.llvm_func_name), _form(packed)


def _form(words: Sequence[ir.Type]) -> str:
    """Kinds of words in a row, each with how many there are: 4w2a is four integers and two addresses.

    Raises
    ------
    IntsimError
        A word is of another kind.
    """
    letters = []
    for word in words:
        kind = _ADDRESS if isinstance(word, ir.PointerType) else word
        letter = next((letter for letter, held in _KINDS.items() if held == kind), None)
        if letter is None:
            raise IntsimError(f"a kernel's arguments must be words, not {word}")
        letters.append(letter)
    return "".join(f"{len(list(same))}{letter}" for letter, same in itertools.groupby(letters))


def _kinds(form: str) -> list[ir.Type]:
    found, count = [], ""
    for sign in form:
        if sign in _KINDS:
            found += [_KINDS[sign]] * int(count)
            count = ""
        else:
            count += sign
    return found


@functools.cache
def _caller(form: str) -> int:
    """The address of what calls a block's function with words of these kinds."""
    kinds = (types.literal(form), types.int64)
    caller: Any = call_with
    caller.compile(kinds)
    made = caller.overloads[kinds]
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


_CALL = ir.FunctionType(I32, [_ADDRESS, _ADDRESS, _ADDRESS, I64])
"""What `call_with` is to LLVM: result, exception, the form (nothing), the block."""


def _with_words(typing: Any, form: Any, block: Any) -> Any:
    kinds = _kinds(form.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        words = [
            load(builder, builder.add(values[1], I64(8 * (WORDS + place))), kind)
            for place, kind in enumerate(kinds)
        ]
        shape = ir.FunctionType(I32, [_ADDRESS, _ADDRESS, *kinds])
        called = at(builder, load(builder, builder.add(values[1], I64(8 * CALLED)), I64), shape)
        result = at(builder, builder.add(values[1], I64(8 * RESULT)), I8)
        exception = builder.bitcast(cgutils.alloca_once(builder, _ADDRESS), _ADDRESS)
        return builder.sext(builder.call(called, [result, exception, *words]), I64)

    return types.int64(form, types.int64), generate


with_words: Any = intrinsic(prefer_literal=True)(_with_words)


@compiled
def call_with(form: str, block: int) -> int:
    """Call a block's function; what numba says of how it ended."""
    return int(with_words(form, block))


def _call_block(typing: Any, block: Any) -> Any:
    """Do the call of the block at an address: 1 if the function failed, else 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (block,) = values
        caller = at(builder, load(builder, builder.add(block, I64(8 * CALLER)), I64), _CALL)
        ended = cgutils.alloca_once(builder, I64)
        exception = builder.bitcast(cgutils.alloca_once(builder, _ADDRESS), _ADDRESS)
        none = ir.Constant(_ADDRESS, None)
        status = builder.call(caller, [builder.bitcast(ended, _ADDRESS), exception, none, block])
        good = builder.icmp_signed("==", builder.or_(builder.sext(status, I64), builder.load(ended)), I64(0))
        return builder.select(good, I64(0), I64(1))

    return types.int64(types.int64), generate


call_block: Any = intrinsic(_call_block)
