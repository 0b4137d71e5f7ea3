"""Simple tokens: the claims of the older documents, signatures that an independent library accepts, keys."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from attestack_common.errors import ConfigError
from attestation_protocol.ear import AttestationResult, Submodule, TrustVector, VerifierId
from attestation_service.assembly import create
from attestation_service.config import ServiceConfig, SignerConfig, TokenBrokerConfig, TokenType
from attestation_service.contract import StructuredRuntimeData
from attestation_service.errors import AppraisalError
from attestation_service.simple_token import BITS, SimpleTokenSigner, claims
from attestation_service.stored_signer import NAMESPACE, SIMPLE_SIGNING_KEY
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from trustee_core.storage.contract import StorageCorruptError
from trustee_core.storage.memory import MemoryBackend

from tests.conformance.vectors import vector
from tests.unit.attestation_service.service_bench import sample, snp
from tests.unit.attestation_service.test_ear_token import parts, pem

KEY = rsa.generate_private_key(65537, 2048)
HASHES = {"cpu0": "ab" * 48}
EVIDENCE = {
    "snp": {"measurement": "11", "policy": {"abi": {"major": 1}, "list": [1, {"a": 2}]}},
    "init_data": "22",
    "init_data_claims": {"x": 1},
    "report_data": "33",
    "runtime_data_claims": {"tee-pubkey": {"kty": "EC"}},
}


def result(evidence: dict[str, Any] | None = None, hardware: int = 97, submodules: int = 1) -> AttestationResult:
    one = Submodule(TrustVector({"hardware": hardware}), "default", EVIDENCE if evidence is None else evidence)
    named = {f"cpu{number}": one for number in range(submodules)}
    return AttestationResult("profile", 1_795_344_230, 4_000_000_000, "issuer", VerifierId("d", "b"), named)


def test_the_claims_are_those_of_the_older_documents() -> None:
    made = claims(result(), HASHES)
    assert re.fullmatch("[A-Za-z0-9]{10}", made.pop("jti"))
    assert made == {
        "customized_claims": {"init_data": {"x": 1}, "runtime_data": {"tee-pubkey": {"kty": "EC"}}},
        "evaluation-reports": [
            {
                "evaluation-result": (
                    '{"allow":false,"ear.status":"contraindicated","ear.trustworthiness-vector":{"hardware":97}}'
                ),
                "policy-hash": "ab" * 48,
                "policy-id": "default",
            }
        ],
        "exp": 4_000_000_000,
        "iat": 1_795_344_230,
        "iss": "issuer",
        "nbf": 1_795_344_230,
        "tcb-status": {
            "snp.measurement": "11",
            "snp.policy.abi.major": 1,
            "snp.policy.list": [1, {"a": 2}],
            "snp.init_data": "22",
            "snp.report_data": "33",
        },
        "tee": "snp",
    }


@pytest.mark.vectors
def test_the_claims_of_the_published_token_are_there() -> None:
    token = vector("tokens/seed-simple-token.jwt").read_text().strip()
    header, payload = parts(token)
    published, made = json.loads(payload), claims(result(), HASHES)
    assert json.loads(header)["alg"] == "RS384"
    assert set(published) - {"jwk"} <= set(made)  # its `jwk` has moved to the header in later releases
    assert set(published["evaluation-reports"][0]) == set(made["evaluation-reports"][0])
    assert json.loads(published["evaluation-reports"][0]["evaluation-result"]).keys() <= {"allow"}
    assert all("." in name for name in published["tcb-status"])


@pytest.mark.parametrize(("hardware", "allow"), [(2, True), (32, True), (0, False), (97, False)])
def test_a_policy_allows_by_its_status(hardware: int, allow: bool) -> None:  # noqa: FBT001  # a column
    (report,) = claims(result(hardware=hardware), HASHES)["evaluation-reports"]
    assert json.loads(report["evaluation-result"])["allow"] is allow


def test_what_was_not_sent_is_null() -> None:
    made = claims(result({"sample": {"svn": "1"}}), HASHES)
    assert made["customized_claims"] == {"init_data": None, "runtime_data": None}
    assert (made["tee"], made["tcb-status"]) == ("sample", {"sample.svn": "1"})


@pytest.mark.parametrize("number", [0, 2])
def test_it_holds_one_piece_of_evidence(number: int) -> None:
    with pytest.raises(AppraisalError) as caught:
        claims(result(submodules=number), HASHES)
    assert caught.value.code == "AS-SIMPLE-EVIDENCE"


def test_an_independent_library_accepts_it_under_the_key_that_is_served() -> None:
    signer = SimpleTokenSigner(KEY)
    token = signer.issue(result(), HASHES)
    (jwk,) = signer.jwks()["keys"]
    decoded = jwt.decode(token, jwt.PyJWK(jwk).key, ["RS384"])
    assert decoded["tee"] == "snp"
    header, payload = parts(token)
    numbers = f'"kty":"RSA","n":"{jwk["n"]}","e":"AQAB"'
    assert header == f'{{"typ":"JWT","alg":"RS384","jwk":{{"alg":"RS384",{numbers}}}}}'
    assert payload == json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":"))


def certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "as")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_certificate_and_its_address_stand_in_the_key() -> None:
    signer = SimpleTokenSigner.from_pem(pem(KEY), certificates=certificate(KEY), certificate_url="https://as.example")
    assert list(signer.jwk) == ["alg", "x5u", "x5c", "kty", "n", "e"]
    assert len(signer.jwk["x5c"]) == 1
    with pytest.raises(ConfigError) as caught:
        SimpleTokenSigner.from_pem(pem(KEY), certificates=certificate(rsa.generate_private_key(65537, 2048)))
    assert caught.value.code == "AS-CERTIFICATE"


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"junk",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505  # what is refused
    ],
)
def test_only_rsa_keys_of_a_size_that_is_safe_are_taken(key: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        SimpleTokenSigner.from_pem(key)
    assert caught.value.code == "AS-SIGNING-KEY"
    assert "openssl genpkey -algorithm RSA" in caught.value.advice
    assert BITS.start == 2048


async def test_a_service_issues_them_with_a_key_that_stays(caplog: pytest.LogCaptureFixture) -> None:
    config = ServiceConfig(attestation_token_broker=TokenBrokerConfig(type=TokenType.SIMPLE))
    storage = MemoryBackend()
    service = await create(config, storage, source="test")
    assert "Simple tokens say nothing of the appraisal's status" in caplog.text
    runtime_data = StructuredRuntimeData({"tee-pubkey": {"kty": "EC"}})
    digest = runtime_data_digest()
    token = await service.evaluate([sample(digest, runtime_data=runtime_data)])
    decoded = jwt.decode(token, jwt.PyJWK(service.signing_jwk).key, ["RS384"])
    assert decoded["customized_claims"]["runtime_data"] == {"tee-pubkey": {"kty": "EC"}}
    assert decoded["tee"] == "sample"
    (report,) = decoded["evaluation-reports"]
    assert (report["policy-id"], len(report["policy-hash"])) == ("default", 96)
    with pytest.raises(AppraisalError, match="holds one piece of evidence"):
        await service.evaluate([sample(), sample()])
    again = await create(config, storage, source="test")
    assert again.signing_jwk == service.signing_jwk
    await service.close()
    await again.close()


async def test_real_evidence_becomes_one() -> None:
    service = await create(
        ServiceConfig(attestation_token_broker=TokenBrokerConfig(type=TokenType.SIMPLE)), MemoryBackend(), source="test"
    )
    decoded = jwt.decode(await service.evaluate([snp()]), jwt.PyJWK(service.signing_jwk).key, ["RS384"])
    assert decoded["tee"] == "snp"
    assert decoded["tcb-status"]["snp.reported_tcb_microcode"] == 115
    assert decoded["tcb-status"]["snp.report_data"].startswith("ec6c52d7533cc2c4")
    await service.close()


async def test_the_configured_key_signs(tmp_path: Any) -> None:
    path = tmp_path / "token.key"
    path.write_bytes(pem(KEY))
    path.chmod(0o600)
    broker = TokenBrokerConfig(type=TokenType.SIMPLE, signer=SignerConfig(key_path=path))
    service = await create(ServiceConfig(attestation_token_broker=broker), MemoryBackend(), source="test")
    assert service.signing_jwk == SimpleTokenSigner(KEY).jwk
    await service.close()


async def test_a_stored_key_that_is_none_stops_the_start() -> None:
    storage = MemoryBackend()
    await storage.namespace(NAMESPACE).put(SIMPLE_SIGNING_KEY, pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(StorageCorruptError, match="is not an RSA private key"):
        await create(
            ServiceConfig(attestation_token_broker=TokenBrokerConfig(type=TokenType.SIMPLE)), storage, source="test"
        )


def runtime_data_digest() -> str:
    return base64.b64encode(hashlib.sha384(b'{"tee-pubkey":{"kty":"EC"}}').digest()).decode()
