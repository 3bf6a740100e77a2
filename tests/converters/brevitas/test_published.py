"""Networks that Brevitas itself publishes, with random weights: every layer of every one."""

import warnings

import brevitas.nn as qnn
import pytest
import torch
from torch import nn

from tests.converters.brevitas.agreed import agreed_but_for_doubts
from tests.converters.brevitas.modules import seen

pytestmark = [pytest.mark.sweep, pytest.mark.filterwarnings("ignore")]


def cnv(weight_bits, bits):
    """CNV of the BNN-PYNQ examples, from its input quantizer to its last layer's sums."""
    from brevitas_examples.bnn_pynq.models.CNV import CNV

    class Layers(CNV):
        def forward(self, x):
            for layer in self.conv_features:
                x = layer(x)
            x = x.view(x.shape[0], -1)
            for layer in self.linear_features[:-1]:
                x = layer(x)
            return x

    module = Layers(10, weight_bits, bits, 8, 3)
    for part in module.modules():
        if isinstance(part, qnn.QuantIdentity):
            part.return_quant_tensor = True
    return module, (3, 32, 32)


def mobilenet():
    """MobileNet V1 of the ImageNet examples, narrow; its activations have a scale per channel."""
    from brevitas_examples.imagenet_classification.models.mobilenetv1 import MobileNet

    channels = [[8], [16], [32, 32], [64, 64], [128, 128], [256]]
    module = MobileNet(channels, False, 4, 4, avg_pool_kernel_size=2, num_classes=10)
    module.output.return_quant_tensor = True
    image = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
    return nn.Sequential(image, module), (3, 64, 64)


@pytest.mark.parametrize(
    "build",
    [lambda: cnv(1, 1), lambda: cnv(1, 2), lambda: cnv(2, 2), lambda: cnv(4, 4), mobilenet],
    ids=["cnv_1w1a", "cnv_1w2a", "cnv_2w2a", "cnv_4w4a", "mobilenet_4w4a"],
)
def test_published_networks(build):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        module, images = seen(*build())
    agreed_but_for_doubts(module, images[:8])
