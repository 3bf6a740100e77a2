"""A network on the disk with its certificate, and what the checker says of the two."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from intsim.network import Network
from intsim.storage import save
from intsim.verify import check_certificate
from intsim.verify.certificate import certificate, text_of
from intsim.verify.check_certificate import Outcome, examine, wide
from intsim.verify.prove import prove


def certify(
    folder: Path, network: Network, ranges: Any = None, stored: Network | None = None
) -> tuple[dict[str, Any], Path]:
    """Save a network (or `stored` in its place), and make the certificate of its proof."""
    path = folder / "network.h5"
    save(stored or network, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return certificate(prove(network, ranges, witnesses=False), digest, stored), path


def examined(path: Path, claims: Any) -> Outcome:
    """The verdict on a certificate: what `certificate` gives, or a text."""
    written = path.with_suffix(".json")
    written.write_text(claims if isinstance(claims, str) else text_of(claims), encoding="utf-8")
    return examine(str(written), str(path))


def disagreements(path: Path, claims: Any) -> list[str]:
    """Where a register's claimed ranges, all of them the prover's, are not those that the checker finds."""
    wrong = []
    ends = check_certificate.claimed

    def compare(where: str, value: Any, limits: Any, found: Any) -> Any:
        said = ends(where, value, limits, found)
        both = [wide(ranges, max(len(said), len(found))) for ranges in (said, found or said)]
        if ".registers." in where and both[0] != both[1]:
            wrong.append(f"{where}: {both[0]} is claimed, {both[1]} found")
        return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_certificate, "claimed", compare)
        wrong += examined(path, claims).findings
    return wrong


def copied(claims: Any) -> Any:
    return json.loads(json.dumps(claims))
