"""A04: nonce, key and devices are bound by the report data as a whole; nothing of it can be exchanged or left out."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from attestation_protocol.tee_key import TeeKeyPair

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import Guest, running


async def refused(guest: Guest, body: dict[str, Any]) -> str | None:
    response = await guest.attest(body)
    assert (response.status, variant(response)) == (401, "AttestationError")
    assert variant(await guest.by_cookie()) == "TokenNotFound"
    return code(response)


async def test_a04_a_key_that_was_swapped_is_refused() -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        assert await refused(guest, guest.evidence(key=TeeKeyPair.generate())) == "SAMPLE-REPORT-DATA"


async def test_a04_members_that_are_not_hashed_do_not_reach_the_token() -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        body = guest.evidence()
        body["runtime-data"]["tee-pubkey"] |= {"use": "sig", "kid": "attacker"}
        body["runtime-data"]["more"] = "unbound"
        response = await guest.attest(body)
        assert response.status == 200
        token = json.loads(response.body)["token"]
        claims = base64.urlsafe_b64decode(token.split(".")[1] + "==")
        assert b"attacker" not in claims
        assert b"unbound" not in claims


@pytest.mark.parametrize("size", [1, 32, 47])
async def test_a04_a_digest_that_was_cut_is_refused(size: int) -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        body = guest.evidence()
        primary = body["tee-evidence"]["primary_evidence"]
        primary["report_data"] = base64.b64encode(base64.b64decode(primary["report_data"])[:size]).decode()
        assert await refused(guest, body) == "SAMPLE-REPORT-DATA"


async def test_a04_a_digest_that_was_filled_up_is_refused() -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        body = guest.evidence()
        primary = body["tee-evidence"]["primary_evidence"]
        primary["report_data"] = base64.b64encode(base64.b64decode(primary["report_data"]) + bytes(16)).decode()
        assert await refused(guest, body) == "SAMPLE-REPORT-DATA"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a04_the_right_data_under_another_hash_is_refused(algorithm: str) -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        claims = {
            "additional-evidence": "",
            "nonce": guest.nonce,
            "tee-pubkey": guest.key.public_key.to_jwk(),
        }
        text = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode()
        body = guest.evidence()
        digest = hashlib.new(algorithm, text).digest()
        body["tee-evidence"]["primary_evidence"]["report_data"] = base64.b64encode(digest).decode()
        assert await refused(guest, body) == "SAMPLE-REPORT-DATA"


async def test_a04_devices_cannot_be_added_or_left_out() -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        with_device, without = guest.evidence(guest.device()), guest.evidence()
        for body, additional in ((without, guest.device()), (with_device, ""), (with_device, guest.device() + " ")):
            changed = json.loads(json.dumps(body))
            changed["tee-evidence"]["additional_evidence"] = additional
            assert await refused(guest, changed) == "SAMPLE-REPORT-DATA"


async def test_a04_a_device_of_another_guest_is_refused() -> None:
    async with running() as broker:
        guest, other = await Guest(broker).auth(), await Guest(broker).auth()
        assert await refused(guest, guest.evidence(other.device())) == "SAMPLE-REPORT-DATA"
        assert (await guest.attest(guest.evidence(guest.device()))).status == 200
