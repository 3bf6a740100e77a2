"""Make cases.json with TOSA's reference model: python make.py FOLDER, in an environment that README.md names.

FOLDER holds the RESCALE tests that the tool's own generator made (README.md says how). Their operators
are kept, multipliers and shifts included; their random inputs are replaced by the ties of the shift, their
neighbours, the ends of the range that the specification allows, and random values.
"""

import importlib.metadata
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROWS = 12
BITS = {"i8": 8, "i16": 16, "i32": 32, "i48": 48}


def described(folder):
    """Name and numbers of a generated test."""
    parts = dict(
        zip(["shape", "i", "o", "sc", "rm", "pc", "iu", "ou"], folder.name.split("_")[1:], strict=True)
    )
    consts = [np.load(folder / f"const-{k}.npy") for k in range(4)]
    return parts, consts


def unsigned(values, bits):
    return values & ((1 << bits) - 1)


def inputs(rng, multipliers, shifts, zero, low, high):
    """Rows of inputs, one column per channel, whose sums are legal and tie where the shift can tie."""
    columns = []
    for multiplier, shift in zip(multipliers, shifts, strict=True):
        reach = 1 << (int(shift) - 1)
        least, most = max(low, zero - reach), min(high, zero + reach - 1)
        wanted = [least, most, least + 1, most - 1, zero, zero + 1, zero - 1]
        for step in rng.integers(-120, 120, 8):
            for half in (1, 2, 3):  # at and around the values between two codes
                near = ((2 * int(step) + 1) << (int(shift) - 1)) // max(int(multiplier), 1)
                wanted.append(zero + near + half - 2)
        wanted += [int(v) for v in rng.integers(least, most, 6, dtype=np.int64, endpoint=True)]
        legal = [v for v in wanted if least <= v <= most]
        chosen = rng.permutation(len(legal))[: ROWS - 3]
        columns.append(
            ([least, most, zero if least <= zero <= most else least] + [legal[k] for k in chosen] * 9)[:ROWS]
        )
    return np.array(columns, object).T


def run(folder, given):
    with tempfile.TemporaryDirectory() as out:
        np.save(f"{out}/x.npy", given)
        command = ["tosa_reference_model", f"--test_desc={folder}/desc.json", f"--output_dir={out}"]
        command += [f"--ifm_file={out}/x.npy"]
        done = subprocess.run(command, capture_output=True, text=True)
        result = pathlib.Path(out, "ref-result-0.npy")
        return np.load(result) if done.returncode == 0 and result.exists() else None


def case(folder, rng):
    parts, (multipliers, shifts, in_zero, out_zero) = described(folder)
    bits, out_bits = BITS[parts["i"]], BITS[parts["o"].removeprefix("out")]
    stored = np.load(folder / "input-0.npy")
    if stored.ndim == 0 or stored.shape[-1] > 40:
        return None
    channels = stored.shape[-1]
    in_zero, out_zero = int(in_zero[0]), int(out_zero[0])
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if parts["iu"] == "iu1":
        low, high, in_zero = 0, (1 << bits) - 1, unsigned(in_zero, bits)
    if parts["ou"] == "ou1":
        out_zero = unsigned(out_zero, out_bits)
    each = [np.broadcast_to(values, (channels,)) for values in (multipliers, shifts)]
    rows = inputs(rng, *each, in_zero, low, high)
    whole = np.resize(rows.astype(np.int64), stored.shape)
    kept = min(ROWS, whole.size // channels)
    found = run(folder, whole.astype(stored.dtype))
    if found is None:
        return None
    codes = found.reshape(-1, channels)[:kept].astype(np.int64)
    if parts["ou"] == "ou1":
        codes = unsigned(codes, out_bits)
    double = parts["rm"] == "rmD"
    width = "32" if parts["sc"] == "sc1" else "16"
    return {
        "name": folder.name,
        "special": f"{'double' if double else 'single'} rounding, {width}-bit scale",
        "scale16": parts["sc"] == "sc0",
        "double": double,
        "multipliers": multipliers.tolist(),
        "shifts": shifts.tolist(),
        "zero_point": out_zero,
        "format": f"{'uint' if parts['ou'] == 'ou1' else 'int'}{out_bits}",
        "sums": (whole.reshape(-1, channels)[:kept] - in_zero).tolist(),
        "codes": codes.tolist(),
    }


def main():
    rng = np.random.default_rng(20250103)
    folders = sorted(path.parent for path in pathlib.Path(sys.argv[1]).rglob("desc.json"))
    kinds, cases = {}, []
    for folder in folders:
        parts, _ = described(folder)
        kind = tuple(value for key, value in parts.items() if key != "shape")
        made = case(folder, rng) if kinds.get(kind, 0) < 1 else None
        if made is not None:
            kinds[kind] = kinds.get(kind, 0) + 1
            cases.append(made)
    head = json.dumps({"tool": "tosa-tools", "version": importlib.metadata.version("tosa-tools")})
    lines = ",\n".join(map(json.dumps, cases))  # one case per line
    text = f'{head[:-1]}, "cases": [\n{lines}\n]}}\n'
    pathlib.Path(__file__).with_name("cases.json").write_text(text)
    print(len(cases), "cases of", len(folders), "tests")


main()
