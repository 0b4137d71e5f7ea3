"""The administrator's requests, as the stock client sends them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation_protocol.encoding import b64std_decode, b64url_decode
from attestation_protocol.resource_uri import ResourcePath
from key_broker_client import AdminClient
from key_broker_client.errors import BrokerAnswerError
from key_broker_client.transport import Answer

from tests.unit.key_broker_client.broker import Broker, refusal

PATH = ResourcePath.parse("default/key/1")


def broker(*requests: str, body: bytes = b"") -> Broker:
    return Broker(answers={request: [Answer(200, body)] for request in requests})


def sent(peer: Broker) -> Any:
    return json.loads(peer.seen[0][2])


async def test_policies_go_out_in_base64url() -> None:
    peer = broker("POST /kbs/v0/attestation-policy")
    await AdminClient(peer, "jwt").set_attestation_policy(b"package policy\n\xc3\xbf>", policy_id="default_cpu")
    assert list(sent(peer)) == ["type", "policy_id", "policy"]
    assert b64url_decode(sent(peer)["policy"]) == b"package policy\n\xc3\xbf>"
    assert peer.seen[0][1] == {"authorization": "Bearer jwt", "content-type": "application/json"}
    peer = broker("POST /kbs/v0/resource-policy")
    await AdminClient(peer).set_resource_policy(b"package policy")
    assert list(sent(peer)) == ["policy"]
    assert "authorization" not in peer.seen[0][1]


async def test_resources_go_out_as_they_are() -> None:
    peer = broker("POST /kbs/v0/resource/default/key/1", "DELETE /kbs/v0/resource/default/key/1")
    admin = AdminClient(peer)
    await admin.set_resource(PATH, b"\x00\xff")
    await admin.delete_resource(PATH)
    assert peer.seen[0][1:] == ({"content-type": "application/octet-stream"}, b"\x00\xff")
    assert peer.seen[1][1:] == ({}, b"")


async def test_reference_values_go_through_the_sample_extractor() -> None:
    peer = broker("POST /kbs/v0/reference-value", "GET /kbs/v0/reference-value/a%20b/c", body=b'["1"]')
    admin = AdminClient(peer)
    await admin.set_sample_reference_value("svn", ["1"])
    assert {**sent(peer), "payload": None} == {"version": "0.1.0", "type": "sample", "payload": None}
    assert b64std_decode(sent(peer)["payload"]) == b'{"svn":["1"]}'
    assert await admin.get_reference_value("a b/c") == '["1"]'


@pytest.mark.parametrize(
    ("value_id", "target"),
    [
        ("a.b", "a.b"),
        ("../resource-policy", "%2E%2E/resource-policy"),
        ("a/./b", "a/%2E/b"),
        ("a//é?#", "a//%C3%A9%3F%23"),
    ],
)
async def test_a30_an_id_is_asked_for_as_it_is(value_id: str, target: str) -> None:
    peer = broker(f"GET /kbs/v0/reference-value/{target}", body=b"1")
    assert await AdminClient(peer).get_reference_value(value_id) == "1"


@pytest.mark.parametrize(
    ("detail", "code", "advice"),
    [
        ("denied", "ADMIN-REFUSED", "check the administrator's token and role, and what the answer says"),
        ("denied (make a new token) [ADMIN-TOKEN-EXPIRED]", "ADMIN-TOKEN-EXPIRED", "make a new token"),
    ],
)
async def test_a_refusal_is_shown_with_what_the_broker_says(detail: str, code: str, advice: str) -> None:
    peer = Broker(answers={"DELETE /kbs/v0/resource/default/key/1": [refusal("AdminAuthInitialization", detail)]})
    with pytest.raises(BrokerAnswerError) as caught:
        await AdminClient(peer).delete_resource(PATH)
    assert (caught.value.code, caught.value.advice, caught.value.status) == (code, advice, 401)
    assert caught.value.message == (
        'Request Failed, Response: "{\\"type\\":\\"https://github.com/confidential-containers/kbs/errors/'
        f'AdminAuthInitialization\\",\\"detail\\":\\"{detail}\\"}}"'
    )


async def test_a_refusal_cannot_drive_a_terminal_or_fill_it() -> None:
    peer = Broker(
        answers={"DELETE /kbs/v0/resource/default/key/1": [Answer(502, b"\x1b[2J\xe2\x80\xae" + b"x" * 9000)]}
    )
    with pytest.raises(BrokerAnswerError) as caught:
        await AdminClient(peer).delete_resource(PATH)
    assert caught.value.code == "ADMIN-REFUSED"
    assert caught.value.message.startswith('Request Failed, Response: "\\u001b[2J\\u202exxx')
    assert len(caught.value.message) < 4200
