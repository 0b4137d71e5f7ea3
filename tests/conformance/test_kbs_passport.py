"""The passport model as recorded: one broker issues tokens, another spends them because it trusts the issuer's CA.

The clock stands where it stood then: the token that the stock broker issued, the certificates that endorse it and the
administrators' tokens are the recorded ones, byte for byte.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.conformance import wire_table
from tests.conformance.kbs_replay import Replay
from tests.conformance.recordings import Headers, Response, Step, http_recording
from tests.conformance.test_as_recordings import make_signer
from tests.conformance.test_kbs_recordings import differences, shape, token_parts
from tests.integration.processes import Program, Tcp, free_port
from tests.unit.key_broker_service.inprocess import ALLOW_EVERYTHING, SECRET, Broker, running
from tests.unit.key_broker_service.test_admin import authenticated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ISSUE: Final = http_recording("passport/issue")
SPEND: Final = http_recording("passport/spend")
ISSUER: Final = """
[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
[admin]
authorization_mode = "DenyAll"
[attestation_service]
type = "coco_as_builtin"
[attestation_service.attestation_token_broker.signer]
key_path = "{key}"
cert_path = "{chain}"
"""
"""The issuing broker of the recording: no plugin, and tokens under a chain."""
WHEN: Final = datetime(2026, 11, 22, 11, 12, 40, tzinfo=UTC)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """The resource broker of the recording: no `[attestation_service]`, and one CA that it trusts."""
    (tmp_path / "ca.pem").write_text(ISSUE.members["ca_pem"])
    trust = {"trusted_certs_paths": [str(tmp_path / "ca.pem")]}
    async with running(attestation_token=trust, admin=authenticated(tmp_path)) as started:
        started.now.time = WHEN
        store = started.api._plugins._plugins["resource"]._store  # type: ignore[attr-defined]
        await store.put("default/key/1", SECRET)
        policies = started.api._plugins._gates.policy._policies._store
        await policies.put("resource-policy.rego", ALLOW_EVERYTHING.encode())
        yield started


async def ask(broker: Broker, step: Step) -> Response:
    """Ask what was asked then; the answer with the header fields that the HTTP edge adds."""
    headers = {name: value for name, value in step.request.headers.items if name != "content-length"}
    target = step.request.target.removeprefix("/kbs/v0/")
    answer = await broker.ask(step.request.method, target, step.request.body, **headers)
    fields = [("content-length", str(len(answer.body))), ("date", "now"), *answer.headers]
    if answer.content_type is not None:
        fields.append(("content-type", answer.content_type))
    return Response(answer.status, Headers(tuple(fields)), answer.body)


@pytest.mark.parametrize("number", range(len(SPEND.steps)))
async def test_a_token_of_the_stock_broker_is_spent_as_recorded(broker: Broker, number: int) -> None:
    step = SPEND.steps[number]
    found = "; ".join(differences(step.response, await ask(broker, step), SPEND))
    wire_table.add("passport/spend", number, "our server", str(step), difference=found)
    assert found == ""


async def test_the_recorded_token_ends_with_its_time(broker: Broker) -> None:
    broker.now.time = WHEN + timedelta(minutes=7)
    answer = await ask(broker, SPEND.steps[0])
    assert (answer.status, answer.body.endswith(b'[TOKEN-EXPIRED]"}')) == (401, True)


async def test_the_recorded_token_is_nothing_without_its_authority(tmp_path: Path) -> None:
    async with running(admin=authenticated(tmp_path)) as broker:
        broker.now.time = WHEN
        answer = await ask(broker, SPEND.steps[0])
        assert (answer.status, answer.body.endswith(b'[TOKEN-KEY]"}')) == (401, True)


def test_a_token_is_issued_under_a_chain_as_recorded(tmp_path: Path) -> None:
    key, chain, config, port = tmp_path / "token.key", tmp_path / "chain.pem", tmp_path / "kbs.toml", free_port()
    make_signer(key, chain)
    config.write_text(ISSUER.format(port=port, key=key, chain=chain))
    with Program("kbs", "--config-file", config, ready=Tcp(port)):
        replay = Replay(port)
        answers = [replay.ask(step) for step in ISSUE.steps]
    recorded, fresh = (token_parts(response.json["token"]) for response in (ISSUE.steps[1].response, answers[1]))
    assert len(fresh[0]["jwk"]["x5c"]) == 2
    for parts in (recorded, fresh):  # the chains have keys and names of their own
        parts[0]["jwk"]["x5c"] = []
    assert shape(fresh) == shape(recorded)
    del answers[1]
    steps = [step for step in ISSUE.steps if step is not ISSUE.steps[1]]
    found = [list(differences(step.response, answer, ISSUE)) for step, answer in zip(steps, answers, strict=True)]
    assert found == [[], []]
    for number, step in enumerate(ISSUE.steps):
        wire_table.add("passport/issue", number, "our server", str(step))
