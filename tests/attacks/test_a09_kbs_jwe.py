"""A09: nobody can use a guest as an oracle for what was encrypted to it, and no key of a weak kind gets a secret.

RSA1_5 is opened by nobody here, so there is no padding to ask about. The broker encrypts with it for a guest whose key
names it, where a switch says so.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from attestation_protocol.encoding import b64url_decode, b64url_encode
from attestation_protocol.errors import JweError
from attestation_protocol.jwe import decrypt, encrypt
from attestation_protocol.jwk import RsaTeeKey
from attestation_protocol.tee_key import TeeKeyAlgorithm, TeeKeyPair
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jwcrypto import jwe as oracle_jwe
from jwcrypto import jwk as oracle_jwk

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import SECRET, Guest, running

if TYPE_CHECKING:
    from tests.unit.key_broker_service.inprocess import Broker

KEYS = {algorithm: TeeKeyPair.generate(algorithm) for algorithm in TeeKeyAlgorithm}
RSA = KEYS[TeeKeyAlgorithm.RSA]
RSA1_5_HEADER = "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMjU2R0NNIn0"


class OldGuest(Guest):
    """A guest whose key says RSA1_5."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker, TeeKeyAlgorithm.RSA)
        public = self.key.public_key
        assert isinstance(public, RsaTeeKey)
        self.key.public_key = RsaTeeKey("RSA1_5", public.n, public.e)


def refusal(document: bytes, key: TeeKeyPair) -> tuple[str, str, str]:
    with pytest.raises(JweError) as caught:
        decrypt(document, key)
    return caught.value.code, caught.value.message, caught.value.advice


def with_members(document: bytes, **members: str) -> bytes:
    return json.dumps({**json.loads(document), **members}).encode()


@pytest.mark.parametrize("algorithm", TeeKeyAlgorithm)
def test_a09_all_ways_of_not_opening_are_one(algorithm: TeeKeyAlgorithm) -> None:
    """A wrong padding, a wrong length of what was wrapped, a wrong tag: one code, one text."""
    key = KEYS[algorithm]
    document = encrypt(SECRET, key.public_key)
    size = len(b64url_decode(json.loads(document)["encrypted_key"]))
    seen = {
        refusal(with_members(document, encrypted_key=b64url_encode(wrong)), key)
        for wrong in (bytes(size), b"\xff" * size, os.urandom(size), b"", os.urandom(size + 8))
    }
    seen.add(refusal(with_members(document, tag=b64url_encode(bytes(16))), key))
    seen.add(refusal(with_members(document, iv=b64url_encode(bytes(12))), key))
    assert [code for code, _, _ in seen] == ["JWE-OPEN"]


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a09_a_wrapped_key_of_another_length_is_no_other_case(length: int) -> None:
    assert isinstance(RSA.private_key, rsa.RSAPrivateKey)
    document = encrypt(SECRET, RSA.public_key)
    whole = RSA.private_key.public_key().encrypt(os.urandom(length), _oaep())
    tag = refusal(with_members(document, tag=b64url_encode(bytes(16))), RSA)
    assert refusal(with_members(document, encrypted_key=b64url_encode(whole)), RSA) == tag


def test_a09_the_padding_of_rsa1_5_is_never_looked_at() -> None:
    """Whether it is well formed or not, the answer is the same, and it comes before the key is used."""
    assert isinstance(RSA.private_key, rsa.RSAPrivateKey)
    document = with_members(encrypt(SECRET, RSA.public_key), protected=RSA1_5_HEADER)
    formed = RSA.private_key.public_key().encrypt(os.urandom(32), padding.PKCS1v15())
    answers = {
        refusal(with_members(document, encrypted_key=b64url_encode(block)), RSA)
        for block in (formed, bytes(256), os.urandom(256))
    }
    assert [code for code, _, _ in answers] == ["JWE-ALGORITHM"]


async def test_a09_a_guest_that_asks_for_rsa1_5_gets_nothing_without_the_switch() -> None:
    async with running() as broker:
        await broker.ready()
        guest = OldGuest(broker)
        await guest.token()
        response = await guest.by_cookie()
        assert (response.status, variant(response), code(response)) == (401, "JweError", "JWE-KEY")


async def test_a09_the_switch_encrypts_with_rsa1_5_for_those_who_ask_and_for_no_one_else() -> None:
    async with running(insecure_rsa1_5=True) as broker:
        await broker.ready()
        guest = OldGuest(broker)
        await guest.token()
        document = (await guest.by_cookie()).body
        assert json.loads(document)["protected"] == RSA1_5_HEADER
        opened = oracle_jwe.JWE(algs=["RSA1_5", "A256GCM"])
        opened.deserialize(document.decode(), oracle_jwk.JWK.from_pem(guest.key.to_pem()))
        assert opened.payload == SECRET
        modern = Guest(broker, TeeKeyAlgorithm.RSA)
        await modern.token()
        header = json.loads(b64url_decode(json.loads((await modern.by_cookie()).body)["protected"]))
        assert header["alg"] == "RSA-OAEP-256"


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
