"""The messages of the RCAR handshake (Request, Challenge, Attestation, Response), protocol version 0.4.0.

    guest                                   broker
      Request {version, tee, extra-params} ->
                                        <-  Challenge {nonce, extra-params}        (sets the session cookie)
      Attestation {init-data, runtime-data, tee-evidence} ->
                                        <-  Response {token}

Members are in kebab case, but for `primary_evidence` and `additional_evidence`. Unknown members are ignored. The
evidence is bound to the session by its report data, a digest of canonical JSON (RFC 8785):

    device evidence    H({"nonce", "tee-pubkey"})
    primary evidence   H({"additional-evidence", "nonce", "tee-pubkey"})

where `additional-evidence` is the exact string of the message, present even when empty, and `tee-pubkey` the typed key:
members that its type does not have are dropped by both ends before hashing. H is SHA-384 unless the challenge selects
another.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, Self

from attestation_protocol.canonical_json import canonical_json
from attestation_protocol.encoding import compact_json, compact_plain, parse_json
from attestation_protocol.errors import EncodingError, MessageError, UnknownTeeError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.jwk import TeePublicKey, parse_tee_public_key
from attestation_protocol.records import Record
from attestation_protocol.tee import Tee

PROTOCOL_VERSION: Final = "0.4.0"
INIT_DATA_FORMAT: Final = "toml"
DEFAULT_HASH: Final = HashAlgorithm.SHA384
SELECTED_HASH: Final = "selected-hash-algorithm"
SUPPORTED_HASHES: Final = "supported-hash-algorithms"
OFFERED_HASHES: Final = tuple(HashAlgorithm)

_SEMVER: Final = re.compile(
    r"(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?",
    re.ASCII,
)


class VersionMismatchError(MessageError):
    """A version of the protocol that this end does not speak."""

    default_code = "RCAR-VERSION"


def check_version(version: str) -> None:
    """Accept 0.4.0, also with build metadata. Raises MessageError (RCAR-VERSION) in the words of the stock broker."""
    match = _SEMVER.fullmatch(version)
    if match is None:
        raise VersionMismatchError("failed to parse KBS version")
    if ".".join(match.group(1, 2, 3)) != PROTOCOL_VERSION or match.group(4):
        raise VersionMismatchError(
            f"KBS Client Protocol Version Mismatch: expect ={PROTOCOL_VERSION} while the request is {version}",
            advice=f"use a guest that speaks version {PROTOCOL_VERSION}",
        )


class Request(Record, frozen=True):
    """What a guest opens a handshake with."""

    version: str
    tee: Tee
    extra_params: Any
    """Any JSON value; null and the empty string say nothing."""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the message. Raises MessageError; the version is not looked at."""
        message = _object(body, "Request")
        if "extra-params" not in message:
            raise MessageError("the Request lacks `extra-params`", advice="null or an empty string says nothing")
        try:
            tee = Tee.parse(_string(message, "tee", "Request"))
        except UnknownTeeError as error:
            raise MessageError(error.message, code=error.code) from None
        return cls(_string(message, "version", "Request"), tee, message["extra-params"])

    @classmethod
    def offering_all_hashes(cls, tee: Tee) -> Self:
        """Make the message that a guest sends: it can hash with every algorithm."""
        return cls(PROTOCOL_VERSION, tee, {SUPPORTED_HASHES: [str(h) for h in OFFERED_HASHES]})

    def to_json(self) -> bytes:
        """Encode compactly, members in the order of the stock guest."""
        return compact_json({"version": self.version, "tee": self.tee, "extra-params": self.extra_params})


class Challenge(Record, frozen=True):
    """The broker's answer: an opaque nonce."""

    nonce: str
    extra_params: Any = ""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the message. Raises MessageError."""
        message = _object(body, "Challenge")
        if "extra-params" not in message:
            raise MessageError("the Challenge lacks `extra-params`")
        return cls(_string(message, "nonce", "Challenge"), message["extra-params"])

    @property
    def hash_algorithm(self) -> HashAlgorithm:
        """The selected algorithm, or SHA-384. Raises MessageError for one that is unknown or no string."""
        selected = self.extra_params.get(SELECTED_HASH) if isinstance(self.extra_params, dict) else None
        return DEFAULT_HASH if selected is None else HashAlgorithm.parse(selected)

    def to_json(self) -> bytes:
        """Encode compactly: nonce, then extra-params."""
        return compact_json({"nonce": self.nonce, "extra-params": self.extra_params})


class InitDataMessage(Record, frozen=True):
    """Init-data as it travels: its format and its exact text."""

    format: str
    body: str


class RuntimeData(Record, frozen=True):
    """What the evidence is bound to."""

    nonce: str
    tee_pubkey: TeePublicKey

    def device_claims(self) -> dict[str, Any]:
        """Return the object whose digest device evidence carries."""
        return {"nonce": self.nonce, "tee-pubkey": self.tee_pubkey.to_jwk()}

    def primary_claims(self, additional_evidence: str) -> dict[str, Any]:
        """Return the object whose digest the primary evidence carries."""
        return {"additional-evidence": additional_evidence, **self.device_claims()}


class Attestation(Record, frozen=True):
    """The guest's evidence, with what it is bound to."""

    HIDDEN: ClassVar = frozenset({"primary_evidence", "additional_evidence"})

    runtime_data: RuntimeData
    primary_evidence: Any
    additional_evidence: str = ""
    """JSON text of an object, TEE name to evidence; empty when there is no device."""
    init_data: InitDataMessage | None = None

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the message. Raises MessageError."""
        message = _object(body, "Attestation")
        runtime = _member(message, "runtime-data", "Attestation")
        evidence = _member(message, "tee-evidence", "Attestation")
        init_data = message.get("init-data")
        if init_data is not None:
            init_data = _member(message, "init-data", "Attestation")
        if "primary_evidence" not in evidence:
            raise MessageError("`tee-evidence` lacks `primary_evidence`")
        return cls(
            RuntimeData(
                _string(runtime, "nonce", "runtime-data"),
                parse_tee_public_key(_member(runtime, "tee-pubkey", "runtime-data")),
            ),
            evidence["primary_evidence"],
            _string(evidence, "additional_evidence", "tee-evidence"),
            None
            if init_data is None
            else InitDataMessage(_string(init_data, "format", "init-data"), _string(init_data, "body", "init-data")),
        )

    def to_json(self) -> bytes:
        """Encode compactly, members in the order of the stock guest; absent init-data is an explicit null."""
        init_data = self.init_data
        return compact_json(
            {
                "init-data": None if init_data is None else {"format": init_data.format, "body": init_data.body},
                "runtime-data": {
                    "nonce": self.runtime_data.nonce,
                    "tee-pubkey": self.runtime_data.tee_pubkey.to_jwk(),
                },
                "tee-evidence": {
                    "primary_evidence": self.primary_evidence,
                    "additional_evidence": self.additional_evidence,
                },
            }
        )

    def device_evidence(self) -> dict[Tee, Any]:
        """Read `additional_evidence`, in the order of its text. Raises MessageError."""
        if not self.additional_evidence:
            return {}
        devices = _object(self.additional_evidence.encode(), "additional evidence")
        try:
            evidence = {Tee.parse(name): value for name, value in devices.items()}
        except UnknownTeeError as error:
            raise MessageError(error.message, code=error.code) from None
        if len(evidence) != len(devices):
            raise MessageError("the additional evidence names one TEE in two ways")
        return evidence


class Response(Record, frozen=True):
    """The broker's verdict: an attestation token, a compact JWS."""

    HIDDEN: ClassVar = frozenset({"token"})

    token: str

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the message. Raises MessageError."""
        return cls(_string(_object(body, "Response"), "token", "Response"))

    def to_json(self) -> bytes:
        """Encode compactly."""
        return compact_plain({"token": self.token})


def report_data(claims: dict[str, Any], algorithm: HashAlgorithm = DEFAULT_HASH) -> bytes:
    """Return the digest of canonical runtime data, as the evidence has to carry it."""
    return algorithm.digest(canonical_json(claims))


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        value = parse_json(body)
    except EncodingError as error:
        raise MessageError(f"the {what} is not valid: {error.message}", code=error.code) from None
    if not isinstance(value, dict):
        raise MessageError(f"the {what} is not a JSON object")
    return value


def _member(message: dict[str, Any], name: str, what: str) -> dict[str, Any]:
    value = message.get(name)
    if not isinstance(value, dict):
        raise MessageError(f"`{name}` of the {what} is missing or not an object")
    return value


def _string(message: dict[str, Any], name: str, what: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise MessageError(f"`{name}` of the {what} is missing or not a string")
    return value
