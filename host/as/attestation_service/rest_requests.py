"""Requests to `restful-as`, as JSON text, into typed objects. Pure; the errors are RequestError and its BodyError.

Two generations of `POST /attestation` are in the field. Both become the same requests:

    current   {"verification_requests": [{"tee", "evidence", "runtime_data"?, "init_data"?,
                                          "runtime_data_hash_algorithm"?}, …], "policy_ids": […]}
              runtime_data   {"raw": b64url} or {"structured": JSON}
              init_data      {"init_data_digest": b64url} or {"init_data_toml": text}
    older     {"tee", "evidence", "runtime_data"?, "init_data"?, "runtime_data_hash_algorithm"?,
               "init_data_hash_algorithm"?, "policy_ids"?}, one piece of evidence (as the quick start shows)
              init_data      {"raw": b64url}, the digest, or {"structured": JSON}, hashed in canonical form

`evidence` is the evidence's JSON text in b64url. Unknown members are ignored. Members of a wrong kind are answered as
the framework of the Rust service answers them (BodyError, status 400); a value that does not decode is a RequestError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import b64url_decode, parse_json
from attestation_protocol.errors import EncodingError, InitDataError, MessageError, UnknownTeeError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.tee import Tee

from attestation_service.contract import EvidenceRequest, RawRuntimeData, StructuredInitData, StructuredRuntimeData
from attestation_service.errors import BodyError, RequestError
from attestation_service.peer_texts import base64_text, json_text, missing_field

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDER_TEE_NAMES: Final = {"azsnpvtpm": "az-snp-vtpm", "aztdxvtpm": "az-tdx-vtpm"}
"""Names of TEEs in requests of the older form, and how they are spelt today."""


def parse_attestation(body: bytes) -> tuple[list[EvidenceRequest], list[str]]:
    """Read the body of `POST /attestation`: pieces of evidence and policy ids. Raises RequestError."""
    document = _object(body)
    if "verification_requests" not in document and "tee" in document:
        request = _evidence_request(document, "", older=True)
        return [request], _strings(document, "policy_ids", default=[])
    requests = _member(document, "verification_requests", list, body)
    _member(document, "policy_ids", list, body)
    policy_ids = _strings(document, "policy_ids")
    parsed = []
    for number, request in enumerate(requests):
        place = f"verification_requests[{number}]"
        if not isinstance(request, dict):
            raise _wrong_type(place, "an object")
        parsed.append(_evidence_request(request, f"{place}."))
    return parsed, policy_ids


def parse_policy(body: bytes) -> tuple[str, str]:
    """Read the body of `POST /policy`: the policy id, and the policy in b64url. Raises BodyError."""
    document = _object(body)
    policy_id: str = _member(document, "policy_id", str, body)
    policy: str = _member(document, "policy", str, body)
    return policy_id, policy


def parse_challenge(body: bytes) -> tuple[Tee, str]:
    """Read the body of `POST /challenge`: the TEE, and its parameters. Raises RequestError."""
    document = _object(body)
    for name, value in document.items():
        if not isinstance(value, str):
            raise _wrong_type(name, "a string")
    for name in ("tee", "tee_params"):
        if name not in document:
            raise RequestError(f"Failed to get inner {name}", code="AS-CHALLENGE", advice=f"send a string `{name}`")
    return _tee(document["tee"]), document["tee_params"]


def _evidence_request(document: Mapping[str, Any], place: str, *, older: bool = False) -> EvidenceRequest:
    name, text = _string(document, "tee", place), _string(document, "evidence", place)
    evidence = _json_of(text)
    return EvidenceRequest(
        _tee(OLDER_TEE_NAMES.get(name, name) if older else name),
        evidence,
        _runtime_data(document.get("runtime_data"), place),
        _hash_algorithm(document, "runtime_data_hash_algorithm", place),
        _older_init_data(document, place) if older else _init_data(document.get("init_data"), place),
    )


def _json_of(text: str) -> Any:  # noqa: ANN401  # evidence is any JSON value; its verifier reads it
    raw = _bytes_of(text, "base64 decode evidence")
    try:
        return parse_json(raw)
    except EncodingError as error:
        layers = ("failed to parse evidence as JSON", json_text(raw, error.message))
        raise RequestError("the evidence is not a JSON text", code=error.code, layers=layers) from None


def _runtime_data(value: object, place: str) -> RawRuntimeData | StructuredRuntimeData | None:
    if value is None:
        return None
    kind, content = _variant(value, f"{place}runtime_data", ("raw", "structured"))
    if kind == "structured":
        return StructuredRuntimeData(content)
    return RawRuntimeData(_bytes_of(content, "decode given Runtime Data", "base64 decode raw runtime data"))


def _init_data(value: object, place: str) -> InitData | bytes | None:
    if value is None:
        return None
    kind, content = _variant(value, f"{place}init_data", ("init_data_digest", "init_data_toml"))
    if kind == "init_data_digest":
        return _bytes_of(content, "decode given Init Data", "base64 decode raw init data")
    try:
        return InitData.parse(content)
    except InitDataError as error:
        layers = ("attestation report evaluate", "parse init data", "parse TOML structured data", error.message)
        raise RequestError(error.message, code=error.code, advice=error.advice, layers=layers) from None


def _older_init_data(document: Mapping[str, Any], place: str) -> StructuredInitData | bytes | None:
    value = document.get("init_data")
    if value is None:
        return None
    kind, content = _variant(value, f"{place}init_data", ("raw", "structured"))
    if kind == "raw":
        return _bytes_of(content, "decode given Init Data", "base64 decode raw init data")
    return StructuredInitData(content, _hash_algorithm(document, "init_data_hash_algorithm", place))


def _variant(value: object, place: str, kinds: tuple[str, str]) -> tuple[str, Any]:
    """Read an object with one member, which says what it holds. All kinds but `structured` hold a string."""
    if not isinstance(value, dict) or len(value) != 1:
        raise _wrong_type(place, f"an object with one member, `{kinds[0]}` or `{kinds[1]}`")
    ((kind, content),) = value.items()
    if kind not in kinds:
        raise _body_error(f"unknown variant `{kind:.40}`, expected `{kinds[0]}` or `{kinds[1]}`", place)
    if kind != "structured" and not isinstance(content, str):
        raise _wrong_type(f"{place}.{kind}", "a string")
    return kind, content


def _hash_algorithm(document: Mapping[str, Any], member: str, place: str) -> HashAlgorithm:
    value = document.get(member)
    if value is None:
        return HashAlgorithm.SHA384
    if not isinstance(value, str):
        raise _wrong_type(f"{place}{member}", "a string")
    try:
        return HashAlgorithm.parse(value)
    except MessageError as error:
        kind = "init" if member.startswith("init") else "runtime"
        layers = (f"parse {kind} data HashAlgorithm failed", "Matching variant not found")
        raise RequestError(error.message, code=error.code, advice=f"use one of {_ALGORITHMS}", layers=layers) from None


def _tee(name: str) -> Tee:
    try:
        return Tee.parse(name)
    except UnknownTeeError as error:
        layers = (f"tee `{name:.60} not supported`",)
        raise RequestError(error.message, code=error.code, advice=f"known: {', '.join(Tee)}", layers=layers) from None


def _bytes_of(text: str, *layers: str) -> bytes:
    try:
        return b64url_decode(text)
    except EncodingError as error:
        advice = "encode with the URL-safe alphabet, without padding"
        raise RequestError(error.message, code=error.code, advice=advice, layers=(*layers, base64_text(text))) from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = parse_json(body)
    except EncodingError as error:
        raise _body_error(json_text(body, error.message), code=error.code) from None
    if not isinstance(document, dict):
        raise _wrong_type("the body", "an object")
    return document


def _member(document: Mapping[str, Any], name: str, kind: type, body: bytes) -> Any:  # noqa: ANN401  # of that kind
    if name not in document:
        raise _body_error(missing_field(name, body))
    if not isinstance(document[name], kind):
        raise _wrong_type(name, "an array" if kind is list else "a string")
    return document[name]


def _string(document: Mapping[str, Any], name: str, place: str) -> str:
    if name not in document:
        raise _body_error(f"missing field `{name}`", place.removesuffix("."))
    value = document[name]
    if not isinstance(value, str):
        raise _wrong_type(f"{place}{name}", "a string")
    return value


def _strings(document: Mapping[str, Any], name: str, *, default: list[str] | None = None) -> list[str]:
    values = document.get(name, default)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _wrong_type(name, "an array of strings")
    return values


def _wrong_type(place: str, wanted: str) -> BodyError:
    return _body_error(f"invalid type: expected {wanted}", place)


def _body_error(reason: str, place: str = "", *, code: str | None = None) -> BodyError:
    where = f" in {place}" if place else ""
    return BodyError(f"Json deserialize error: {reason}{where}", code=code)


_ALGORITHMS: Final = ", ".join(HashAlgorithm)
