"""Write the networks of the benchmark into a folder, for `intsim bench --zoo FOLDER`.

    python -m tests.benchmarks.make FOLDER [NAME ...]

ResNet-50 and MobileNet v2 with random weights, the networks of INTSIM_ZOO, and where `onnx` is installed the
same for ONNX Runtime.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from tests.benchmarks.shapes import SHAPES


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="all, if absent")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, path in sources(arguments.folder).items():
        if arguments.names and name not in arguments.names:
            continue
        to = arguments.folder / f"{name}.tflite"
        if name in SHAPES:
            to.write_bytes(SHAPES[name]())
        else:
            shutil.copyfile(path, to)
        print(f"{to}, {write_twin(to)}", file=sys.stderr)


def sources(folder: Path) -> dict[str, Path]:
    """name -> where its file is; those of `SHAPES` are made."""
    zoo = Path(os.environ.get("INTSIM_ZOO", "")) / "tflite"
    found = {path.stem: path for path in sorted(zoo.glob("*.tflite"))} if "INTSIM_ZOO" in os.environ else {}
    return {**{name: folder / name for name in SHAPES}, **found}


def write_twin(path: Path) -> str:
    """The .onnx file beside a .tflite file, or why there is none."""
    try:
        from tests.benchmarks.onnx_twin import twin
    except ImportError as error:
        return f"no .onnx: {error}"
    try:
        path.with_suffix(".onnx").write_bytes(twin(path))
    except NotImplementedError as error:
        return f"no .onnx: it has {error}"
    return path.with_suffix(".onnx").name


if __name__ == "__main__":
    main()
