"""ML-KEM-768+A192KW: the key derivation as OpenSSL computes it, both directions, and what does not open."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from attestation_protocol import akp
from attestation_protocol.encoding import b64url_decode, b64url_encode
from attestation_protocol.errors import JweError
from attestation_protocol.jwe import decrypt, encrypt
from attestation_protocol.jwk import AkpTeeKey
from attestation_protocol.tee_key import TeeKeyAlgorithm, TeeKeyPair
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = TeeKeyPair.generate(TeeKeyAlgorithm.ML_KEM_768)
SECRET = b"after the quantum computers"


def header_of(document: bytes) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(b64url_decode(json.loads(document)["protected"]))
    return header


def changed(document: bytes, **members: Any) -> bytes:
    return json.dumps({**json.loads(document), **members}).encode()


def code(document: bytes, key: TeeKeyPair = KEY) -> str:
    with pytest.raises(JweError) as caught:
        decrypt(document, key)
    return caught.value.code


def test_the_wrapping_key_is_the_one_that_openssl_derives() -> None:
    """By `openssl mac -macopt hexkey:000102…1f -macopt size:24 KMAC256` of 25 bytes of other info."""
    assert akp._OTHER_INFO.hex() == "00000011" + b"ML-KEM-768+A192KW".hex() + "000000c0"
    assert akp.derive_kek(bytes(range(32))).hex() == "3ca895ec8c52f6c90562f607de97f1dd01e5cb9da6c23525"


def test_the_document_has_the_form_of_the_draft() -> None:
    document = encrypt(SECRET, KEY.public_key)
    header = header_of(document)
    assert (list(header), header["alg"], header["enc"]) == (["alg", "enc", "ek"], "ML-KEM-768+A192KW", "A256GCM")
    assert len(b64url_decode(header["ek"])) == 1088
    assert len(b64url_decode(json.loads(document)["encrypted_key"])) == 40
    assert list(KEY.public_key.to_jwk()) == ["kty", "alg", "pub"]
    assert len(b64url_decode(KEY.public_key.to_jwk()["pub"])) == 1184


def test_it_opens_step_by_step_as_the_draft_has_it() -> None:
    document = json.loads(encrypt(SECRET, KEY.public_key))
    assert isinstance(KEY.private_key, mlkem.MLKEM768PrivateKey)
    shared = KEY.private_key.decapsulate(b64url_decode(header_of(json.dumps(document).encode())["ek"]))
    cek = aes_key_unwrap(akp.derive_kek(shared), b64url_decode(document["encrypted_key"]))
    iv, ciphertext, tag = (b64url_decode(document[name]) for name in ("iv", "ciphertext", "tag"))
    assert AESGCM(cek).decrypt(iv, ciphertext + tag, document["protected"].encode()) == SECRET


@settings(max_examples=20)
@given(st.binary(max_size=2000))
def test_secrets_come_back(secret: bytes) -> None:
    assert decrypt(encrypt(secret, KEY.public_key), KEY) == secret


@pytest.mark.parametrize("ek", [None, 1, "", "!", b64url_encode(bytes(1088)), b64url_encode(bytes(1087))])
def test_a09_another_encapsulation_opens_nothing(ek: Any) -> None:
    document = encrypt(SECRET, KEY.public_key)
    protected = b64url_encode(json.dumps({**header_of(document), "ek": ek}, separators=(",", ":")).encode())
    assert code(changed(document, protected=protected)) == "JWE-OPEN"


@pytest.mark.parametrize("member", ["encrypted_key", "iv", "ciphertext", "tag"])
def test_a09_a_changed_byte_opens_nothing(member: str) -> None:
    document = encrypt(SECRET, KEY.public_key)
    raw = bytearray(b64url_decode(json.loads(document)[member]))
    raw[-1] ^= 1
    assert code(changed(document, **{member: b64url_encode(bytes(raw))})) == "JWE-OPEN"


def test_another_key_opens_nothing() -> None:
    document = encrypt(SECRET, KEY.public_key)
    assert code(document, TeeKeyPair.generate(TeeKeyAlgorithm.ML_KEM_768)) == "JWE-OPEN"
    assert code(document, TeeKeyPair.generate()) == "JWE-ALGORITHM"
    assert code(encrypt(SECRET, TeeKeyPair.generate().public_key), KEY) == "JWE-ALGORITHM"


@pytest.mark.parametrize("pub", ["", "!", b64url_encode(bytes(1183)), b64url_encode(b"\xff" * 1184)])
@pytest.mark.parametrize("alg", ["ML-KEM-768+A192KW", "ML-KEM-1024+A256KW", "ML-KEM-768"])
def test_a09_a_key_that_is_none_is_refused(alg: str, pub: str) -> None:
    with pytest.raises(JweError) as caught:
        encrypt(SECRET, AkpTeeKey(alg, pub))
    assert caught.value.code == "JWE-KEY"


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    document = encrypt(SECRET, KEY.public_key)
    monkeypatch.setitem(sys.modules, "Crypto.Hash", None)
    assert code(document) == "JWE-UNAVAILABLE"
    with pytest.raises(JweError) as caught:
        encrypt(SECRET, KEY.public_key)
    assert (caught.value.code, "pycryptodome" in caught.value.advice) == ("JWE-UNAVAILABLE", True)
