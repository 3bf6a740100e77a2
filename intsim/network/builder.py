"""`NetworkBuilder`: a network node by node, for converters, tests and hand-written networks."""

from __future__ import annotations

from intsim.formats import AnyDiscrete, Quantization, RealFormat, TensorSpec
from intsim.network.graph import Input, Network, Node
from intsim.ops import Op


class NetworkBuilder:
    """Collects inputs, nodes and outputs; `build` checks the whole.

    Examples
    --------
    >>> from intsim.formats import IntFormat
    >>> from intsim.ops import Clamp
    >>> b = NetworkBuilder()
    >>> x = b.input("x", (4,), IntFormat(8))
    >>> b.output(b.add(Clamp(lo=0, hi=127), x, name="relu"))
    >>> b.build().outputs
    ('relu',)
    """

    def __init__(self, source: str = "") -> None:
        self._source = source
        self._inputs: list[Input] = []
        self._nodes: list[Node] = []
        self._outputs: list[str] = []

    def input(
        self,
        name: str,
        shape: tuple[int, ...],
        format: AnyDiscrete | RealFormat,
        quantization: Quantization | None = None,
    ) -> str:
        """Declare an input; `shape` is one sample's. Returns its name."""
        self._inputs.append(Input(name, TensorSpec(shape, format, quantization)))
        return name

    def add(
        self, op: Op, *inputs: str, name: str | None = None, quantization: Quantization | None = None
    ) -> str:
        """Add a node with one output. Returns the output's name, which is the node's."""
        name = self.fresh(op.name) if name is None else name
        self._nodes.append(
            Node(name, op, inputs, (name,), (quantization,) if quantization is not None else ())
        )
        return name

    def add_many(
        self,
        op: Op,
        *inputs: str,
        name: str,
        outputs: tuple[str, ...],
        quantization: tuple[Quantization | None, ...] = (),
    ) -> tuple[str, ...]:
        """Add a node with several outputs. Returns their names."""
        self._nodes.append(Node(name, op, inputs, outputs, quantization))
        return outputs

    def output(self, *names: str) -> None:
        """Declare outputs, in order."""
        self._outputs.extend(names)

    def fresh(self, stem: str) -> str:
        """A tensor name not used so far: the stem, or the stem with a number."""
        used = {entry.name for entry in self._inputs}
        used |= {name for node in self._nodes for name in (node.name, *node.outputs)}
        number = 0
        name = stem
        while name in used:
            number += 1
            name = f"{stem}_{number}"
        return name

    def build(self) -> Network:
        """The network.

        Raises
        ------
        SpecError
            With every broken rule, each naming its node.
        """
        return Network(tuple(self._inputs), tuple(self._nodes), tuple(self._outputs), self._source)
