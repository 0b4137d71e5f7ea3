"""The client that attests for itself: what it sends, when it tries again, and when it does not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from attestation_protocol.encoding import b64std_encode
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.rcar import report_data
from attestation_protocol.resource_uri import ResourceUri
from attestation_protocol.tee_key import TeeKeyAlgorithm, TeeKeyPair
from key_broker_client import RcarClient
from key_broker_client.errors import (
    AccessDeniedError,
    BrokerAnswerError,
    BrokerUnreachableError,
    HandshakeRefusedError,
    ResourceUnavailableError,
    TooLateError,
    UnauthorizedError,
)
from key_broker_client.handshake import session_cookie
from key_broker_client.transport import Answer

from tests.unit.key_broker_client.broker import Broker, SampleEvidence, bound, refusal

URI = ResourceUri.parse("kbs:///default/key/1")
AUTH, ATTEST, RESOURCE = "POST /kbs/v0/auth", "POST /kbs/v0/attest", "GET /kbs/v0/resource/default/key/1"


def client(broker: Broker, **options: Any) -> RcarClient:
    return RcarClient(broker, SampleEvidence(), pause=0, **options)


@pytest.mark.parametrize("algorithm", TeeKeyAlgorithm)
async def test_a_resource_is_asked_for_then_attested_then_given(algorithm: TeeKeyAlgorithm) -> None:
    broker = Broker()
    secret = await client(broker, key=TeeKeyPair.generate(algorithm)).get_resource(URI)
    assert secret.reveal() == b"the-secret-bytes"
    assert broker.requests == [RESOURCE, AUTH, ATTEST, RESOURCE]
    assert broker.seen[-1][1] == {"cookie": "kbs-session-id=abc"}


async def test_the_evidence_is_bound_to_nonce_and_key() -> None:
    broker = Broker()
    await client(broker).attest()
    assert broker.attested is not None
    assert bound(broker.attested, HashAlgorithm.SHA384)
    assert broker.attested.init_data is None


async def test_the_broker_chooses_the_hash() -> None:
    broker = Broker(extra_params={"selected-hash-algorithm": "SHA512"})
    await client(broker).attest()
    assert broker.attested is not None
    assert bound(broker.attested, HashAlgorithm.SHA512)


async def test_a04_device_evidence_is_bound_without_and_primary_evidence_with_its_text() -> None:
    broker = Broker()
    await RcarClient(broker, SampleEvidence("yes"), pause=0).attest()
    attested = broker.attested
    assert attested is not None
    assert bound(attested, HashAlgorithm.SHA384)
    device = next(iter(attested.device_evidence().values()))
    assert device["report_data"] == b64std_encode(report_data(attested.runtime_data.device_claims()))


async def test_init_data_travels_as_it_is() -> None:
    broker = Broker()
    await client(broker, init_data='version = "0.1.0"\n').attest()
    assert json.loads(broker.seen[1][2])["init-data"] == {"format": "toml", "body": 'version = "0.1.0"\n'}


async def test_silence_is_tried_again_five_times() -> None:
    broker = Broker(lost=4)
    await client(broker).attest()
    assert broker.requests == [AUTH] * 5 + [ATTEST]
    with pytest.raises(BrokerUnreachableError):
        await client(Broker(lost=5)).attest()


async def test_a_broker_in_trouble_is_tried_again() -> None:
    broker = Broker(answers={AUTH: [Answer(503, b"")] * 2, ATTEST: [Answer(500, b"")]})
    await client(broker).attest()
    assert broker.requests == [AUTH, AUTH, AUTH, ATTEST, AUTH, ATTEST]
    with pytest.raises(BrokerAnswerError) as caught:
        await client(Broker(answers={AUTH: [Answer(503, b"")] * 5})).attest()
    assert caught.value.status == 503


@pytest.mark.parametrize("what", ["tee", "evidence", "additional_evidence"])
async def test_evidence_that_does_not_come_is_one_of_our_errors(what: str) -> None:
    evidence = SampleEvidence()

    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    setattr(evidence, what, never)
    broker = Broker()
    with pytest.raises(TooLateError) as caught:
        await RcarClient(broker, evidence, pause=0, evidence_seconds=0.02).attest()
    assert caught.value.code == "EVIDENCE-TIMEOUT"
    assert broker.requests == ([] if what == "tee" else [AUTH])


@pytest.mark.parametrize(
    ("fields", "cookie"),
    [
        (("a=1", "kbs-session-id=x=y; Path=/"), "kbs-session-id=x=y"),
        (("kbs-session-id=1", "kbs-session-id=2"), "kbs-session-id=1"),
        (("kbs-session-id=\xff",), None),
        (("kbs-session-id=",), None),
        (("kbs-session-id=" + "x" * 5000,), None),
        (("kbs-session-idx=1", "x-kbs-session-id=1"), None),
        ((), None),
    ],
)
def test_a10_only_a_session_that_can_be_sent_back_is_one(fields: tuple[str, ...], cookie: str | None) -> None:
    assert session_cookie(fields) == cookie


async def test_a_broker_without_a_session_is_attested_to_without_one() -> None:
    broker = Broker(
        answers={AUTH: [Answer(200, b'{"nonce":"x","extra-params":""}')], ATTEST: [refusal("AttestationError")]}
    )
    with pytest.raises(HandshakeRefusedError):
        await client(broker).attest()
    assert "cookie" not in broker.seen[-1][1]


@pytest.mark.parametrize("path", [AUTH, ATTEST])
async def test_a_refused_handshake_is_not_tried_again(path: str) -> None:
    broker = Broker(answers={path: [refusal("AttestationError", "Attest failed [SNP-DEBUG]")]})
    with pytest.raises(HandshakeRefusedError) as caught:
        await client(broker).attest()
    assert caught.value.code == "SNP-DEBUG"
    assert broker.requests.count(path) == 1


@pytest.mark.parametrize(
    ("variant", "status", "error"),
    [
        ("PolicyDeny", 401, AccessDeniedError),
        ("PluginInternalError", 401, ResourceUnavailableError),
        ("PluginNotFound", 404, ResourceUnavailableError),
        ("JweError", 401, ResourceUnavailableError),
    ],
)
async def test_a_denied_or_missing_resource_is_not_re_attested(variant: str, status: int, error: Any) -> None:
    broker = Broker(answers={RESOURCE: [refusal(variant, status=status)]})
    with pytest.raises(error) as caught:
        await client(broker).get_resource(URI)
    assert broker.requests == [RESOURCE]
    assert caught.value.status == status
    assert caught.value.advice


@pytest.mark.parametrize("variant", ["TokenNotFound", "TokenVerifierError", "AttestationError"])
async def test_a_session_that_is_not_taken_is_renewed_twice(variant: str) -> None:
    broker = Broker(answers={RESOURCE: [refusal(variant)] * 3})
    with pytest.raises(UnauthorizedError):
        await client(broker).get_resource(URI)
    assert broker.requests == [RESOURCE, AUTH, ATTEST, RESOURCE, AUTH, ATTEST, RESOURCE]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (AUTH, Answer(200, b"<html>")),
        (AUTH, Answer(200, b'{"nonce":"x"}')),
        (AUTH, Answer(200, b'{"nonce":"x","extra-params":{"selected-hash-algorithm":"md5"}}')),
        (AUTH, Answer(302, b"")),
        (AUTH, Answer(401, b"login")),
        (ATTEST, Answer(200, b"{}")),
        (ATTEST, Answer(200, b'{"token":"x"}')),
        (RESOURCE, Answer(200, b"{}")),
        (RESOURCE, Answer(200, b"plain secret")),
        (RESOURCE, Answer(403, b"proxy")),
        (RESOURCE, Answer(500, b"")),
    ],
)
async def test_answers_that_are_not_of_the_protocol_are_said_to_be_none(path: str, answer: Answer) -> None:
    broker = Broker(answers={path: [answer] * 9})
    with pytest.raises(BrokerAnswerError) as caught:
        await client(broker).get_resource(URI)
    assert caught.value.status == answer.status
