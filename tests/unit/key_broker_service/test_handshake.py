"""The two halves of the handshake: hash negotiation, and what is asked of the verifier."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation_protocol.errors import ProtocolError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.rcar import Attestation
from attestation_protocol.tee import Tee
from attestation_service.contract import EvidenceRequest, StructuredRuntimeData
from key_broker_service.handshake import HashChoice, choose_hash, evidence_requests
from key_broker_service.sessions import Session

OFFER = {"supported-hash-algorithms": ["sha256", "SHA512", 7]}
KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "eA", "y": "eQ"}
SESSION = Session("00" * 16, Tee.SAMPLE, "nonce", HashAlgorithm.SHA384, 2_000_000_000)
TOML = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"aa.toml" = "x = 1"\n'


def attestation(**changes: Any) -> Attestation:
    evidence = {"primary_evidence": {"svn": "1"}, "additional_evidence": changes.pop("additional", "")}
    body = {"runtime-data": {"nonce": "nonce", "tee-pubkey": {**KEY, "use": "enc"}}, "tee-evidence": evidence}
    return Attestation.parse(json.dumps(body | changes).encode())


def code(**changes: Any) -> str:
    with pytest.raises(ProtocolError) as caught:
        evidence_requests(SESSION, attestation(**changes))
    return caught.value.code


@pytest.mark.parametrize("tee", [tee for tee in Tee if tee is not Tee.SE])
def test_other_tees_use_sha384_whatever_they_offer(tee: Tee) -> None:
    assert choose_hash(tee, OFFER) == HashChoice(HashAlgorithm.SHA384, "")


@pytest.mark.parametrize("offered", [None, "", [], {}, {"supported-hash-algorithms": None}])
def test_se_that_offers_nothing_is_told_nothing(offered: Any) -> None:
    assert choose_hash(Tee.SE, offered) == HashChoice(HashAlgorithm.SHA384, "")


def test_se_gets_sha512() -> None:
    assert choose_hash(Tee.SE, OFFER) == HashChoice(HashAlgorithm.SHA512, {"selected-hash-algorithm": "sha512"})


@pytest.mark.parametrize("names", [[], "sha512", ["sha256"], {"sha512": 1}])
def test_se_without_sha512_is_refused(names: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        choose_hash(Tee.SE, {"supported-hash-algorithms": names})
    assert caught.value.code == "HASH-ALGORITHM"


def test_the_primary_evidence_is_bound_to_the_additional_even_when_empty() -> None:
    assert evidence_requests(SESSION, attestation()) == [
        EvidenceRequest(
            Tee.SAMPLE,
            {"svn": "1"},
            StructuredRuntimeData({"additional-evidence": "", "nonce": "nonce", "tee-pubkey": KEY}),
            HashAlgorithm.SHA384,
        )
    ]


def test_devices_are_bound_without_it_and_carry_no_init_data() -> None:
    text = '{"sampledevice": {"svn": "2"}, "nvidia": []}'
    message = attestation(additional=text, **{"init-data": {"format": "toml", "body": TOML}})
    primary, *devices = evidence_requests(SESSION, message)
    bound = StructuredRuntimeData({"nonce": "nonce", "tee-pubkey": KEY})
    assert primary.init_data == InitData.parse(TOML)
    assert isinstance(primary.runtime_data, StructuredRuntimeData)
    assert primary.runtime_data.value["additional-evidence"] == text
    assert devices == [
        EvidenceRequest(Tee.SAMPLE_DEVICE, {"svn": "2"}, bound),
        EvidenceRequest(Tee.NVIDIA, [], bound),
    ]


def test_the_hash_of_the_session_is_asked_for() -> None:
    session = Session("00" * 16, Tee.SE, "nonce", HashAlgorithm.SHA512, 2_000_000_000)
    requests = evidence_requests(session, attestation(additional='{"nvidia": []}'))
    assert [request.runtime_data_hash for request in requests] == [HashAlgorithm.SHA512] * 2


def test_a04_the_tee_is_the_one_of_the_challenge() -> None:
    session = Session("00" * 16, Tee.SNP, "nonce", HashAlgorithm.SHA384, 2_000_000_000)
    assert evidence_requests(session, attestation())[0].tee is Tee.SNP


@pytest.mark.parametrize("nonce", ["", "Nonce", "nonce ", "nonc", "nönce"])
def test_a02_another_nonce_is_refused(nonce: str) -> None:
    assert code(**{"runtime-data": {"nonce": nonce, "tee-pubkey": KEY}}) == "RCAR-NONCE"


@pytest.mark.parametrize(
    ("additional", "expected"),
    [
        ("{", "JSON"),
        ("[]", "RCAR-MESSAGE"),
        ('{"nosuch": 1}', "TEE-UNKNOWN"),
        ('{"snp": 1, "snp": 2}', "JSON-DUPLICATE"),
        ('{"nvidia-dpu": 1, "nvidiadpu": 2}', "RCAR-MESSAGE"),
    ],
)
def test_additional_evidence_that_is_no_object_by_tee_is_refused(additional: str, expected: str) -> None:
    assert code(additional=additional) == expected


@pytest.mark.parametrize("message", [{"format": "json", "body": TOML}, {"format": "toml", "body": "x"}])
def test_init_data_of_another_format_is_refused(message: dict[str, str]) -> None:
    assert code(**{"init-data": message}) == "INIT-DATA"
