"""Entries of tensors and their codes, in every format that a tensor may have."""

import numpy as np
import pytest

from intsim.errors import InputError
from intsim.formats import (
    Bipolar,
    BlockFormat,
    Codebook,
    Discrete,
    FixedPoint,
    IntFormat,
    Ternary,
    TernaryCoding,
)
from intsim.formats.table import FORMATS, name_of

SMALL = [
    IntFormat(1),
    IntFormat(1, signed=False),
    IntFormat(3),
    IntFormat(8, signed=False),
    Bipolar(),
    Bipolar(positive=0),
    *map(Ternary, TernaryCoding),
    Codebook([-300, 0, 5], exponent=-3),
    Codebook([7, -1]),
    FixedPoint(4, signed=False, offset=8),
    FixedPoint(8, exponent=-6),
    FORMATS["e4m3"].format,
    FORMATS["e8m0"].format,
]
LISTS = {
    "bipolar": {0: -1, 1: 1},
    "bipolar-larq": {0: 1, 1: -1},
    "ternary": {0: -1, 1: 0, 2: 1},
    "ternary-gpu": {1: -1, 2: 0, 3: 1},
    "ternary-twos": {0: 0, 1: 1, 3: -1},
    "ternary-planes": {0: 0, 1: 1, 2: -1},
}


@pytest.mark.parametrize("format", SMALL, ids=repr)
def test_every_code_goes_there_and_back(format):
    entries = np.arange(format.min, format.max + 1)
    entries = entries[~format.outside(entries)]
    codes = format.codes_of(entries)
    assert codes.dtype == np.uint64
    assert len(set(codes.tolist())) == entries.size
    assert max(codes.tolist()) < 2**format.bits
    back = format.entries_of(codes)
    assert back.dtype == format.storage
    assert back.tolist() == entries.tolist()


@pytest.mark.parametrize(("name", "meaning"), LISTS.items())
def test_what_bits_stand_for(name, meaning):
    format = FORMATS[name].format
    assert format.entries_of(np.array(list(meaning))).tolist() == list(meaning.values())
    for wrong in set(range(2**format.bits)) - set(meaning):
        with pytest.raises(InputError, match=f"must stand for something, not {wrong}"):
            format.entries_of(np.array([wrong]))


def test_what_is_no_entry():
    values = np.array([-2, -1, 0, 1, 2])
    assert Bipolar().outside(values).tolist() == [True, False, True, False, True]
    assert Ternary().outside(values).tolist() == [True, False, False, False, True]
    assert Codebook([2, -2]).outside(values).tolist() == [False, True, True, True, False]
    assert Bipolar().outside(np.array([2**80, 1], dtype=object)).tolist() == [True, False]
    assert Bipolar().outside(np.array([255, 1], np.uint8)).tolist() == [True, False]


def test_codes_of_other_formats_are_bit_patterns():
    e4m3 = FORMATS["e4m3"].format
    assert (e4m3.coded, e4m3.min, e4m3.max, e4m3.storage) == (True, 0, 255, np.uint8)
    assert FORMATS["binary32"].format.storage == np.uint32
    assert not FixedPoint(8, exponent=-6).coded


@pytest.mark.parametrize("name", FORMATS)
def test_names_are_one_to_one(name):
    """A file holds a format by its name: the same name must come back."""
    format = FORMATS[name].format
    twins = [other for other, entry in FORMATS.items() if entry.format == format]
    assert name_of(format) == twins[0]
    assert isinstance(format, Discrete | BlockFormat)
    assert name_of(IntFormat(8)) is None
