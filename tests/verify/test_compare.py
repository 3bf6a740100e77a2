"""Two sets of tensors: what differs, where first, and what cannot be compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from intsim.errors import FileError, SpecError
from intsim.verify import compare as room
from intsim.verify.compare import Counterpart, TensorDifference, compare, read_mapping

ZEROS = np.zeros((2, 3), np.int8)


def changed(array, *places):
    other = array.copy()
    for place in places:
        other[place] += 1
    return other


def test_equal():
    found = compare({"a": ZEROS, "b": ZEROS}, {"b": ZEROS, "a": ZEROS})
    assert found.equal
    assert found.first is None
    assert found.tensors == (TensorDifference("a", "a", 6), TensorDifference("b", "b", 6))


def test_the_first_difference_is_in_the_order_of_the_first_set():
    b = changed(ZEROS, (0, 2), (1, 0))
    found = compare({"z": ZEROS, "a": ZEROS}, {"a": changed(ZEROS, (0, 0)), "z": b})
    assert not found.equal
    assert found.first == TensorDifference("z", "z", 6, 2, (0, 2), 0, 1)
    assert [tensor.differing for tensor in found.tensors] == [2, 1]


def test_names_that_one_set_alone_has():
    found = compare({"a": ZEROS, "b": ZEROS}, {"a": ZEROS})
    assert found.equal
    assert found.only_a == ("b",)
    found = compare({"a": ZEROS}, {"a": ZEROS, "b": ZEROS})
    assert not found.equal
    assert found.first is None
    assert found.only_b == ("b",)


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (
            ZEROS,
            np.zeros((3, 2), int),
            "shape (2, 3) against (3, 2); the same sizes in another order: is the layout another?",
        ),
        (ZEROS, np.zeros((2, 3, 1), int), "shape (2, 3) against (2, 3, 1)"),
        (ZEROS, np.zeros((2, 3)), "integers against float64"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3)), "float32 against float64"),
        (np.zeros((2, 3), ">f4"), np.zeros((2, 3)), "float32 against float64"),
    ],
)
def test_what_cannot_be_compared(a, b, why):
    found = compare({"x": a}, {"x": b})
    assert not found.equal
    assert found.first == TensorDifference("x", "x", 6, 6, why=why)


def test_integers_are_equal_by_value():
    for dtype in (np.uint8, ">i2", np.int64, np.uint64, bool):
        assert compare({"x": np.eye(3, dtype=np.int8)}, {"x": np.eye(3).astype(dtype)}).equal
    found = compare({"x": np.array([-1])}, {"x": np.array([2**64 - 1], np.uint64)})
    assert (found.first.a, found.first.b) == (-1, 2**64 - 1)
    found = compare({"x": np.array([2**53 + 1])}, {"x": np.array([2**53], np.uint64)})
    assert (found.first.a, found.first.b) == (2**53 + 1, 2**53)


def test_floats_are_equal_by_bits():
    nan, zero = np.float32([np.nan, 1]), np.float32([0, 1])
    assert compare({"x": nan}, {"x": nan}).equal
    assert compare({"x": nan}, {"x": nan.astype(">f4")}).equal
    found = compare({"x": zero}, {"x": -zero * np.float32([1, -1])})
    assert found.first.index == (0,)
    assert found.first.differing == 1


@given(
    a=arrays.arrays(np.int8, arrays.array_shapes(max_dims=3, max_side=4), elements=st.integers(0, 2)),
    data=st.data(),
    at_once=st.integers(1, 10),
)
def test_against_numpy(a, data, at_once):
    """Whatever is looked at in one go."""
    b = data.draw(arrays.arrays(np.int8, a.shape, elements=st.integers(0, 2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_AT_ONCE", at_once)
        (found,) = compare({"x": a}, {"x": b}).tensors
    wrong = np.argwhere(a != b)
    assert found.differing == len(wrong)
    assert found.index == (tuple(wrong[0].tolist()) if len(wrong) else None)
    if found.index is not None:
        assert (found.a, found.b) == (a[found.index], b[found.index])


def test_no_samples_and_no_axes():
    assert compare({"x": ZEROS[:0]}, {"x": ZEROS[:0]}).equal
    found = compare({"x": np.array(3)}, {"x": np.array(4)})
    assert found.first == TensorDifference("x", "x", 1, 1, (), 3, 4)


def test_another_name_and_another_layout():
    a = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # N H W C
    b = a.transpose(0, 3, 1, 2)  # N C H W
    mapping = {"image": Counterpart("img", (2, 0, 1))}
    assert compare({"image": a}, {"img": b}, mapping).equal
    found = compare({"image": a}, {"img": changed(b, (1, 4, 2, 3))}, mapping)
    assert found.first == TensorDifference("image", "img", 120, 1, (1, 2, 3, 4), 119, 120)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"y": Counterpart("x")}, r"^y: must be a tensor of the first file$"),
        ({"x": Counterpart("y")}, r"^y: must be a tensor of the second file$"),
        ({"x": Counterpart("x", (0, 1))}, r"^x: axes must name the 1 axes of \(3,\), not \[0, 1\]$"),
    ],
)
def test_mappings_that_do_not_fit(mapping, message):
    with pytest.raises(SpecError, match=message):
        compare({"x": ZEROS}, {"x": ZEROS}, mapping)


def test_nothing_in_common():
    names = {f"a{i}": ZEROS for i in range(6)}
    with pytest.raises(SpecError) as caught:
        compare(names, {})
    assert str(caught.value) == (
        "files must have a tensor in common, not 'a0', 'a1', 'a2', 'a3', 'a4', ... and none; map their names"
    )


def test_reading_a_mapping(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text('plain = "other"\n"a/b.c" = {name = "x", axes = [1, 0]}\nd = {name = "y"}\n')
    assert read_mapping(path) == {
        "plain": Counterpart("other"),
        "a/b.c": Counterpart("x", (1, 0)),
        "d": Counterpart("y"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a.b = 'c'",
            "a: must be a name, or {name = ..., axes = [...]}; a name with dots needs quotes, not {'b': 'c'}",
        ),
        ("a = 3", "a: must be a name"),
        ("a = {name = 3}", "a: must be a name"),
        ("a = {axes = [0]}", "a: must be a name"),
        ("a = {name = 'b', axis = [0]}", "a: must be a name"),
        ("a = {name = 'b', axes = [0, 0]}", "a: must be a name"),
        ("a = {name = 'b', axes = [1, 2]}", "a: must be a name"),
        ("a = {name = 'b', axes = [true, false]}", "a: must be a name"),
        ("a = {name = 'b', axes = 0}", "a: must be a name"),
    ],
)
def test_mappings_that_are_refused(text, said, tmp_path):
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        read_mapping(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_mappings_that_cannot_be_read(tmp_path):
    path = tmp_path / "map.toml"
    with pytest.raises(FileError) as caught:
        read_mapping(path)
    assert str(caught.value) == f"{path}: cannot be read: no such file or directory"
    for content in (b"not toml", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(FileError) as caught:
            read_mapping(path)
        assert str(caught.value).startswith(f"{path}: must be TOML: ")
