"""The table of formats: effective bits as published, sources, names."""

from fractions import Fraction

import numpy as np
import pytest

from intsim.errors import SpecError
from intsim.formats.block import BlockFormat
from intsim.formats.table import FORMATS, named

PUBLISHED = {
    "mxfp8-e5m2": "8.25",
    "mxfp8-e4m3": "8.25",
    "mxfp6-e3m2": "6.25",
    "mxfp6-e2m3": "6.25",
    "mxfp4": "4.25",
    "mxint8": "8.25",
    "mx9": "9",
    "mx6": "6",
    "mx4": "4",
    "nvfp4": "4.5",
    "vs-quant": "4.25",
    "gptq": "4.15625",
    "gptq-v2": "4.15625",
    "awq": "4.15625",
    "qserve": "4.125",
    "q4_0": "4.5",
    "q8_0": "8.5",
    "q4_k": "4.5",
    "tq1_0": "1.6875",
    "tq2_0": "2.0625",
}


def test_every_block_format_takes_the_bits_that_are_published():
    found = {
        name: entry.format.bits_per_element
        for name, entry in FORMATS.items()
        if isinstance(entry.format, BlockFormat)
    }
    assert found == {name: Fraction(bits) for name, bits in PUBLISHED.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_every_entry_says_what_it_is_and_where_it_is_from(name):
    entry = FORMATS[name]
    assert entry.name == name == name.lower()
    assert entry.summary
    assert entry.source


def names():
    import intsim.formats as formats

    return {"np": np, **{name: getattr(formats, name) for name in formats.__all__}}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_shown_as_code_that_makes_it(name):
    format = FORMATS[name].format
    assert eval(repr(format), names()) == format


def test_names_are_found_however_they_are_written():
    assert named("MXFP8_E4M3") is FORMATS["mxfp8-e4m3"]
    assert named("E2M1") is FORMATS["e2m1"]
    assert named("Q4_K") is FORMATS["q4_k"]
    with pytest.raises(SpecError, match=r"^format must be one of bipolar, .*, tq2_0, not 'e9m9'$"):
        named("e9m9")
