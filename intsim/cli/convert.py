"""Turn a framework's network into an HDF5 file that every other verb reads.

The dialect says whose bits the network shall give; `intsim dialects` lists them. What cannot be mapped
exactly is listed and nothing is written.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

SUMMARY = "a framework's file to HDF5"
EXAMPLES = """\
  intsim convert model.tflite -o model.h5
  intsim convert model.tflite -o model.h5 --dialect xnnpack
  intsim convert model.bin -o model.h5 --from tflite
"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", type=Path, help="the framework's file")
    parser.add_argument("-o", "--output", metavar="NET.h5", type=Path, required=True, help="the network")
    parser.add_argument("--from", metavar="NAME", dest="converter", help="converter; by the suffix if absent")
    parser.add_argument("--dialect", metavar="NAME", help="whose bits; the converter's default if absent")


def run(arguments: Namespace) -> int:
    from intsim.cli import installed
    from intsim.storage import save

    source: Path = arguments.source
    named = arguments.converter
    converter = installed.load(named) if named else installed.for_file(source)
    network = converter.convert(source, arguments.dialect)
    save(network, arguments.output)
    dialect = arguments.dialect or converter.default_dialect
    print(f"{arguments.output}: {len(network.nodes)} nodes, dialect {dialect}", file=sys.stderr)
    return 0
