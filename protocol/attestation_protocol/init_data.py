"""Init-data: what the host hands to a guest at launch, bound to the evidence by its digest.

A TOML document with `version`, `algorithm` (`sha256`, `sha384`, `sha512` or `sm3`, exactly so) and a table `data` of
strings. The digest is that algorithm over the exact bytes of the document. A TEE's field for it (HOSTDATA 32 bytes,
MRCONFIGID 48, CONFIGID 64) holds the digest filled with zeros at the end, or cut.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from attestation_protocol.encoding import parse_json
from attestation_protocol.errors import EncodingError, InitDataError, MessageError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.toml_text import parse_toml

MAX_INIT_DATA: Final = 1024 * 1024
"""Bytes of a document at the most."""

_POLICY_MARK: Final = "policy_data := {"


@dataclass(frozen=True, slots=True)
class InitData:
    """A parsed document, with the exact text that it was read from."""

    text: str
    version: str
    algorithm: HashAlgorithm
    data: dict[str, str]

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a document; members beyond the three are ignored. Raises InitDataError."""
        if len(text) > MAX_INIT_DATA:
            raise InitDataError(f"init-data is larger than {MAX_INIT_DATA} bytes")
        try:
            plain = text.decode("utf-8") if isinstance(text, bytes) else text
            document = parse_toml(plain)
        except UnicodeDecodeError:
            raise InitDataError("init-data is not UTF-8") from None
        except EncodingError as error:
            raise InitDataError(f"init-data is refused: {error.message}") from None
        version, algorithm, data = (document.get(name) for name in ("version", "algorithm", "data"))
        if not isinstance(version, str) or not isinstance(algorithm, str) or not isinstance(data, dict):
            raise InitDataError("init-data lacks `version`, `algorithm` or the table `data`")
        if not all(isinstance(value, str) for value in data.values()):
            raise InitDataError("each value in `data` of init-data must be a string")
        try:
            chosen = HashAlgorithm(algorithm)
        except ValueError:
            raise InitDataError(
                f"the init-data algorithm {algorithm!r:.40} is unknown", advice=f"use one of {', '.join(HashAlgorithm)}"
            ) from None
        return cls(plain, version, chosen, data)

    @property
    def digest(self) -> bytes:
        """The algorithm over the exact bytes of the document."""
        return self.algorithm.digest(self.text.encode())

    def claims(self) -> dict[str, Any]:
        """Return `data` as claims: `aa.toml` and `cdh.toml` as objects, `policy.rego` as its trailing `policy_data`.

        What does not parse stays a string.
        """
        claims: dict[str, Any] = dict(self.data)
        for name in ("aa.toml", "cdh.toml"):
            if name in claims:
                claims[name] = _toml_as_json(claims[name])
        policy = claims.get("policy.rego")
        if policy is not None:
            _, mark, tail = policy.partition(_POLICY_MARK)
            try:
                agent_policy = parse_json("{" + tail) if mark else None
            except EncodingError:
                agent_policy = None
            if agent_policy is not None:
                del claims["policy.rego"]
                claims["agent_policy_claims"] = agent_policy
        return claims


def parse_digest_algorithm(name: str) -> HashAlgorithm:
    """Read the name of an init-data algorithm. Raises InitDataError."""
    try:
        return HashAlgorithm.parse(name)
    except MessageError as error:
        raise InitDataError(error.message) from None


def _toml_as_json(text: str) -> Any:  # noqa: ANN401  # whatever the document holds
    try:
        return parse_json(json.dumps(parse_toml(text), default=str, allow_nan=False))
    except (ValueError, RecursionError):  # an EncodingError is a ValueError
        return text
