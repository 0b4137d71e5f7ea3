"""Simple tokens at a broker: they name their TEE key, rest on samples or not, and are for policies on `tcb-status`."""

from __future__ import annotations

import json
from typing import Any

import jwt
from attestation_protocol.errors import code_of

from tests.unit.key_broker_service.fakes import code
from tests.unit.key_broker_service.inprocess import SECRET, Guest, running

SIMPLE: dict[str, Any] = {
    "attestation_service": {"type": "coco_as_builtin", "attestation_token_broker": {"type": "Simple"}}
}
POLICY = 'package policy\ndefault allow := false\nallow if input["tcb-status"]["sample.svn"] == "1"\n'


async def test_a_policy_on_the_status_of_the_tcb_opens_a_resource() -> None:
    async with running(**SIMPLE) as broker:
        await broker.set_resource()
        await broker.set_policy(POLICY)
        guest = Guest(broker)
        token = await guest.token()
        assert jwt.get_unverified_header(token)["alg"] == "RS384"
        assert guest.open(await guest.by_cookie()) == SECRET
        assert guest.open(await guest.by_bearer(token)) == SECRET


async def test_the_installed_policy_gives_nothing_for_a_token_without_a_status() -> None:
    async with running(**SIMPLE) as broker:
        await broker.set_resource()
        guest = Guest(broker)
        await guest.token()
        assert code(await guest.by_cookie()) == "POLICY-DENY"


async def test_a11_the_sample_gate_sees_such_a_token() -> None:
    async with running(**SIMPLE, insecure_sample_evidence=False) as broker:
        await broker.set_resource()
        await broker.set_policy("package policy\ndefault allow := true\n")
        guest = Guest(broker)
        token = await guest.token()
        for answer in (await guest.by_cookie(), await guest.by_bearer(token)):
            assert (answer.status, code(answer)) == (401, "SAMPLE-EVIDENCE")


async def test_device_evidence_has_no_place_in_it() -> None:
    async with running(**SIMPLE) as broker:
        guest = await Guest(broker).auth()
        answer = await guest.attest(guest.evidence(guest.device()))
        assert answer.status == 401
        assert code_of(json.loads(answer.body)["detail"]) == "AS-SIMPLE-EVIDENCE"
