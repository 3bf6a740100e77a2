"""Build .tflite models in memory, without TensorFlow.

The model is written through the object API of the schema which LiteRT's own wheel carries, so every
operator, option and tensor type of that schema can be built, also in combinations which no
converter would emit. Nothing here imports intsim.

    m = ModelBuilder()
    x = m.input("x", (1, 8), "int8", scale=0.5, zero_point=-3)
    w = m.constant("w", weights, "int8", scale=[0.1, 0.2], axis=0)
    y = m.tensor("y", (1, 2), "int8", scale=1.0)
    m.operator("FULLY_CONNECTED", [x, w, None], [y], version=4)
    m.output(y)
    data = m.build()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SCHEMA_VERSION = 3
FILE_IDENTIFIER = b"TFL3"
NO_TENSOR = -1
BUFFER_ALIGNMENT = 16  # the schema's force_align on Buffer.data; the Python generator ignores it
_PLACEHOLDER = schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES


@dataclass(frozen=True)
class DType:
    """How one element type is stored.

    `storage` is the numpy type of an array of unpacked elements, `bits` the width in the file, and
    `low`, `high` the range of an integer (equal for a type which is not one).
    """

    name: str
    storage: np.dtype
    bits: int
    low: int = 0
    high: int = 0

    @property
    def code(self) -> int:
        """The type's number in the schema's TensorType."""
        return int(getattr(schema.TensorType, self.name.upper()))

    @property
    def is_integer(self) -> bool:
        """Whether `low` to `high` is a range of integers."""
        return self.low != self.high


def _integer(name: str, storage: str, bits: int, *, signed: bool = True) -> DType:
    low = -(1 << (bits - 1)) if signed else 0
    return DType(name, np.dtype(storage), bits, low, low + (1 << bits) - 1)


DTYPES: dict[str, DType] = {
    d.name: d
    for d in (
        DType("float16", np.dtype("<f2"), 16),
        DType("float32", np.dtype("<f4"), 32),
        DType("bool", np.dtype("?"), 8),
        _integer("int2", "i1", 2),
        _integer("int4", "i1", 4),
        _integer("int8", "i1", 8),
        _integer("int16", "<i2", 16),
        _integer("int32", "<i4", 32),
        _integer("int64", "<i8", 64),
        _integer("uint4", "u1", 4, signed=False),
        _integer("uint8", "u1", 8, signed=False),
        _integer("uint16", "<u2", 16, signed=False),
        _integer("uint32", "<u4", 32, signed=False),
    )
    if hasattr(schema.TensorType, d.name.upper())
}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model being built: its index in the graph and what it was declared as."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str


# --- elements to bytes ---------------------------------------------------------------------------


def dtype_named(name: str) -> DType:
    """Look up an element type, or raise ValueError."""
    if name not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {name!r}")
    return DTYPES[name]


def pack_elements(values: np.ndarray, bits: int) -> bytes:
    """Pack 2-bit or 4-bit integers into bytes as TFLite does.

    The first element takes the lowest bits of the first byte; the last byte is filled with zeros.

    Parameters
    ----------
    values : integer array, any shape; read in C order
    bits : 2 or 4

    Examples
    --------
    >>> pack_elements(np.array([1, -2, 3]), 4).hex()
    'e103'
    >>> pack_elements(np.array([1, -2, 0, -1, 1]), 2).hex()
    'c901'
    """
    per_byte = 8 // bits
    fields = np.ravel(values).astype(np.int64) & ((1 << bits) - 1)
    fields = np.pad(fields, (0, -fields.size % per_byte)).reshape(-1, per_byte)
    return bytes((fields << (bits * np.arange(per_byte))).sum(axis=1).astype(np.uint8))


def encode(array: Any, dtype: str, *, where: str = "constant") -> tuple[np.ndarray, bytes]:
    """Check values against an element type and write them as TFLite stores them.

    Returns
    -------
    (array in the type's storage, bytes)

    Raises
    ------
    ValueError
        A value which is not an integer, or out of range, for an integer type.
    """
    kind = dtype_named(dtype)
    given = np.asarray(array)
    if kind.is_integer and given.size:
        if given.dtype.kind not in "iu" and not all(isinstance(v, int) for v in given.flat):
            raise ValueError(f"{where}: values of {dtype} must be integers, not {given.dtype}")
        if int(given.min()) < kind.low or int(given.max()) > kind.high:
            raise ValueError(
                f"{where}: values of {dtype} must lie in {kind.low} to {kind.high}, "
                f"not {int(given.min())} to {int(given.max())}"
            )
    if dtype == "bool" and given.dtype.kind != "b":
        raise ValueError(f"{where}: values of bool must be bool, not {given.dtype}")
    stored = np.ascontiguousarray(given.astype(kind.storage)).reshape(given.shape)
    if kind.bits < 8:
        return stored, pack_elements(stored, kind.bits)
    return stored, stored.tobytes()


# --- options -------------------------------------------------------------------------------------

_SHARED_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "CONV_3D_TRANSPOSE": "Conv3DOptions",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNNOptions",
} | {
    op: table
    for table, ops in {
        "ReducerOptions": "MEAN SUM REDUCE_PROD REDUCE_MAX REDUCE_MIN REDUCE_ANY REDUCE_ALL",
        "RandomOptions": "RANDOM_UNIFORM RANDOM_STANDARD_NORMAL MULTINOMIAL",
    }.items()
    for op in ops.split()
}

_ENUM_OF_FIELD = {
    "fusedActivationFunction": schema.ActivationFunctionType,
    "padding": schema.Padding,
    "mode": schema.MirrorPadMode,
    "weightsFormat": schema.FullyConnectedOptionsWeightsFormat,
    "kernelType": schema.LSTMKernelType,
    "reduceFunction": schema.ReduceWindowFunction,
    "combiner": schema.CombinerType,
    "comparisonDirection": schema.StablehloComparisonDirection,
    "compareType": schema.StablehloComparisonType,
} | dict.fromkeys(
    ("quantizedBiasType", "inDataType", "outDataType", "outputType", "outType", "idxOutType"),
    schema.TensorType,
)

# Fields whose schema default is 0, with which a runtime divides by zero.
_NEVER_ZERO = ("strideW", "strideH", "filterWidth", "filterHeight", "depthMultiplier")


def _enum_names(enum: type) -> dict[str, int]:
    return {name: value for name, value in vars(enum).items() if isinstance(value, int)}


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def _options_tables() -> dict[str, tuple[str, int, str]]:
    """Folded operator name -> (table's name, its number in the union, the union's field)."""
    tables = {}
    for union, field in (
        (schema.BuiltinOptions, "builtinOptions"),
        (schema.BuiltinOptions2, "builtinOptions2"),
    ):
        for table, number in _enum_names(union).items():
            if table != "NONE":
                tables[_fold(table.removesuffix("Options"))] = (table, number, field)
    return tables


_OPTIONS_TABLES = _options_tables()


def options_table(op: str) -> tuple[str, int, str] | None:
    """Find the options table of an operator.

    Returns
    -------
    (table's name, its number in the union, "builtinOptions" or "builtinOptions2"), or None for an
    operator without options
    """
    shared = _SHARED_OPTIONS.get(op)
    key = _fold(shared.removesuffix("Options") if shared else op)
    return _OPTIONS_TABLES.get(key)


def _option_value(field: str, value: Any) -> Any:
    """A member's number when an enumeration's member is given by name; else the value itself."""
    if field not in _ENUM_OF_FIELD or not isinstance(value, str):
        return value
    names = _enum_names(_ENUM_OF_FIELD[field])
    if value.upper() not in names:
        raise ValueError(f"{field} must be one of {', '.join(names)}, not {value!r}")
    return names[value.upper()]


def make_options(op: str, given: dict[str, Any]) -> tuple[Any, int, str] | None:
    """Fill an operator's options table.

    Parameters
    ----------
    op : the operator's name in the schema's BuiltinOperator
    given : field -> value; fields in snake_case or camelCase, enumerations by name or number.
        A field left out has the schema's default

    Returns
    -------
    (filled table, its number in the union, the union's field), or None for an operator without
    options

    Raises
    ------
    ValueError
        An unknown field, an unknown name of an enumeration, or a stride, filter size or depth
        multiplier which was left out (the schema's default, 0, makes a runtime divide by zero).
    """
    found = options_table(op)
    if found is None:
        if given:
            raise ValueError(f"{op} has no options, but got {', '.join(given)}")
        return None
    table, number, union_field = found
    options = getattr(schema, table + "T")()
    fields = {_fold(field): field for field in vars(options)}
    set_fields = set()
    for name, value in given.items():
        field = fields.get(_fold(name))
        if field is None:
            raise ValueError(f"{op}: option must be one of {', '.join(vars(options))}, not {name}")
        setattr(options, field, _option_value(field, value))
        set_fields.add(field)
    missing = [f for f in _NEVER_ZERO if hasattr(options, f) and f not in set_fields]
    if missing:
        raise ValueError(f"{op}: {', '.join(missing)} must be given; the schema's default is 0")
    return options, number, union_field


# --- quantization --------------------------------------------------------------------------------


def _quantization(
    scale: float | Sequence[float] | None, zero_point: int | Sequence[int], axis: int
) -> schema.QuantizationParametersT | None:
    """The quantization table; a single zero point stands for every scale."""
    if scale is None:
        return None
    scales = np.atleast_1d(np.asarray(scale, dtype=np.float32))
    points = np.atleast_1d(np.asarray(zero_point, dtype=np.int64))
    if points.size == 1:
        points = np.repeat(points, scales.size)
    table = schema.QuantizationParametersT()
    table.scale = scales.tolist()
    table.zeroPoint = points.tolist()
    table.quantizedDimension = axis
    return table


# --- the model -----------------------------------------------------------------------------------


class _AlignedBuffer(schema.BufferT):
    """A buffer whose data starts at a multiple of 16 bytes in the file, as the schema requires."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        data = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), BUFFER_ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


class ModelBuilder:
    """One graph, built call by call and written with `build`.

    Names are written as given, also empty or repeated ones: a model with bad names is a test case.
    `build` changes nothing, so a graph can be built, extended and built again.

    Parameters
    ----------
    description : the model's description string
    """

    def __init__(self, description: str = "") -> None:
        self._description = description
        self._tensors: list[schema.TensorT] = []
        self._buffers: list[bytes | None] = [None]  # buffer 0 is the empty one
        self._operators: list[schema.OperatorT] = []
        self._codes: dict[tuple[int, str | None, int], int] = {}
        self._inputs: list[int] = []
        self._outputs: list[int] = []

    # -- tensors --

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        *,
        axis: int = 0,
        shape_signature: Sequence[int] | None = None,
        variable: bool = False,
    ) -> Tensor:
        """Declare a tensor which an operator writes (or, as a variable, which keeps state).

        Parameters
        ----------
        name : the tensor's name
        shape : its sizes; () for a scalar
        dtype : a key of DTYPES
        scale : real scale; None for a tensor without quantization; a sequence for one per channel
        zero_point : integer, or a sequence of as many as there are scales
        axis : the dimension which a sequence of scales runs along
        shape_signature : the sizes with -1 for each one which may vary
        variable : a tensor which lives from one run to the next
        """
        return self._add(
            name, shape, dtype, _quantization(scale, zero_point, axis), 0, shape_signature, variable
        )

    def input(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        *,
        axis: int = 0,
        shape_signature: Sequence[int] | None = None,
    ) -> Tensor:
        """Declare a tensor and make it the graph's next input; parameters as for `tensor`."""
        tensor = self.tensor(
            name, shape, dtype, scale, zero_point, axis=axis, shape_signature=shape_signature
        )
        self._inputs.append(tensor.index)
        return tensor

    def constant(
        self,
        name: str,
        array: Any,
        dtype: str,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        *,
        axis: int = 0,
    ) -> Tensor:
        """Declare a tensor with values; other parameters as for `tensor`.

        Parameters
        ----------
        array : the values, one per element also where the file packs several into a byte

        Raises
        ------
        ValueError
            Values which `dtype` cannot hold.
        """
        stored, data = encode(array, dtype, where=name)
        self._buffers.append(data)
        return self._add(
            name,
            stored.shape,
            dtype,
            _quantization(scale, zero_point, axis),
            len(self._buffers) - 1,
            None,
            False,
        )

    def output(self, *tensors: Tensor) -> None:
        """Make tensors the graph's next outputs."""
        self._outputs.extend(t.index for t in tensors)

    def _add(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantization: schema.QuantizationParametersT | None,
        buffer: int,
        shape_signature: Sequence[int] | None,
        variable: bool,
    ) -> Tensor:
        table = schema.TensorT()
        table.shape = [int(size) for size in shape]
        table.hasRank = True
        table.type = dtype_named(dtype).code
        table.buffer = buffer
        table.name = name
        table.quantization = quantization
        table.isVariable = variable
        if shape_signature is not None:
            table.shapeSignature = [int(size) for size in shape_signature]
        self._tensors.append(table)
        return Tensor(len(self._tensors) - 1, name, tuple(table.shape), dtype)

    # -- operators --

    def operator(
        self,
        op: str,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
        *,
        version: int = 1,
        custom_code: str | None = None,
        custom_options: bytes | None = None,
        **options: Any,
    ) -> None:
        """Append an operator.

        Parameters
        ----------
        op : its name in the schema's BuiltinOperator, such as "CONV_2D"; "CUSTOM" with custom_code
        inputs : tensors; None for an optional input which is left out
        outputs : tensors
        version : the operator's version
        custom_code, custom_options : a custom operator's name and options
        options : fields of its options table, see `make_options`

        Raises
        ------
        ValueError
            An unknown operator or option.
        """
        codes = _enum_names(schema.BuiltinOperator)
        if op not in codes:
            raise ValueError(f"operator must be a name of BuiltinOperator, not {op!r}")
        table = schema.OperatorT()
        table.inputs = [NO_TENSOR if t is None else t.index for t in inputs]
        table.outputs = [t.index for t in outputs]
        key = (codes[op], custom_code, version)
        table.opcodeIndex = self._codes.setdefault(key, len(self._codes))
        made = make_options(op, options)
        if made is not None:
            filled, number, union_field = made
            setattr(table, union_field, filled)
            setattr(table, union_field + "Type", number)
        if custom_options is not None:
            table.customOptions = list(custom_options)
        self._operators.append(table)

    # -- the file --

    def build(self) -> bytes:
        """Write the model.

        Returns
        -------
        bytes of a .tflite file
        """
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors = self._tensors
        graph.operators = self._operators
        graph.inputs = self._inputs
        graph.outputs = self._outputs
        model = schema.ModelT()
        model.version = SCHEMA_VERSION
        model.description = self._description
        model.operatorCodes = [self._operator_code(*key) for key in self._codes]
        model.subgraphs = [graph]
        model.buffers = [self._buffer(data) for data in self._buffers]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
        return bytes(builder.Output())

    @staticmethod
    def _operator_code(code: int, custom_code: str | None, version: int) -> schema.OperatorCodeT:
        table = schema.OperatorCodeT()
        table.builtinCode = code
        table.deprecatedBuiltinCode = min(code, _PLACEHOLDER)
        table.customCode = custom_code
        table.version = version
        return table

    @staticmethod
    def _buffer(data: bytes | None) -> _AlignedBuffer:
        table = _AlignedBuffer()
        table.data = data
        return table
