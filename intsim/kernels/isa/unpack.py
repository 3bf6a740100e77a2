"""Tiles of weights as a block of registers meets them: where they lie, or made of a few bits each.

Rules
-----
V7. A tile of packed weights becomes bytes three steps before it is multiplied, in one of four places that
    stay in the nearest cache: a tile that was stored a moment ago loads slowly. What lies three tiles beyond
    the weights is therefore read, and not used.
V8. A byte is made of its bits by one product of bits with a matrix (gf2p8affineqb): row i of the matrix
    picks the bit that becomes bit i; the sign's row repeats. Of +1 and -1, bit 0 is always set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from intsim.kernels.isa.emit import I8, I64, call, load, store, vector
from intsim.kernels.isa.table import NARROW, PANEL, STEP

_LINE = PANEL * STEP
_LINES = 16
TILE = _LINES * _LINE
"""Bytes of a tile of weights."""

AHEAD = 3
"""Steps that weights are unpacked before they are multiplied (rule V7)."""

_BITS = {type(kernel).__name__: kernel.bits for kernel in NARROW}


@dataclass(frozen=True)
class Whole:
    """Weights that lie in memory as bytes, the steps of a panel one after another."""

    builder: Any
    place: Any
    panel_stride: Any
    panels: int

    def tiles(self) -> list[Any]:
        """Where the next tile of each panel is."""
        here = self.builder.load(self.place)
        return [
            self.builder.add(here, self.builder.mul(self.panel_stride, I64(j))) for j in range(self.panels)
        ]

    def advance(self) -> None:
        """On to the next step."""
        self.builder.store(self.builder.add(self.builder.load(self.place), I64(TILE)), self.place)


@dataclass(frozen=True)
class Packed:
    """Weights of a few bits, unpacked into a ring of tiles (rules V7 and V8).

    ring : address of (AHEAD + 1) * panels tiles
    place, slot : variables: what is unpacked next, and where in the ring the next step is, in bytes
    """

    builder: Any
    name: str
    ring: Any
    place: Any
    slot: Any
    panel_stride: Any
    panels: int

    def tiles(self) -> list[Any]:
        """Where the next tile of each panel is."""
        here = self.builder.add(self.ring, self.builder.load(self.slot))
        return [self.builder.add(here, I64(TILE * j)) for j in range(self.panels)]

    def advance(self) -> None:
        """On to the next step: one further one is unpacked into the place that was read before the last."""
        builder, size = self.builder, TILE * self.panels
        slot = builder.load(self.slot)
        self.unpack(builder.and_(builder.add(slot, I64(AHEAD * size)), I64((AHEAD + 1) * size - 1)))
        following = builder.and_(builder.add(slot, I64(size)), I64((AHEAD + 1) * size - 1))
        builder.store(following, self.slot)

    def unpack(self, slot: Any) -> None:
        """A tile of each panel into the ring, `slot` bytes from its beginning."""
        builder, bits = self.builder, _BITS[self.name]
        here, together = builder.load(self.place), 8 // bits
        bytes = vector(I8, _LINE)
        for j in range(self.panels):
            panel = builder.add(here, builder.mul(self.panel_stride, I64(j)))
            into = builder.add(builder.add(self.ring, slot), I64(TILE * j))
            for group in range(_LINES // together):
                held = load(builder, builder.add(panel, I64(_LINE * group)), bytes)
                for p in range(together):
                    matrix = _matrix(self.name, p * bits, bits)
                    picks = builder.bitcast(ir.Constant(vector(I64, 8), [matrix] * 8), bytes)
                    always = I8(1 if self.name == "AmxSigns" else 0)
                    made = call(builder, "llvm.x86.vgf2p8affineqb.512", bytes, [held, picks, always])
                    store(builder, made, builder.add(into, I64(_LINE * (group * together + p))))
        builder.store(builder.add(here, I64(TILE * bits // 8)), self.place)


def _matrix(name: str, first: int, bits: int) -> int:
    """Rule V8: byte 7 - i picks what becomes bit i."""
    picked = [first + min(i, bits - 1) for i in range(8)]
    rows = [1 << bit for bit in picked]
    if name == "AmxSigns":
        rows[0] = 0
    if name == "AmxBits1":
        rows[1:] = [0] * 7
    return sum(row << 8 * (7 - i) for i, row in enumerate(rows))


def weights_of(builder: Any, name: str, w: Any, panel_stride: Any, panels: int) -> Whole | Packed:
    """The weights of a block of registers, the first steps unpacked where they need to be."""
    place = builder.alloca(I64)
    builder.store(w, place)
    if name not in _BITS:
        return Whole(builder, place, panel_stride, panels)
    size = TILE * panels
    memory = builder.alloca(ir.ArrayType(I8, (AHEAD + 1) * size))
    memory.align = 64
    slot = builder.alloca(I64)
    builder.store(I64(0), slot)
    made = Packed(builder, name, builder.ptrtoint(memory, I64), place, slot, panel_stride, panels)
    for step in range(AHEAD):
        made.unpack(I64(step * size))
    return made
