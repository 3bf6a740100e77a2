"""The folder of real models, named by the environment variable INTSIM_ZOO.

The models are other projects' and are not kept here. Where the variable is not set, the tests that need
them are skipped; where it names something else than that folder, they fail to be collected.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "INTSIM_ZOO"


def zoo(part: str) -> Path:
    """The part of the zoo that a test module needs, such as "tflite"; for use while modules are imported.

    Raises
    ------
    RuntimeError
        The variable is set, but the folder is not there.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} is not set: no folder of real models", allow_module_level=True)
    folder = Path(named) / part
    if not folder.is_dir():
        raise RuntimeError(f"{VARIABLE} must name a folder that holds {part}/, not {named!r}")
    return folder
