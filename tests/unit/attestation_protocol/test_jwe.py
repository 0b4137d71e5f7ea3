"""JWE: opened by an independent implementation, and recorded ones opened by ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation_protocol.encoding import b64url_decode, b64url_encode
from attestation_protocol.errors import JweError, KeyFormatError, MessageError
from attestation_protocol.jwe import decrypt, derive_kek, encrypt
from attestation_protocol.jwk import AkpTeeKey, EcTeeKey, RsaTeeKey, parse_tee_public_key
from attestation_protocol.tee_key import TeeKeyAlgorithm, TeeKeyPair
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from jwcrypto import jwe as oracle_jwe
from jwcrypto import jwk as oracle_jwk

from tests.conformance.recordings import http_recording

KEYS = {algorithm: TeeKeyPair.generate(algorithm) for algorithm in TeeKeyAlgorithm}
P256 = KEYS[TeeKeyAlgorithm.EC_P256]
RSA = KEYS[TeeKeyAlgorithm.RSA]
ML_KEM = KEYS[TeeKeyAlgorithm.ML_KEM_768]
WITH_PEM = [algorithm for algorithm in TeeKeyAlgorithm if algorithm is not TeeKeyAlgorithm.ML_KEM_768]


def code(document: bytes, key: TeeKeyPair = P256) -> str:
    with pytest.raises(JweError) as caught:
        decrypt(document, key)
    return caught.value.code


def refused(key: Any) -> str:
    with pytest.raises(JweError) as caught:
        encrypt(b"secret", key)
    assert caught.value.code == "JWE-KEY"
    return caught.value.message


def changed(document: bytes, **members: Any) -> bytes:
    return json.dumps({**json.loads(document), **members}).encode()


@pytest.mark.parametrize("algorithm", WITH_PEM)
@pytest.mark.parametrize("plaintext", [b"\x00", b"secret" * 1000])
def test_an_independent_implementation_opens_what_we_seal(algorithm: TeeKeyAlgorithm, plaintext: bytes) -> None:
    document = encrypt(plaintext, KEYS[algorithm].public_key)
    opened = oracle_jwe.JWE(algs=["RSA-OAEP-256", "ECDH-ES+A256KW", "A256GCM"])
    opened.deserialize(document.decode(), oracle_jwk.JWK.from_pem(KEYS[algorithm].to_pem()))
    assert opened.payload == plaintext
    assert decrypt(document, KEYS[algorithm]) == plaintext


@pytest.mark.parametrize("name", ["kbs/flow-rsa", "kbs/flow-p-256", "kbs/flow-p-521"])
def test_recorded_answers_open(name: str) -> None:
    recording = http_recording(name)
    key = TeeKeyPair.from_pem(recording.members["tee_key_pem"].encode())
    answers = [s.response.body for s in recording.steps if s.request.method == "GET" and s.response.status == 200]
    assert len(answers) == 2
    assert {decrypt(answer, key) for answer in answers} == {b"the-secret-bytes"}


def test_the_members_and_the_header_are_written_as_the_stock_guest_reads_them() -> None:
    document = json.loads(encrypt(b"x", P256.public_key))
    assert list(document) == ["protected", "encrypted_key", "iv", "ciphertext", "tag"]
    header = json.loads(b64url_decode(document["protected"]))
    assert list(header) == ["alg", "enc", "epk"]
    assert list(header["epk"]) == ["crv", "kty", "x", "y"]
    assert b64url_encode(json.dumps(header, separators=(",", ":")).encode()) == document["protected"]
    assert (
        json.loads(encrypt(b"x", RSA.public_key))["protected"] == "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0"
    )


def test_published_kdf_vectors() -> None:
    assert derive_kek(bytes(range(32))).hex() == "ead36a3ab953bb6e5a6709471c0fd35fcc62cf920994cede2f3aa2544e9f47ac"
    assert derive_kek(b"\1" * 32).hex() == "9ef57177b3ca41231c4fb70924571c4ee531046d10592852f4fc8446b5861f73"


def test_no_two_answers_are_alike() -> None:
    assert encrypt(b"x", P256.public_key) != encrypt(b"x", P256.public_key)


@pytest.mark.parametrize("member", ["encrypted_key", "iv", "ciphertext", "tag"])
def test_a09_a_changed_byte_opens_nothing(member: str) -> None:
    document = encrypt(b"secret", P256.public_key)
    raw = bytearray(b64url_decode(json.loads(document)[member]))
    raw[0] ^= 1
    assert code(changed(document, **{member: b64url_encode(bytes(raw))})) == "JWE-OPEN"


def test_a09_the_header_is_authenticated() -> None:
    document = encrypt(b"secret", P256.public_key)
    header = json.loads(b64url_decode(json.loads(document)["protected"]))
    spaced = b64url_encode(json.dumps(header).encode())
    assert code(changed(document, protected=spaced)) == "JWE-OPEN"


def test_a09_a_short_tag_is_refused() -> None:
    document = encrypt(b"secret", P256.public_key)
    tag = b64url_decode(json.loads(document)["tag"])
    assert code(changed(document, tag=b64url_encode(tag[:12]))) == "JWE-ALGORITHM"


@pytest.mark.parametrize("enc", ["A128GCM", "A256CBC-HS512", "none", None])
def test_a08_another_content_encryption_is_refused(enc: Any) -> None:
    document = encrypt(b"secret", P256.public_key)
    header = {**json.loads(b64url_decode(json.loads(document)["protected"])), "enc": enc}
    assert code(changed(document, protected=b64url_encode(json.dumps(header).encode()))) == "JWE-ALGORITHM"


def test_a09_an_ephemeral_point_off_the_curve_opens_nothing() -> None:
    document = encrypt(b"secret", P256.public_key)
    header = json.loads(b64url_decode(json.loads(document)["protected"]))
    header["epk"]["y"] = b64url_encode(bytes(32))
    assert code(changed(document, protected=b64url_encode(json.dumps(header).encode()))) == "JWE-OPEN"


def test_another_key_opens_nothing() -> None:
    assert code(encrypt(b"secret", TeeKeyPair.generate().public_key)) == "JWE-OPEN"
    assert code(encrypt(b"secret", KEYS[TeeKeyAlgorithm.EC_P521].public_key)) == "JWE-OPEN"
    assert code(encrypt(b"secret", RSA.public_key)) == "JWE-ALGORITHM"
    assert code(encrypt(b"s", P256.public_key), RSA) == "JWE-ALGORITHM"
    assert code(encrypt(b"s", TeeKeyPair.generate(TeeKeyAlgorithm.RSA).public_key), RSA) == "JWE-OPEN"


@pytest.mark.parametrize("alg", ["RSA1_5", "RSA-OAEP", "RSA-OAEP-512", "", "dir"])
def test_a09_weaker_rsa_algorithms_are_refused(alg: str) -> None:
    assert isinstance(RSA.public_key, RsaTeeKey)
    refused(RsaTeeKey(alg, RSA.public_key.n, RSA.public_key.e))


@pytest.mark.parametrize("alg", ["RSA1_5", "RSA-OAEP", "ECDH-ES", "dir", "none", None, 1])
def test_a09_an_answer_of_another_algorithm_is_not_tried(alg: Any) -> None:
    document = encrypt(b"secret", RSA.public_key)
    protected = b64url_encode(json.dumps({"alg": alg, "enc": "A256GCM"}).encode())
    assert code(changed(document, protected=protected), RSA) == "JWE-ALGORITHM"


@pytest.mark.parametrize("bits", [1024, 2040, 4104])
def test_a09_rsa_keys_of_other_sizes_are_refused(bits: int) -> None:
    modulus = b64url_encode(((1 << bits - 1) | 1).to_bytes(bits // 8, "big"))
    assert f"{bits} bits" in refused(RsaTeeKey("RSA-OAEP-256", modulus, "AQAB"))


def test_a09_rsa_numbers_that_are_no_key_are_refused() -> None:
    assert isinstance(RSA.public_key, RsaTeeKey)
    for e in ("AQ", "AA", "", "!!", b64url_encode(b"\x01" * 16)):
        refused(RsaTeeKey("RSA-OAEP-256", RSA.public_key.n, e))
    refused(RsaTeeKey("RSA-OAEP-256", "AA==", "AQAB"))


@pytest.mark.parametrize("modulus", [1 << 2047, (1 << 2048) - 2])
def test_a09_an_even_modulus_is_refused(modulus: int) -> None:
    refused(RsaTeeKey("RSA-OAEP-256", b64url_encode(modulus.to_bytes(256, "big")), "AQAB"))


def test_a09_points_that_are_not_on_the_curve_are_refused() -> None:
    assert isinstance(P256.public_key, EcTeeKey)
    x, y = P256.public_key.x, P256.public_key.y
    zero = b64url_encode(bytes(32))
    for point in ((x, x), (zero, zero), (x, y[:-2]), (x, b64url_encode(b"\0" + b64url_decode(y))), ("!", y)):
        refused(EcTeeKey("P-256", "ECDH-ES+A256KW", *point))
    refused(EcTeeKey("P-256", "ECDH-ES", x, y))
    refused(EcTeeKey("secp256k1", "ECDH-ES+A256KW", x, y))
    refused(EcTeeKey("P-521", "ECDH-ES+A256KW", x, y))
    refused(AkpTeeKey("ML-KEM-768+A192KW", x))


@pytest.mark.parametrize("member", ["protected", "encrypted_key", "iv", "ciphertext", "tag"])
@pytest.mark.parametrize("value", [None, 1, "=", "!"])
def test_a_member_of_a_wrong_form_is_refused(member: str, value: Any) -> None:
    assert code(changed(encrypt(b"x", P256.public_key), **{member: value})) == "JWE-FORMAT"


@pytest.mark.parametrize("header", [b"[]", b"1", b"null"])
def test_a_header_that_is_no_object_is_refused(header: bytes) -> None:
    assert code(changed(encrypt(b"x", P256.public_key), protected=b64url_encode(header))) == "JWE-FORMAT"


@given(st.binary(max_size=200))
def test_a24_any_bytes_open_or_raise_the_one_error(data: bytes) -> None:
    with pytest.raises(JweError):
        decrypt(data, P256)


@settings(max_examples=20)
@given(st.binary(max_size=5000))
def test_secrets_come_back(secret: bytes) -> None:
    assert decrypt(encrypt(secret, P256.public_key), P256) == secret


def test_a24_a_huge_document_is_refused_before_it_is_read() -> None:
    assert code(b" " * (32 * 1024 * 1024 + 1)) == "JWE-SIZE"
    assert code(b'"' + b"[" * 1000 + b'"') == "JWE-FORMAT"


@pytest.mark.parametrize("algorithm", WITH_PEM)
def test_pem_has_the_form_of_the_stock_agent_and_comes_back(algorithm: TeeKeyAlgorithm) -> None:
    pem = KEYS[algorithm].to_pem()
    assert pem.startswith(
        b"-----BEGIN RSA PRIVATE KEY-----\n" if "RSA" in algorithm else b"-----BEGIN PRIVATE KEY-----\n"
    )
    again = TeeKeyPair.from_pem(pem)
    assert again.public_key == KEYS[algorithm].public_key
    assert parse_tee_public_key(again.public_key.to_jwk()) == again.public_key


def test_a_key_of_ml_kem_has_no_pem_as_with_the_stock_agent() -> None:
    with pytest.raises(KeyFormatError) as caught:
        ML_KEM.to_pem()
    assert caught.value.code == "TEE-KEY-EXPORT"
    assert parse_tee_public_key(ML_KEM.public_key.to_jwk()) == ML_KEM.public_key


def test_a35_a_key_pair_shows_nothing() -> None:
    assert repr(P256) == "TeeKeyPair(EcTeeKey)"


def test_pem_that_is_no_such_key_is_refused() -> None:
    others: list[Ed25519PrivateKey | ec.EllipticCurvePrivateKey] = [
        Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
    ]
    pems = [
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for key in others
    ]
    locked = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    for pem in (*pems, locked, b"", b"-----BEGIN PRIVATE KEY-----\n"):
        with pytest.raises(KeyFormatError) as caught:
            TeeKeyPair.from_pem(pem)
        assert caught.value.code == "KEY-FORMAT"


@pytest.mark.parametrize(
    "jwk", [{}, {"kty": "oct"}, {"kty": ["EC"]}, {"kty": "RSA", "alg": "x", "n": "x"}, {"kty": "AKP", "pub": 1}]
)
def test_a_jwk_of_another_form_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(MessageError) as caught:
        parse_tee_public_key(jwk)
    assert caught.value.code == "TEE-PUBKEY"
    assert parse_tee_public_key({"kty": "AKP", "alg": "a", "pub": "b", "kid": "c"}).to_jwk() == {
        "kty": "AKP",
        "alg": "a",
        "pub": "b",
    }
