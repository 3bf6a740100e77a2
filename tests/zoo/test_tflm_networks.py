"""Networks of the zoo in the dialect ``tflm``: every tensor as TensorFlow Lite Micro has it."""

from __future__ import annotations

import pytest
from intsim_converters.tflite import CONVERTER

from intsim.errors import ConversionError
from tests.converters.agree import assert_agrees
from tests.zoo import tflm
from tests.zoo.folder import zoo
from tests.zoo.litert import RuntimeRefused

FOLDER = zoo("tflite")
COMPARED = {  # elements of all tensors, in all runs
    "hello_world_int8": 136,
    "mlperf_tiny_ad_autoencoder": 9_248,
    "mlperf_tiny_kws_dscnn": 290_568,
    "mlperf_tiny_resnet8": 471_632,
    "mlperf_tiny_vww_mobilenet": 1_038_864,
    "mobilenet_v2_1.0_224_ptq": 28_803_344,
    "resnet8_16x8": 471_632,
}


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_every_tensor(name: str) -> None:
    data = (FOLDER / f"{name}.tflite").read_bytes()
    assert assert_agrees(data, dialect="tflm", count=1, engine="fast") == COMPARED[name]


def test_uint8_is_refused_by_both() -> None:
    data = (FOLDER / "mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    with pytest.raises(RuntimeRefused):
        tflm.Session(data)
    with pytest.raises(ConversionError, match="uint8"):
        CONVERTER.convert(data, "tflm")
