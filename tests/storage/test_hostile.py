"""Files made to harm: what they point at is not followed, what they claim is not allocated."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from intsim.errors import FileError
from intsim.storage import load
from intsim.storage.hdf5 import Budget, Place
from tests.storage.files import put, spoiled

CONV = "/nodes/conv%2Facc%2E1"
WEIGHT = f"{CONV}/weight"
PLAIN = np.zeros((3, 2, 2, 2), np.int8)


def replaced(place, value):
    """A change that puts a link in place of what is there."""

    def change(file):
        del file[place]
        file[place] = value

    return change


def hard_link(file):
    file[f"{CONV}/weight_zero_point2"] = file[WEIGHT]


def group_in_itself(file):
    file[f"{CONV}/accumulator/inner/inner"] = file[f"{CONV}/accumulator/inner"]


def named_type(file):
    file[f"{CONV}/extra"] = np.dtype("i4")


def external_storage(file):
    del file[WEIGHT]
    file.create_dataset(WEIGHT, PLAIN.shape, "i1", external=[("/etc/passwd", 0, PLAIN.size)])


def virtual(file):
    del file[WEIGHT]
    layout = h5py.VirtualLayout((24,), "i1")
    layout[:] = h5py.VirtualSource("other.h5", "data", (24,))
    file.create_virtual_dataset(WEIGHT, layout)


def reference(file):
    file[CONV].attrs["stride"] = file[WEIGHT].ref


def region(file):
    file[CONV].attrs["stride"] = file[WEIGHT].regionref[0:1]


def compound(file):
    file[CONV].attrs["stride"] = np.zeros(2, [("a", "i4")])


def varying(file):
    values = np.empty(1, object)
    values[0] = np.array([1, 1], np.int32)
    file[CONV].attrs.create("stride", values, dtype=h5py.vlen_dtype(np.int32))


def varying_text(file):
    file[CONV].attrs["op"] = "conv2d"


def enumerated(file):
    file[CONV].attrs.create("groups", 1, dtype=h5py.enum_dtype({"one": 1}, basetype="i4"))


def opaque(file):
    file[CONV].attrs["groups"] = np.void(b"\x01\x02")


def arrays_inside(file):
    put(WEIGHT, shape=(3,), dtype=np.dtype(("i1", (2, 2, 2))))(file)


def empty(file):
    file[CONV].attrs["groups"] = h5py.Empty("i4")


def half_float(file):
    put("/inputs/x/quantization/scale", data=np.array([0.5], np.float16))(file)


def long_double(file):
    put("/inputs/x/quantization/scale", data=np.array([0.5], np.longdouble))(file)


def odd_integer(file):
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(12)
    del file[CONV].attrs["groups"]
    h5py.h5a.create(file[CONV].id, b"groups", kind, h5py.h5s.create(h5py.h5s.SCALAR))


def late_bomb(file):
    """Contiguous, a terabyte by its shape, never allocated in the file."""
    put(WEIGHT, shape=(2**40,), dtype="i1")(file)


def chunked_bomb(file):
    put(WEIGHT, shape=(2**20, 2**20), dtype="i1", chunks=(2**10, 2**10), fillvalue=7)(file)


def half_chunked(file):
    put(WEIGHT, shape=(3, 2, 2, 2), dtype="i1", chunks=(1, 2, 2, 2))(file)
    file[WEIGHT][0] = 1


def huge_chunk(file):
    """The few elements lie in one chunk of a gigabyte, which fits no file of this size."""
    put(WEIGHT, shape=(3, 2, 2, 2), dtype="i1", chunks=(2**27, 2, 2, 2), maxshape=(None, 2, 2, 2))(file)


def gzip_bomb(file):
    put(WEIGHT, data=np.zeros((2**24,), np.int8), compression="gzip", chunks=(2**20,))(file)


def scale_offset(file):
    put(WEIGHT, data=PLAIN, scaleoffset=0)(file)


def unknown_filter(file):
    """A filter that no one has, optional, so that HDF5 lets it be declared."""
    del file[WEIGHT]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(PLAIN.shape)
    plist.set_filter(51966, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple(PLAIN.shape)
    h5py.h5d.create(file.id, WEIGHT.encode(), h5py.h5t.STD_I8LE, space, plist)


def deep(file):
    place = file[f"{CONV}/accumulator/inner"]
    for _ in range(100):
        inner = place.create_group("inner")
        for name, value in place.attrs.items():
            inner.attrs[name] = value
        place = inner


def not_utf8(file):
    file[CONV].attrs["op"] = np.bytes_(b"conv\xff")


def link_not_utf8(file):
    file.id.links.create_soft(b"nodes/\xff\xfe", b"/inputs")


def attribute_not_utf8(file):
    h5py.h5a.create(file[CONV].id, b"\xff", h5py.h5t.STD_I8LE, h5py.h5s.create(h5py.h5s.SCALAR))


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        (replaced(WEIGHT, h5py.SoftLink("/inputs/x")), WEIGHT, "not a soft link. [H1]"),
        (replaced(WEIGHT, h5py.SoftLink("/nowhere")), WEIGHT, "not a soft link. [H1]"),
        (replaced(CONV, h5py.SoftLink("/nodes/conv")), CONV, "not a soft link. [H1]"),
        (replaced("/inputs", h5py.SoftLink("/nodes")), "/inputs", "not a soft link. [H1]"),
        (replaced(WEIGHT, h5py.ExternalLink("/etc/passwd", "/x")), WEIGHT, "not an external link. [H1]"),
        (replaced("/nodes", h5py.ExternalLink("b.h5", "/nodes")), "/nodes", "not an external link. [H1]"),
        (hard_link, WEIGHT, "must have one name, not 2 (hard links). [H1]"),
        (group_in_itself, f"{CONV}/accumulator/inner", "must have one name, not 2 (hard links). [H1]"),
        (named_type, f"{CONV}/extra", "must be a group or a dataset, not a named type. [H1]"),
        (external_storage, WEIGHT, "must be stored here, not in an external file. [H1]"),
        (virtual, WEIGHT, "must be stored here, not a virtual dataset. [H1]"),
        (reference, f"{CONV}.stride", "not references. [H2]"),
        (region, f"{CONV}.stride", "not references. [H2]"),
        (compound, f"{CONV}.stride", "not compound. [H2]"),
        (varying, f"{CONV}.stride", "not lists of varying length. [H2]"),
        (varying_text, f"{CONV}.op", "must be text of a fixed length. In h5py: numpy.bytes_(text), or"),
        (enumerated, f"{CONV}.groups", "not enumerated. [H2]"),
        (opaque, f"{CONV}.groups", "not opaque bytes. [H2]"),
        (arrays_inside, WEIGHT, "not arrays inside elements. [H2]"),
        (empty, f"{CONV}.groups", "must have a value, not an empty dataspace. [H2]"),
        (half_float, "/inputs/x/quantization/scale", "must be integers of 8, 16, 32 or 64 bits, float32"),
        (long_double, "/inputs/x/quantization/scale", "must be integers of 8, 16, 32 or 64 bits, float32"),
        (odd_integer, f"{CONV}.groups", "must be integers of 8, 16, 32 or 64 bits, float32"),
        (late_bomb, WEIGHT, "must hold the 1099511627776 bytes of (1099511627776,), not 0. [H3]"),
        (chunked_bomb, WEIGHT, "must hold the 1048576 chunks of (1048576, 1048576), not 0. [H3]"),
        (half_chunked, WEIGHT, "must hold the 3 chunks of (3, 2, 2, 2), not 1. [H3]"),
        (huge_chunk, WEIGHT, "must hold the 1 chunks of (3, 2, 2, 2), not 0. [H3]"),
        (gzip_bomb, WEIGHT, "must be stored without the filter deflate; `h5repack -f NONE`"),
        (scale_offset, WEIGHT, "must be stored without the filter scaleoffset;"),
        (unknown_filter, WEIGHT, "must be stored without the filter filter 51966;"),
        (not_utf8, f"{CONV}.op", "texts must be UTF-8"),
        (link_not_utf8, "/nodes/\ufffd\ufffd", "name must be UTF-8"),
        (attribute_not_utf8, CONV, "attributes must have names in UTF-8"),
    ],
)
def test_refused(change, where, said, tmp_path):
    path = spoiled(tmp_path / "a.h5", change)
    with pytest.raises(FileError) as caught:
        load(path)
    found = [finding for finding in caught.value.findings if finding.where == f"{path}:{where}"]
    assert len(found) == 1, caught.value
    assert said in found[0].what


def test_deep_files_end(tmp_path):
    path = spoiled(tmp_path / "a.h5", deep)
    with pytest.raises(FileError, match=r"must not lie deeper than 32 groups"):
        load(path)


def test_arrays_together_fit_the_file(tmp_path):
    """Bytes of the file are counted once: what two arrays share would be counted twice."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(100, np.int8)
        file["b"] = np.zeros(100, np.int8)
    with h5py.File(path) as file:
        place = Place(h5py.Group(file["/"].id).id, "/", Budget(150, compressed=0))
        assert place.array("a").size == 100
        message = r"^/b: must fit the 50 bytes that the file has left, not 100 bytes\. \[H3\]$"
        with pytest.raises(FileError, match=message):
            place.array("b")


def test_no_memory_is_taken(tmp_path):
    """The bombs again, in a process that may not have much memory."""
    for index, bomb in enumerate((late_bomb, chunked_bomb, huge_chunk)):
        path = spoiled(tmp_path / f"{index}.h5", bomb)
        code = (
            "import resource; from intsim.storage import load; from intsim.errors import FileError\n"
            "held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            f"try: load({str(path)!r})\n"
            "except FileError: pass\n"
            "else: raise SystemExit('loaded')\n"
            "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held\n"
            "assert grown < 50_000, grown\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
