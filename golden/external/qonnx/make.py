"""Make cases.json with QONNX's MultiThreshold: python make.py, in an environment that README.md names."""

import importlib.metadata
import json
import pathlib

import numpy as np
from qonnx.custom_op.general.multithreshold import multithreshold


def main():
    rng = np.random.default_rng(20250104)
    cases = []
    for number in range(8):
        channels, count = [(1, 7), (3, 1), (4, 15), (2, 255)][number // 2]
        spread = [20, 5, 1000, 2**20][number // 2]
        thresholds = np.sort(rng.uniform(-spread, spread, (channels, count)), axis=1)
        special = "real thresholds between the integers"
        if number % 2:  # some on integers, some twice
            thresholds = np.sort(np.rint(thresholds), axis=1)
            thresholds[:, count // 2] = thresholds[:, max(count // 2 - 1, 0)]
            special = "integer thresholds, one of them twice"
        thresholds = np.float32(thresholds)
        lowest = int(rng.integers(-200, 0))
        near = np.rint(thresholds[:, rng.integers(0, count, 12)]).T + rng.integers(-1, 2, (12, channels))
        sums = np.vstack([near, rng.integers(-2 * spread, 2 * spread, (12, channels))])
        codes = multithreshold(sums.astype(np.float32), thresholds, 1.0, float(lowest))
        cases.append(
            {
                "name": f"multithreshold{number}",
                "special": special,
                "thresholds": [[float(t).hex() for t in row] for row in thresholds],
                "lowest": lowest,
                "sums": sums.astype(int).tolist(),
                "codes": codes.astype(int).tolist(),
            }
        )
    head = json.dumps({"tool": "qonnx", "version": importlib.metadata.version("qonnx")})
    lines = ",\n".join(map(json.dumps, cases))  # one case per line
    text = f'{head[:-1]}, "cases": [\n{lines}\n]}}\n'
    pathlib.Path(__file__).with_name("cases.json").write_text(text)


main()
