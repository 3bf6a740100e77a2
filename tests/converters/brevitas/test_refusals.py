"""What is not understood is refused, by the qualified name of its module."""

import re

import brevitas.nn as qnn
import brevitas.quant as bq
import pytest
import torch
from brevitas.quant.shifted_scaled_int import ShiftedUint8ActPerTensorFloat
from intsim_converters.brevitas import convert
from torch import nn

from intsim.errors import ConversionError
from tests.converters.brevitas.modules import calibrated, seen

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

TENSOR = {"return_quant_tensor": True}


class Block(nn.Module):
    """Gives its layers names worth reading."""

    def __init__(self, *layers):
        super().__init__()
        self.image = qnn.QuantIdentity(bit_width=6, **TENSOR)
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(self.image(x))


def act(**options):
    return qnn.QuantIdentity(bit_width=5, **TENSOR, **options)


def conv(*sizes, **options):
    return qnn.QuantConv2d(*(sizes or (2, 4, 3)), **options)


REFUSED = {
    "an unknown layer": (
        lambda: [nn.RReLU(), act()],
        "body.0: torch.nn.modules.activation.RReLU is not a layer",
    ),
    "a float layer": (
        lambda: [nn.Conv2d(2, 3, 1), act()],
        "body.0: torch.nn.modules.conv.Conv2d has float weights; take the layer of brevitas.nn",
    ),
    "float weights": (
        lambda: [conv(weight_quant=None), act()],
        "body.0: weights must have an integer quantizer, not WeightQuantProxyFromInjector, disabled",
    ),
    "a maximum before what falls and rises": (
        lambda: [nn.GELU(), nn.MaxPool2d(2), act()],
        "body.1: integers must rise with the reals, not fall as behind",
    ),
    "a real bias that leaves": (
        lambda: [conv()],
        "body.0: output must be integers times a scale: give the layer",
    ),
    "a norm that leaves": (
        lambda: [conv(bias=False), nn.BatchNorm2d(4)],
        "body.0: output must be integers times a scale",
    ),
    "a norm after an activation": (
        lambda: [conv(), nn.ReLU(), nn.BatchNorm2d(4), act()],
        "body.2: a batch norm must stand before the activation",
    ),
    "sums with a bias into a layer": (
        lambda: [conv(), conv(4, 2, 1), act()],
        "body.1: 'body.0' must be quantized before it",
    ),
    "reflected padding": (
        lambda: [conv(padding=1, padding_mode="reflect"), act()],
        "body.0: padding must be zeros, not reflect",
    ),
    "places as features": (
        lambda: [qnn.QuantLinear(6, 3), act()],
        "body.0: weights must have one scale and biases be integers where inputs are (2, 6, 6)",
    ),
    "more windows than fit": (
        lambda: [conv(), act(), nn.MaxPool2d(3, ceil_mode=True)],
        "body.2: ceil_mode must not add windows, as it does for (4, 4, 4)",
    ),
    "padding that does not count": (
        lambda: [act(), nn.AvgPool2d(2, padding=1, count_include_pad=False), act()],
        "body.1: padding must be counted, or be 0",
    ),
    "windows of two sizes": (
        lambda: [nn.AdaptiveAvgPool2d(4), act()],
        "body.0: output size (4, 4) must divide",
    ),
    "a maximum of what falls": (
        lambda: [conv(), _falling(4), nn.MaxPool2d(2), act()],
        "body.2: integers must rise with the reals",
    ),
    "a stochastic rounding": (
        lambda: [conv(), act(float_to_int_impl_type="stochastic_round")],
        "body.1: rounding StochasticRoundSte is unknown. [A1]",
    ),
    "a dynamic scale": (lambda: [conv(), _dynamic()], "body.1: quantizer "),
}


def _falling(channels):
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.weight.fill_(-1.0)
    return norm


def _dynamic():
    from brevitas.quant.experimental.mx_quant_ocp import MXInt8Act

    return qnn.QuantIdentity(MXInt8Act, group_dim=1, group_size=2, **TENSOR)


@pytest.mark.parametrize("name", REFUSED)
def test_modules(name):
    build, message = REFUSED[name]
    module, images = seen(Block(*build()), (2, 6, 6))
    with pytest.raises(ConversionError, match=f"^{re.escape(message)}"):
        convert(module, torch.from_numpy(images[:2]))


def test_an_input_that_is_not_quantized():
    module, images = calibrated(nn.MaxPool2d(2), act(), shape=(2, 6, 6))
    with pytest.raises(
        ConversionError, match=r"^0: input must be quantized first: put a QuantIdentity before it"
    ):
        convert(module, torch.from_numpy(images[:2]))


def test_an_input_with_a_zero_point():
    """round(x / s + z) is not round(x / s) + z in float32."""
    first = qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, **TENSOR)
    module, images = calibrated(first, shape=(2, 6, 6))
    with pytest.raises(
        ConversionError, match=r"^0: no quantize node is this function of the network's input"
    ):
        convert(module, torch.from_numpy(images[:2]))


@pytest.mark.parametrize("layer", [qnn.QuantSigmoid, qnn.QuantHardSwish])
def test_an_input_behind_a_function(layer):
    module, images = calibrated(layer(**TENSOR), shape=(5,))
    with pytest.raises(ConversionError, match=r"^0: input must be quantized before an activation but relu"):
        convert(module, torch.from_numpy(images[:2]))


class Calls(nn.Module):
    """A forward pass that is given."""

    def __init__(self, forward):
        super().__init__()
        self.image = act()
        self.other = act()
        self.steps = forward

    def forward(self, x):
        return self.steps(self, x)


CALLS = {
    "a quotient": (lambda m, x: m.image(x) / m.other(x), "truediv: divisor must be a number, and not 0"),
    "a divisor of 0": (lambda m, x: m.image(x) / 0, "truediv: divisor must be a number, and not 0"),
    "a method": (
        lambda m, x: m.image(x).value.cumsum(1),
        "cumsum: tensor method 'cumsum' is not a layer or function",
    ),
    "an input that is computed with": (
        lambda m, x: m.image(x).value + m.other(-3 * x).value,
        "mul: input must be quantized",
    ),
    "a number": (lambda m, x: m.image(x).value.min().item() + m.image(x), "min_1: tensor method 'min'"),
    "a branch": (
        lambda m, x: m.image(x) if x.sum() > 0 else m.other(x),
        "Calls: must be traceable by torch.fx",
    ),
    "other samples": (lambda m, x: m.image(x).reshape(-1), "reshape: must keep the batch"),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    forward, message = CALLS[name]
    module, images = seen(Calls(forward), (3, 4))
    with pytest.raises(ConversionError, match=f"^{re.escape(message)}"):
        convert(module, torch.from_numpy(images[:2]))


def test_unequal_scales_are_not_added():
    class Unequal(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.left, self.right = act(), act(), qnn.QuantReLU(bit_width=3, **TENSOR)

        def forward(self, x):
            x = self.image(x)
            return self.left(self.left(x).value + self.right(x).value)

    module, images = seen(Unequal(), (5,))
    with pytest.raises(
        ConversionError, match=r"^add: 'left' and 'right' must have equal scales; quantize both"
    ):
        convert(module, torch.from_numpy(images[:2]))


def test_what_is_no_module():
    with pytest.raises(ConversionError, match=r"^str: must be a torch.nn.Module; a saved one is a pickle"):
        convert("model.pt", torch.zeros(1, 4))


def test_training_mode_and_doubles():
    module, images = calibrated(act(), qnn.QuantLinear(4, 2, bias_quant=bq.Int32Bias), shape=(4,))
    example = torch.from_numpy(images[:2])
    with pytest.raises(
        ConversionError, match=r"^example_input: must be a float32 tensor with the batch first"
    ):
        convert(module, example.double())
    module[0].train()
    with pytest.raises(ConversionError, match=r"^0: must be in evaluation mode; call eval\(\) first"):
        convert(module, example)
    with pytest.raises(ConversionError, match=r"must be float32, not torch.float64"):
        convert(module.eval().double(), example)


def test_an_example_that_does_not_fit():
    module, _ = calibrated(act(), qnn.QuantLinear(4, 2), shape=(4,))
    with pytest.raises(ConversionError, match=r"^1: Brevitas cannot run it on the example: "):
        convert(module, torch.zeros(2, 5))
