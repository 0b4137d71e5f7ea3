"""Tokens: the recorded order of members, signatures that an independent library accepts, keys that are refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from attestack_common.errors import ConfigError
from attestation_protocol.ear import AttestationResult, Submodule, TrustVector, VerifierId
from attestation_service.ear_token import TokenSigner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.conformance.vectors import vector

RESULT = AttestationResult(
    "profile",
    1_795_344_230,
    4_000_000_000,
    "issuer",
    VerifierId("developer", "build"),
    {"cpu0": Submodule(TrustVector({"hardware": 97}), "default", {"sample": {"ü": 1}, "report_data": "x"})},
)


def pem(key: Any, form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> bytes:
    encoded: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return encoded


def certificate(key: ec.EllipticCurvePrivateKey, name: str = "as") -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def chain_pem(*chain: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)


def parts(token: str) -> tuple[str, str]:
    header, payload, _ = token.split(".")
    first, second = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode() for part in (header, payload))
    return first, second


def test_the_header_has_the_recorded_members_in_order() -> None:
    signer = TokenSigner.generate()
    header, _ = parts(signer.sign(RESULT))
    point = f'"kty":"EC","crv":"P-256","x":"{signer.jwk["x"]}","y":"{signer.jwk["y"]}"'
    assert header == f'{{"typ":"JWT","alg":"ES256","jwk":{{"alg":"ES256",{point}}}}}'


def test_the_payload_is_compact_utf8_in_the_recorded_order() -> None:
    _, payload = parts(TokenSigner.generate().sign(RESULT))
    assert payload == (
        '{"eat_profile":"profile","iat":1795344230,'
        '"ear.verifier-id":{"developer":"developer","build":"build"},"submods":{"cpu0":{'
        '"ear.status":"contraindicated","ear.trustworthiness-vector":{"hardware":97},'
        '"ear.appraisal-policy-id":"default","ear.veraison.annotated-evidence":'
        '{"report_data":"x","sample":{"ü":1}}}},"exp":4000000000,"iss":"issuer"}'
    )


def test_another_library_accepts_the_signature_under_the_jwk() -> None:
    signer = TokenSigner.generate()
    for _ in range(20):  # halves of a signature with leading zeros keep their width
        claims = jwt.decode(signer.sign(RESULT), jwt.PyJWK(signer.jwk).key, algorithms=["ES256"])
        assert claims["iss"] == "issuer"


def test_a_token_of_another_key_is_not_accepted_under_the_jwk() -> None:
    token = TokenSigner.generate().sign(RESULT)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, jwt.PyJWK(TokenSigner.generate().jwk).key, algorithms=["ES256"])


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_a_key_file_may_be_pkcs8_or_sec1(form: serialization.PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = TokenSigner.from_pem(pem(key, form))
    assert jwt.PyJWK(signer.jwk).key == key.public_key()


def test_coordinates_keep_their_width() -> None:
    keys = (ec.derive_private_key(secret, ec.SECP256R1()) for secret in range(1, 5000))
    narrow = next(key for key in keys if key.public_key().public_numbers().x < 2**248)
    assert len(TokenSigner(narrow).jwk["x"]) == 43


def test_the_chain_and_its_address_go_into_the_jwk() -> None:
    key, issuer = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    leaf, root = certificate(key), certificate(issuer, "root")
    signer = TokenSigner.from_pem(pem(key), certificates=chain_pem(leaf, root), certificate_url="https://as.example/c")
    assert list(signer.jwk) == ["alg", "x5u", "x5c", "kty", "crv", "x", "y"]
    assert signer.jwk["x5u"] == "https://as.example/c"
    assert [base64.b64decode(der, validate=True) for der in signer.jwk["x5c"]] == [
        each.public_bytes(serialization.Encoding.DER) for each in (leaf, root)
    ]
    assert signer.jwks() == {"keys": [signer.jwk]}


@pytest.mark.vectors
def test_the_published_key_and_chain_give_the_published_jwk_set() -> None:
    signer = TokenSigner.from_pem(
        vector("tokens/as-jwks/signing-key.pem").read_bytes(),
        certificates=vector("tokens/as-jwks/cert-chain.pem").read_bytes(),
    )
    assert signer.jwks() == json.loads(vector("tokens/as-jwks/expected-jwks.json").read_text())


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "Only P-256 attestation token signing keys are supported"),
        (pem(rsa.generate_private_key(65537, 2048)), "Only P-256 attestation token signing keys are supported"),
    ],
)
def test_a_key_of_another_kind_stops_the_start(key: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        TokenSigner.from_pem(key)
    assert caught.value.code == "AS-SIGNING-KEY"
    assert "openssl genpkey" in caught.value.advice


def test_an_encrypted_key_stops_the_start() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(ConfigError, match="not a private key"):
        TokenSigner.from_pem(key)


def test_a_certificate_for_another_key_stops_the_start() -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(ConfigError, match="for another key") as caught:
        TokenSigner.from_pem(pem(key), certificates=chain_pem(certificate(other), certificate(key)))
    assert caught.value.code == "AS-CERTIFICATE"


@pytest.mark.parametrize("certificates", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_certificate_that_is_none_stops_the_start(certificates: bytes) -> None:
    with pytest.raises(ConfigError, match="not a chain of PEM certificates"):
        TokenSigner.from_pem(pem(ec.generate_private_key(ec.SECP256R1())), certificates=certificates)


def test_the_key_is_not_in_the_repr() -> None:
    assert "key" not in repr(TokenSigner.generate()).lower().replace("tokensigner", "")
