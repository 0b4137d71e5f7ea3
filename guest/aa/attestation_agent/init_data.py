"""Init-data that the agent is started with: the document itself, or its digest alone.

The document's digest, or the given one, is bound to the primary attester: a mismatch ends the start. The document's
text goes to the broker with the evidence; with only a digest nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from attestack_common.files import read_bounded
from attestation_protocol.encoding import b64std_decode
from attestation_protocol.errors import EncodingError, InitDataError
from attestation_protocol.init_data import MAX_INIT_DATA, InitData

from attestation_agent.errors import InitDataRefusedError

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST_SIZES: Final = frozenset({32, 48, 64})


@dataclass(frozen=True, slots=True)
class GivenInitData:
    """What was given: the digest, and the text where it is known."""

    digest: bytes
    text: str | None = None


def from_document(path: Path) -> GivenInitData:
    """Read a TOML document. Raises InitDataRefusedError."""
    try:
        document = InitData.parse(read_bounded(path, MAX_INIT_DATA))
    except InitDataError as error:
        raise InitDataRefusedError(f"{path}: {error.message}", advice=error.advice) from None
    return GivenInitData(document.digest, document.text)


def from_digest(text: str) -> GivenInitData:
    """Read a digest in base64 with padding. Raises InitDataRefusedError."""
    try:
        digest = b64std_decode(text)
    except EncodingError as error:
        raise InitDataRefusedError(f"the init-data digest is {error.message}") from None
    return GivenInitData(checked_digest(digest))


def checked_digest(digest: bytes) -> bytes:
    """Return a digest that one of the algorithms can have made. Raises InitDataRefusedError."""
    if len(digest) not in _DIGEST_SIZES:
        raise InitDataRefusedError(f"an init-data digest has 32, 48 or 64 bytes, not {len(digest)}")
    return digest
