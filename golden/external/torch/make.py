"""Make cases.json with PyTorch's quantized CPU engines: python make.py, in the environment of README.md.

A quantized linear layer makes the sums: u8 inputs, s8 weights within -64 to 64, so that no processor's
pairwise 16-bit sums saturate. The sums that are written down are its exact integer sums.
"""

import json
import pathlib
import warnings

import numpy as np
import torch

warnings.simplefilter("ignore")
COMMENT = {
    "fbgemm": ("fbgemm-float-bias", "the bias is real and stays so"),
    "onednn": ("f32-rne-zp-before", "the zero point is added before the rounding"),
    "qnnpack": ("f32-rne-zp-after", "the bias is an integer in the sum"),
}


def scale(value):
    return float(np.float32(value)).hex()


def linear(engine, x, w, x_scale, x_zero, w_scales, y_scale, y_zero, bias):
    """Codes of a quantized linear layer, per channel where w_scales is a list."""
    torch.backends.quantized.engine = engine
    qx = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x), float(x_scale), x_zero)
    if engine == "qnnpack":  # its per-channel path has the same arithmetic
        qw = torch._make_per_tensor_quantized_tensor(torch.from_numpy(w), float(w_scales[0]), 0)
    else:
        scales, zeros = (
            torch.from_numpy(w_scales.astype(np.float64)),
            torch.zeros(len(w_scales), dtype=torch.long),
        )
        qw = torch._make_per_channel_quantized_tensor(torch.from_numpy(w), scales, zeros, 0)
    packed = torch.ops.quantized.linear_prepack(qw, None if bias is None else torch.from_numpy(bias))
    return torch.ops.quantized.linear(qx, packed, float(y_scale), y_zero).int_repr().numpy()


def main():
    rng = np.random.default_rng(20250102)
    cases = []
    engines = [engine for engine in COMMENT if engine in torch.backends.quantized.supported_engines]
    for engine in engines:
        dialect, special = COMMENT[engine]
        for number in range(8):
            depth = (
                [16, 300, 1200, 70000][number // 2]
                if engine == "qnnpack"
                else [16, 300, 1200, 5000][number // 2]
            )
            channels, rows, x_zero, y_zero = 12, 6, int(rng.integers(0, 256)), int(rng.integers(0, 256))
            x = rng.integers(0, 256, (rows, depth)).astype(np.uint8)
            w = rng.integers(-64, 65, (channels, depth)).astype(np.int8)
            if number % 2:  # one sign everywhere: the largest sums
                x[:3], w[:6], w[6:] = 255, 64, -64
            x_scale = np.float32(rng.uniform(0.001, 0.1))
            w_scales = rng.uniform(0.0001, 0.01, 1 if engine == "qnnpack" else channels).astype(np.float32)
            if number == 2:  # small sums, so that the fraction of a bias shows
                x, x_zero, w = (x % 9 + 124).astype(np.uint8), 128, w // 32
            sums = (x.astype(np.int64) - x_zero) @ w.astype(np.int64).T
            y_scale = np.float32(np.abs(sums).max() * x_scale * w_scales.max() / 100)
            bias = None
            if number % 4 >= 2 and engine != "onednn":
                reach = np.abs(sums).max() * x_scale * w_scales.min() / 2
                bias = rng.uniform(-reach, reach, channels).astype(np.float32)
            if number == 0:  # ties
                x_scale, w_scales, y_scale, bias = (
                    np.float32(0.5),
                    np.ones_like(w_scales),
                    np.float32(1),
                    None,
                )
                w //= 16
                x_zero, y_zero = 128, 101
                sums = (x.astype(np.int64) - x_zero) @ w.astype(np.int64).T
            codes = linear(engine, x, w, x_scale, x_zero, w_scales, y_scale, y_zero, bias)
            entry = {
                "name": f"{engine}{number}",
                "special": special if number else f"{special}; ties at every odd sum",
                "dialect": dialect,
                "input_scale": scale(x_scale),
                "weight_scale": [scale(s) for s in w_scales],
                "output_scale": scale(y_scale),
                "zero_point": y_zero,
                "format": "uint8",
            }
            if (
                bias is not None and engine == "qnnpack"
            ):  # it rounds the bias to an integer of the sum's scale
                in_sum = np.rint(bias / (x_scale * w_scales[0]))
                sums = sums + in_sum.astype(np.int64)
                entry["special"] += "; a bias is in the sums"
            elif bias is not None:
                entry["bias"] = [float(b).hex() for b in bias]
            cases.append(entry | {"sums": sums.tolist(), "codes": codes.tolist()})
    for number, y_zero in enumerate([0, 3, -5, 100]):
        values = torch.arange(-300, 301, dtype=torch.float32)
        y_scale = [2.0, 2.0, 2.37, 0.83][number]
        codes = torch.quantize_per_tensor(values, y_scale, y_zero, torch.qint8).int_repr()
        cases.append(
            {
                "name": f"quantize_per_tensor{number}",
                "special": "multiplies by the reciprocal of the scale, in float32",
                "dialect": "f32-rne-zp-before",
                "input_scale": scale(1 / np.float32(y_scale)),
                "weight_scale": [scale(1)],
                "output_scale": scale(1),
                "zero_point": y_zero,
                "format": "int8",
                "sums": values.int().tolist(),
                "codes": codes.tolist(),
            }
        )
    head = json.dumps({"tool": "torch", "version": torch.__version__})
    lines = ",\n".join(map(json.dumps, cases))  # one case per line
    text = f'{head[:-1]}, "cases": [\n{lines}\n]}}\n'
    pathlib.Path(__file__).with_name("cases.json").write_text(text)


main()
