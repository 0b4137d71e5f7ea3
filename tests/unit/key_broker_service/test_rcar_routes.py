"""`/auth` and `/attest` against an attestation service that says what the test wants."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from attestack_common.http_server import Response
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.tee import Tee
from attestation_service.errors import AttestationServiceError
from key_broker_service.errors import AttestRefusedError, AuthRefusedError, KbsError
from key_broker_service.metrics import Metrics
from key_broker_service.rcar_routes import RcarRoutes
from key_broker_service.sessions import SEALING_KEY, Sessions
from trustee_core.storage.contract import StorageTimeoutError
from trustee_core.storage.memory import MemoryBackend, MemoryStore

from tests.unit.key_broker_service.fakes import FakeBackend, Now, attest_body, auth_body, cookie_of, request

AUTH_FAILED = "Attestation error: RCAR handshake Auth failed: "
ATTEST_FAILED = "Attestation error: RCAR handshake Attest failed"


class Broker:
    """The routes with all that they stand on."""

    def __init__(self, store: MemoryStore, sessions: Sessions, now: Now) -> None:
        self.store, self.now = store, now
        self.backend = FakeBackend()
        self.metrics = Metrics("1.0")
        self.routes = RcarRoutes(self.backend, sessions, self.metrics)

    async def auth(self, body: Any = None) -> Response:
        return await self.routes.auth(request("POST", "/kbs/v0/auth", auth_body() if body is None else body), ())

    async def attest(self, body: Any, cookie: str | None) -> Response:
        headers = {} if cookie is None else {"cookie": cookie}
        return await self.routes.attest(request("POST", "/kbs/v0/attest", body, **headers), ())

    async def challenge(self, tee: str = "sample") -> tuple[str, str]:
        response = await self.auth(auth_body(tee))
        return json.loads(response.body)["nonce"], cookie_of(response)

    async def refused(self, call: Any) -> KbsError:
        with pytest.raises((AttestRefusedError, AuthRefusedError)) as caught:
            await call
        return caught.value

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics._registry.get_sample_value(name, labels) or 0


@pytest.fixture
async def broker() -> Broker:
    now = Now()
    store = MemoryBackend(clock=now).namespace("kbs_protocol_session")
    return Broker(store, await Sessions.open(store, now, 300), now)


async def test_a_challenge_is_32_bytes_in_padded_base64_and_sets_its_cookie(broker: Broker) -> None:
    response = await broker.auth()
    challenge = json.loads(response.body)
    assert list(challenge) == ["nonce", "extra-params"]
    assert len(base64.b64decode(challenge["nonce"], validate=True)) == 32
    assert challenge["extra-params"] == ""
    assert response.content_type == "application/json"
    [(name, value)] = response.headers
    assert name == "set-cookie"
    assert value.startswith("kbs-session-id=")
    assert value.endswith("; Expires=Sun, 22 Nov 2026 11:16:57 GMT")


async def test_a01_no_two_challenges_are_alike(broker: Broker) -> None:
    challenges = [await broker.challenge() for _ in range(200)]
    assert len({nonce for nonce, _ in challenges}) == len({cookie for _, cookie in challenges}) == 200


async def test_auth_touches_no_store(broker: Broker) -> None:
    await broker.challenge()
    assert await broker.store.keys() == [SEALING_KEY]


@pytest.mark.parametrize(
    ("body", "text", "code"),
    [
        (b"", "deserialize Request", "JSON"),
        (b"[]", "deserialize Request", "RCAR-MESSAGE"),
        ({"version": "0.4.0", "tee": "sample"}, "deserialize Request", "RCAR-MESSAGE"),
        (auth_body("Sample"), "deserialize Request", "TEE-UNKNOWN"),
        (auth_body(version="0.4"), "failed to parse KBS version", "RCAR-VERSION"),
        (
            auth_body(version="0.4.1"),
            "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is 0.4.1",
            "RCAR-VERSION",
        ),
        (
            auth_body("se", **{"extra-params": {"supported-hash-algorithms": ["sha256"]}}),
            "Attestation Service generate challenge failed",
            "HASH-ALGORITHM",
        ),
    ],
)
async def test_auth_refuses_in_the_recorded_words(broker: Broker, body: Any, text: str, code: str) -> None:
    error = await broker.refused(broker.auth(body))
    assert (error.message, error.code) == (AUTH_FAILED + text, code)
    assert broker.counted("kbs_auth_errors_total") == broker.counted("kbs_auth_requests_total") == 1


async def test_se_asks_the_attestation_service_and_selects_sha512(broker: Broker) -> None:
    offer = {"supported-hash-algorithms": ["sha512"]}
    response = await broker.auth(auth_body("se", **{"extra-params": offer}))
    assert json.loads(response.body) == {
        "nonce": 'se {"supported-hash-algorithms":["sha512"]}',
        "extra-params": {"selected-hash-algorithm": "sha512"},
    }
    await broker.attest(attest_body('se {"supported-hash-algorithms":["sha512"]}'), cookie_of(response))
    assert broker.backend.requests[0][0].runtime_data_hash is HashAlgorithm.SHA512


async def test_a_challenge_that_the_service_refuses_or_no_cookie_holds_is_refused(broker: Broker) -> None:
    long = auth_body("se", **{"extra-params": {"x": "y" * 300}})
    assert (await broker.refused(broker.auth(long))).code == "SESSION-CHALLENGE-SIZE"
    broker.backend.refusal = AttestationServiceError("no", code="AS-NO")
    error = await broker.refused(broker.auth(auth_body("se")))
    assert (error.message, error.code) == (AUTH_FAILED + "Attestation Service generate challenge failed", "AS-NO")


async def test_attest_answers_with_the_token_and_the_same_cookie(broker: Broker) -> None:
    nonce, cookie = await broker.challenge("snp")
    response = await broker.attest(attest_body(nonce), cookie)
    assert (response.body, response.content_type) == (b'{"token":"token.1"}', "application/json")
    assert cookie_of(response) == cookie
    assert dict(response.headers)["set-cookie"].endswith("; Expires=Sun, 22 Nov 2026 11:16:57 GMT")
    [[evidence]] = broker.backend.requests
    assert (evidence.tee, broker.backend.policy_ids) == (Tee.SNP, ("default",))
    assert broker.counted("kbs_attestation_successes_total", tee_type="snp") == 1


@pytest.mark.parametrize(
    ("body", "cookie", "code"),
    [
        (b"", None, "JSON"),
        (b"{}", "kbs-session-id=x", "RCAR-MESSAGE"),
        (attest_body("n"), None, "SESSION-UNKNOWN"),
        (attest_body("n"), "kbs-session-id=00000000000000000000000000000000", "SESSION-UNKNOWN"),
    ],
)
async def test_attest_without_a_message_or_a_session_is_an_error(
    broker: Broker, body: Any, cookie: str | None, code: str
) -> None:
    error = await broker.refused(broker.attest(body, cookie))
    assert (error.message, error.code) == (ATTEST_FAILED, code)
    assert broker.counted("kbs_attestation_errors_total") == 1
    assert broker.backend.requests == []


async def test_a02_the_nonce_of_another_session_is_refused_and_both_sessions_go_on(broker: Broker) -> None:
    (mine, my_cookie), (theirs, their_cookie) = await broker.challenge(), await broker.challenge()
    for nonce, cookie in ((mine, their_cookie), (theirs, my_cookie)):
        assert (await broker.refused(broker.attest(attest_body(nonce), cookie))).code == "RCAR-NONCE"
    assert broker.backend.requests == []
    assert (await broker.attest(attest_body(mine), my_cookie)).status == 200
    assert (await broker.attest(attest_body(theirs), their_cookie)).status == 200


async def test_a10_an_ended_session_is_refused(broker: Broker) -> None:
    nonce, cookie = await broker.challenge()
    broker.now.pass_(minutes=5)
    assert (await broker.refused(broker.attest(attest_body(nonce), cookie))).code == "SESSION-EXPIRED"


async def test_refused_evidence_leaves_the_session_as_it_was(broker: Broker) -> None:
    nonce, cookie = await broker.challenge("snp")
    broker.backend.refusal = AttestationServiceError("wanted a, got b", code="SNP-SIGNATURE", advice="look there")
    error = await broker.refused(broker.attest(attest_body(nonce), cookie))
    assert (error.message, error.code, error.advice) == (ATTEST_FAILED, "SNP-SIGNATURE", "look there")
    assert b"wanted" not in error.document()
    assert broker.counted("kbs_attestation_failures_total", tee_type="snp") == 1
    assert broker.counted("kbs_attestation_errors_total") == 0
    broker.backend.refusal = None
    assert (await broker.attest(attest_body(nonce), cookie)).status == 200


async def test_a_repeat_byte_for_byte_gets_the_stored_token_and_nothing_else_does(broker: Broker) -> None:
    nonce, cookie = await broker.challenge()
    first = await broker.attest(attest_body(nonce), cookie)
    again = await broker.attest(attest_body(nonce), cookie)
    assert first.body == again.body == b'{"token":"token.1"}'
    spaced = json.dumps(attest_body(nonce)).encode() + b" "
    assert (await broker.refused(broker.attest(spaced, cookie))).code == "SESSION-USED"


async def test_a02_of_many_keys_that_race_one_nonce_one_gets_a_token(broker: Broker) -> None:
    nonce, cookie = await broker.challenge()

    async def attempt(number: int) -> Response | AttestRefusedError:
        key = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": str(number), "y": "eQ"}
        body = attest_body(nonce, **{"runtime-data": {"nonce": nonce, "tee-pubkey": key}})
        try:
            return await broker.attest(body, cookie)
        except AttestRefusedError as error:
            return error

    outcomes = await asyncio.gather(*(attempt(number) for number in range(64)))
    assert sum(isinstance(outcome, Response) for outcome in outcomes) == 1
    assert {outcome.code for outcome in outcomes if isinstance(outcome, AttestRefusedError)} == {"SESSION-USED"}


async def test_a_store_that_fails_refuses(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> bool:
        raise StorageTimeoutError("no answer", advice="look at the disk")

    nonce, cookie = await broker.challenge()
    monkeypatch.setattr(MemoryStore, "put_if_absent", fail)
    error = await broker.refused(broker.attest(attest_body(nonce), cookie))
    assert (error.message, error.code) == (ATTEST_FAILED, "STORAGE-TIMEOUT")
