"""A guest that shares no code with this project gets its secret from `kbs`; a dishonest one gets none."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from tests.integration import independent_rcar_client
from tests.integration.independent_rcar_client import Answer, Guest, new_key
from tests.integration.kbs_config import Kbs, policy_document

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET: Final = bytes(range(256))
PROCESSES: Final = 64


@pytest.fixture(scope="module", params=["LocalFs", "Sqlite"])
def kbs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kbs]:
    with Kbs(tmp_path_factory.mktemp("kbs"), storage=request.param) as started:
        operator = Guest(started.url, new_key("P-256"))
        assert operator.send("POST", "/kbs/v0/resource/default/key/1", SECRET).status == 200
        assert operator.send("POST", "/kbs/v0/resource-policy", policy_document()).status == 200
        operator.close()
        yield started


@pytest.fixture
def guest(kbs: Kbs) -> Iterator[Guest]:
    one = Guest(kbs.url, new_key("P-256"))
    yield one
    one.close()


def refused(answer: Answer, variant: str, code: str) -> None:
    assert answer.status == 401
    assert answer.json["type"] == f"https://github.com/confidential-containers/kbs/errors/{variant}"
    assert answer.json["detail"].endswith(f"[{code}]"), answer.json["detail"]
    assert list(answer.json) == ["type", "detail"]


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-521"])
def test_a_guest_gets_its_secret_byte_for_byte(kbs: Kbs, kind: str) -> None:
    guest = Guest(kbs.url, new_key(kind))
    challenge = guest.auth()
    token = guest.token(challenge)
    assert guest.open(guest.resource("default/key/1", Cookie=challenge.cookie)) == SECRET
    assert guest.open(guest.resource("default/key/1", Authorization=f"Bearer {token}")) == SECRET
    guest.close()


def test_a02_a_nonce_that_was_used_gets_nothing_in_any_session(guest: Guest) -> None:
    first = guest.auth()
    body = guest.attestation(first.nonce)
    token = guest.attest(first, body).json["token"]
    assert guest.attest(first, body).json["token"] == token  # the same bytes: the same token
    refused(guest.attest(first, body + b" "), "AttestationError", "SESSION-USED")
    second = guest.auth()
    refused(guest.attest(second, body), "AttestationError", "RCAR-NONCE")


def test_a04_a_key_that_the_evidence_is_not_bound_to_gets_nothing(guest: Guest) -> None:
    challenge = guest.auth()
    swapped = guest.attestation(challenge.nonce, claimed_key=new_key("P-256"))
    refused(guest.attest(challenge, swapped), "AttestationError", "SAMPLE-REPORT-DATA")
    refused(guest.resource("default/key/1", Cookie=challenge.cookie), "TokenNotFound", "TOKEN-MISSING")


def test_a07_an_altered_or_unsigned_token_gets_nothing(guest: Guest) -> None:
    header, claims, signature = guest.token(guest.auth()).split(".")
    raised = json.loads(independent_rcar_client.b64url_decode(claims))
    raised["submods"]["cpu0"]["ear.status"] = "affirming"
    altered = independent_rcar_client.b64url(json.dumps(raised).encode())
    unsigned = independent_rcar_client.b64url(b'{"alg":"none","typ":"JWT"}')
    for token, code in (
        (f"{header}.{altered}.{signature}", "TOKEN-SIGNATURE"),
        (f"{unsigned}.{claims}.", "TOKEN-KEY"),
        (f"{header}.{claims}.{signature[:-2]}", "TOKEN-SIGNATURE"),
    ):
        refused(guest.resource("default/key/1", Authorization=f"Bearer {token}"), "TokenVerifierError", code)


def test_a10_the_cookie_of_another_session_gets_nothing(guest: Guest, kbs: Kbs) -> None:
    victim = Guest(kbs.url, new_key("P-256"))
    theirs = victim.auth()
    mine = guest.auth()
    refused(guest.attest(theirs, guest.attestation(mine.nonce)), "AttestationError", "RCAR-NONCE")
    victim.token(theirs)
    stolen = guest.resource("default/key/1", Cookie=theirs.cookie)
    assert stolen.status == 200  # for the key that was attested, and for no other
    with pytest.raises(InvalidUnwrap):
        guest.open(stolen)
    assert victim.open(stolen) == SECRET
    victim.close()


def test_a10_a_cookie_that_was_altered_gets_nothing(guest: Guest) -> None:
    challenge = guest.auth()
    guest.token(challenge)
    name, _, value = challenge.cookie.partition("=")
    sealed = bytearray(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    sealed[-1] ^= 1
    altered = f"{name}={independent_rcar_client.b64url(bytes(sealed))}"
    refused(guest.resource("default/key/1", Cookie=altered), "TokenNotFound", "SESSION-UNKNOWN")


def race(urls: list[str], kind: str) -> list[tuple[int, str]]:
    program = [sys.executable, str(Path(independent_rcar_client.__file__)), ",".join(urls), str(PROCESSES), kind]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100, check=True)
    answers = [(status, body) for status, body in json.loads(done.stdout)]
    assert len(answers) == PROCESSES
    return answers


@pytest.fixture(scope="module", params=["replicas", "workers"])
def replicas(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Two brokers on one SQLite file, or three workers of one broker."""
    folder = tmp_path_factory.mktemp("replicas")
    if request.param == "workers":
        with Kbs(folder, storage="Sqlite", http_server="worker_count = 3") as kbs:
            yield [kbs.url]
    else:
        with Kbs(folder, storage="Sqlite") as first, Kbs(folder, storage="Sqlite") as second:
            yield [first.url, second.url]


def test_a02_64_processes_with_keys_of_their_own_get_one_token(replicas: list[str]) -> None:
    answers = race(replicas, "different")
    assert sorted(status for status, _ in answers) == [200] + [401] * (PROCESSES - 1)
    refusals = {json.loads(body)["detail"] for status, body in answers if status == 401}
    assert len(refusals) == 1
    assert refusals.pop().endswith("[SESSION-USED]")


def test_a10_64_processes_with_the_same_body_get_the_same_token(replicas: list[str]) -> None:
    answers = race(replicas, "same")
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
