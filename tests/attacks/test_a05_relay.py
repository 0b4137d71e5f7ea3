"""A05: who relays an honest guest's attestation, cookie or token gets a secret that only the guest can open.

The attested channel is not what counts: the secret is encrypted to the key inside the evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from tests.integration.independent_rcar_client import Guest, new_key
from tests.integration.kbs_config import Kbs, policy_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = "default/key/1"
SECRET = b"for the attested machine alone"


@pytest.fixture
def kbs(tmp_path: Path) -> Iterator[Kbs]:
    with Kbs(tmp_path, storage="Memory") as started:
        operator = Guest(started.url, new_key("P-256"))
        assert operator.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200
        assert operator.send("POST", "/kbs/v0/resource-policy", policy_document()).status == 200
        operator.close()
        yield started


@pytest.fixture
def honest(kbs: Kbs) -> Iterator[Guest]:
    guest = Guest(kbs.url, new_key("P-256"))
    yield guest
    guest.close()


@pytest.fixture
def relay(kbs: Kbs) -> Iterator[Guest]:
    guest = Guest(kbs.url, new_key("P-256"))
    yield guest
    guest.close()


def test_a05_evidence_that_was_made_for_the_relays_challenge_helps_the_relay_nothing(
    honest: Guest, relay: Guest
) -> None:
    challenge = relay.auth()
    answer = relay.attest(challenge, honest.attestation(challenge.nonce))
    assert answer.status == 200
    secret = relay.resource(PATH, Cookie=challenge.cookie)
    with pytest.raises(InvalidUnwrap):
        relay.open(secret)
    assert honest.open(secret) == SECRET


def test_a05_evidence_relayed_under_the_relays_own_key_is_refused(honest: Guest, relay: Guest) -> None:
    challenge = relay.auth()
    answer = relay.attest(challenge, honest.attestation(challenge.nonce, claimed_key=relay.key))
    assert answer.status == 401
    assert answer.json["detail"].endswith("[SAMPLE-REPORT-DATA]")


@pytest.mark.parametrize("stolen", ["cookie", "token"])
def test_a05_a_stolen_cookie_or_token_opens_nothing(honest: Guest, relay: Guest, stolen: str) -> None:
    challenge = honest.auth()
    token = honest.token(challenge)
    header = {"Cookie": challenge.cookie} if stolen == "cookie" else {"Authorization": f"Bearer {token}"}
    secret = relay.resource(PATH, **header)
    with pytest.raises(InvalidUnwrap):
        relay.open(secret)
    assert honest.open(secret) == SECRET
