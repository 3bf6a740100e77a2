"""The HDF5 file of a network, and the files of tensors.

The network file
----------------
`save` writes it, `load` reads it, and so can anything that writes HDF5: this is all there is to know.
``intsim check-model FILE`` says what is wrong with a file, and where. Layout, version 1::

    /                     format          text, "intsim-network"
                          format_version  integer, 1
                          writer          text, the program that wrote the file
                          source          text, where the network came from; may be empty
                          outputs         list of texts, the tensors that the network gives, in order
    /inputs/NAME          position        integer, place among the inputs, from 0
                          shape           list of integers, one sample's sizes; no batch axis
                          format          text, what numbers it holds: int8, uint4, ..., bipolar, ternary,
                                          float32, ...; or a group, as any number format
        quantization      group, optional; an annotation that says what the integers stand for,
                          real = scale * (q - zero_point), and that execution ignores:
            scale         dataset of float64, one value, or one per index along `axis`
            zero_point    dataset of integers, as many
            axis          integer, axis of the sample that they run along; left out for one value
    /nodes/NAME           position        integer, place among the nodes, from 0; a node comes after
                                          the nodes that it reads from
                          op              text, name of the op
                          op_version      integer, version of the op's rules
                          inputs          list of texts, names of the tensors that it reads
                          outputs         list of texts, names of the tensors that it gives; left out
                                          where it gives one, which then has the node's name
                          (and every field of the op)
        output_quantization   group, optional; in it one group per annotated output, named 0, 1, ... by
                          the output's place, each with scale, zero_point and axis as above

``intsim ops NAME`` prints an op's version and its fields. A field is kept as its type says:

==============================  ==========================================================================
an integer, a real number       attribute; any integer type of 8 to 64 bits; float32 or float64
true or false                   attribute; h5py's boolean (an HDF5 enumeration FALSE = 0, TRUE = 1 over
                                8 bits), or an integer 0 or 1
a text, one of several names    attribute; a string of a fixed length in UTF-8 or ASCII; names in lower
                                case, as in ``half_up``
a number format                 attribute; its name as a text: int1 to int64, uint1 to uint64, or a name
                                that ``intsim formats`` lists; a format without a name is a record
a list of these                 attribute with one axis, or, for lists of equally long lists, with two; a
                                list of one may also be written without an axis
an array                        dataset; integers of any type of 8 to 64 bits, where the op's format says
                                which values are allowed; reals float32 or float64, and which of the two
                                is part of the meaning. An array that may be one value for all channels
                                may have no axis or one axis of length 1
an array of 1, 2, 4 or 6 bits   group: `packing` (bits, two-bit, nibbles, six-bit; see ``intsim formats``),
                                `shape` and `bytes`, a dataset of uint8: the codes in C order as one
                                stream. A dataset of plain integers is read as well
a record                        group with the record's own fields in it; where a field allows several
                                kinds of record, the group's attribute ``type`` names the one that it is,
                                in the spelling of ``intsim ops NAME``
a list of records               group of groups named 0, 1, 2, ...
nothing                         left out
==============================  ==========================================================================

A value of an attribute's kind that takes more than 32 KiB is written as a dataset of the same name and
shape, because HDF5 holds an attribute in 64 KiB; either is read. For that reason the order of the nodes
is told by their positions, not by one list.

Every field is there, those with defaults too: a file says everything. What is missing, unknown or of
another type is refused. In the HDF5 names of inputs and nodes ``%``, ``/`` and ``.`` are written ``%25``,
``%2F`` and ``%2E``; in the lists `inputs` and `outputs` names stand as they are. Arrays are C-ordered:
sizes are those that ``h5dump`` shows, which MATLAB, Fortran and R list the other way round. Layout is
N H W C for activations and K H W C for weights.

All is stored in the file itself, uncompressed: links other than plain ones, external and virtual
storage, filters other than fletcher32, references, compound types and values of varying length (texts
too) are refused. The same network is saved as the same bytes by one version of the HDF5 library; other
versions lay the same content out otherwise.

Examples
--------
A network written with h5py alone:

>>> import h5py, numpy as np, pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "relu.h5"
>>> with h5py.File(path, "w") as file:
...     file.attrs["format"] = np.bytes_("intsim-network")
...     file.attrs["format_version"] = 1
...     file.attrs["writer"] = np.bytes_("my exporter")
...     file.attrs["source"] = np.bytes_("")
...     file.attrs["outputs"] = np.array(["relu"], dtype="S")
...     x = file.create_group("inputs/x")
...     x.attrs["position"] = 0
...     x.attrs["shape"] = [4]
...     x.attrs["format"] = np.bytes_("int8")
...     relu = file.create_group("nodes/relu")
...     relu.attrs["position"] = 0
...     relu.attrs["op"] = np.bytes_("clamp")
...     relu.attrs["op_version"] = 1
...     relu.attrs["inputs"] = np.array(["x"], dtype="S")
...     relu.attrs["lo"] = 0
...     relu.attrs["hi"] = 127
>>> load(path).nodes
(Node(name='relu', op=Clamp(lo=0, hi=127), inputs=('x',), outputs=('relu',)),)

The tensor files
----------------
`open_tensors` reads and `write_tensors` writes the tensors of a run; the first axis is the batch. A
``.npy`` file holds one tensor, a ``.npz`` file any number by name, a ``.h5`` file one dataset per tensor,
named as above (a dataset in groups, ``/block1/conv``, is the tensor block1/conv too). A ``.h5`` that
intsim writes has, in its root, the attributes ``format`` ("intsim-tensors") and ``format_version`` (1);
in the group ``intsim.specs`` one group per tensor with what ``/inputs/NAME`` has above: its place in the
network's order, its shape, format and quantization; and in ``intsim.notes`` texts on where it comes from.
"""

from intsim.storage.network import FORMAT_VERSION, load, save
from intsim.storage.registry import Registry
from intsim.storage.tensors import TensorFile, open_tensors
from intsim.storage.writing import TensorWriter, write_tensors

__all__ = [
    "FORMAT_VERSION",
    "Registry",
    "TensorFile",
    "TensorWriter",
    "load",
    "open_tensors",
    "save",
    "write_tensors",
]
