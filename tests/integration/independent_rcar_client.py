"""A guest written from the published protocol alone: the standard library and `cryptography`, nothing of this project.

As a program it races one challenge: `python independent_rcar_client.py URL[,URL...] PROCESSES different|same` opens a
session, forks that many processes, and lets all of them attest at the same moment, each with a key of its own
(`different`) or all with the very same body (`same`). It prints a JSON array of [status, body].
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

TeeKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

SECONDS = 20
COORDINATE_SIZES = {"P-256": 32, "P-521": 66}
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-521": ec.SECP521R1()}
NAMES = {"secp256r1": "P-256", "secp521r1": "P-521"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Challenge:
    """A nonce, and the cookie of its session."""

    nonce: str
    cookie: str


@dataclass
class Guest:
    """One guest with one key, speaking to one broker over a connection that it keeps."""

    url: str
    key: TeeKey
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def auth(self) -> Challenge:
        offered = {"supported-hash-algorithms": ["sha256", "sha384", "sha512", "sm3"]}
        request = {"version": "0.4.0", "tee": "sample", "extra-params": offered}
        answer = self.send("POST", "/kbs/v0/auth", json.dumps(request).encode())
        assert answer.status == 200, answer
        return Challenge(answer.json["nonce"], answer.headers["set-cookie"].partition(";")[0])

    def attestation(self, nonce: str, *, claimed_key: TeeKey | None = None) -> bytes:
        """The body of `attest`: sample evidence bound to nonce and key. `claimed_key` is another one than the bound."""
        bound = {"additional-evidence": "", "nonce": nonce, "tee-pubkey": jwk(self.key)}
        digest = hashlib.sha384(json.dumps(bound, sort_keys=True, separators=(",", ":")).encode()).digest()
        evidence = {"svn": "1", "report_data": base64.b64encode(digest).decode()}
        message = {
            "init-data": None,
            "runtime-data": {"nonce": nonce, "tee-pubkey": jwk(claimed_key or self.key)},
            "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""},
        }
        return json.dumps(message).encode()

    def attest(self, challenge: Challenge, body: bytes | None = None) -> Answer:
        data = body if body is not None else self.attestation(challenge.nonce)
        return self.send("POST", "/kbs/v0/attest", data, Cookie=challenge.cookie)

    def token(self, challenge: Challenge) -> str:
        answer = self.attest(challenge)
        assert answer.status == 200, answer
        return str(answer.json["token"])

    def resource(self, path: str, **headers: str) -> Answer:
        return self.send("GET", f"/kbs/v0/resource/{path}", None, **headers)

    def open(self, answer: Answer) -> bytes:
        """Decrypt a secret."""
        assert answer.status == 200, answer
        document = answer.json
        assert list(document) == ["protected", "encrypted_key", "iv", "ciphertext", "tag"]
        header = json.loads(b64url_decode(document["protected"]))
        # As stock guests do: the authenticated bytes are the header read and written again.
        written = b64url(json.dumps(header, separators=(",", ":")).encode())
        assert header["enc"] == "A256GCM"
        cek = self._unwrap(header, b64url_decode(document["encrypted_key"]))
        iv, ciphertext, tag = (b64url_decode(document[name]) for name in ("iv", "ciphertext", "tag"))
        return AESGCM(cek).decrypt(iv, ciphertext + tag, written.encode())

    def _unwrap(self, header: dict[str, Any], encrypted_key: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            assert header["alg"] == "RSA-OAEP-256"
            oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
            return self.key.decrypt(encrypted_key, oaep)
        assert header["alg"] == "ECDH-ES+A256KW"
        epk = header["epk"]
        x, y = (int.from_bytes(b64url_decode(epk[name]), "big") for name in ("x", "y"))
        public = ec.EllipticCurvePublicNumbers(x, y, CURVES[epk["crv"]]).public_key()
        other = bytes.fromhex("0000000e") + b"ECDH-ES+A256KW" + bytes(8) + bytes.fromhex("00000100")
        kek = ConcatKDFHash(hashes.SHA256(), 32, other).derive(self.key.exchange(ec.ECDH(), public))
        return keywrap.aes_key_unwrap(kek, encrypted_key)

    def close(self) -> None:
        self.connection.close()


def new_key(kind: str) -> TeeKey:
    """Make a key: `RSA`, `P-256` or `P-521`."""
    return rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(CURVES[kind])


def jwk(key: TeeKey) -> dict[str, str]:
    """The public key as it stands in messages."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        n, e = (b64url(i.to_bytes((i.bit_length() + 7) // 8, "big")) for i in (numbers.n, numbers.e))
        return {"kty": "RSA", "alg": "RSA-OAEP-256", "n": n, "e": e}
    crv = NAMES[key.curve.name]
    point = key.public_key().public_numbers()
    x, y = (b64url(i.to_bytes(COORDINATE_SIZES[crv], "big")) for i in (point.x, point.y))
    return {"kty": "EC", "crv": crv, "alg": "ECDH-ES+A256KW", "x": x, "y": y}


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def race(urls: list[str], processes: int, *, same: bool) -> list[tuple[int, str]]:
    """Let many processes attest to one challenge at once; their answers in no order."""
    first = Guest(urls[0], new_key("P-256"))
    challenge = first.auth()
    body = first.attestation(challenge.nonce)
    first.close()
    wait, start = os.pipe()
    readers = []
    for number in range(processes):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(start)
            guest = Guest(urls[number % len(urls)], new_key("P-256"))
            own = body if same else guest.attestation(challenge.nonce)
            guest.connection.connect()
            os.write(writer, b"\n")  # ready
            os.read(wait, 1)  # returns when the parent has closed its end
            answer = guest.attest(challenge, own)
            with os.fdopen(writer, "w") as out:
                json.dump([answer.status, answer.body.decode()], out)
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    for reader in readers:
        os.read(reader, 1)
    os.close(start)
    answers = []
    for reader in readers:
        with os.fdopen(reader) as result:
            status, text = json.load(result)
            answers.append((status, text))
    for _ in readers:
        os.wait()
    return answers


if __name__ == "__main__":
    print(json.dumps(race(sys.argv[1].split(","), int(sys.argv[2]), same=sys.argv[3] == "same")))  # noqa: T201
