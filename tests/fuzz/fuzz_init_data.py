"""Init-data: read with a digest over its exact bytes and claims that are JSON, or refused with InitDataError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_protocol.encoding import compact_json
from attestation_protocol.errors import InitDataError
from attestation_protocol.init_data import InitData

if TYPE_CHECKING:
    from collections.abc import Iterable


def target(data: bytes) -> None:
    try:
        document = InitData.parse(data)
    except InitDataError:
        return
    assert document.text.encode() == data
    assert document.digest == document.algorithm.digest(data)
    compact_json(document.claims())


def seeds() -> Iterable[bytes]:
    return (
        b'version = "0.1.0"\nalgorithm = "sha384"\n[data]\n"aa.toml" = "[log]\\nlevel = 1"\n',
        b'version = "0.1.0"\nalgorithm = "sm3"\n[data]\n"policy.rego" = "package p\\npolicy_data := {\\"a\\": [1]}"\n',
        b'algorithm = "sha-384"\nversion = "0.1.0"\n[data]\n"cdh.toml" = "a = 1979-05-27T07:32:00Z\\nb = inf"\n',
    )


TARGET = target
SEEDS = seeds
