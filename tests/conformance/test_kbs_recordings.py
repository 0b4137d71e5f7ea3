"""The recordings of the stock broker, replayed against `kbs` in their order: one process, one store, one run.

Compared are status, header fields by name (and those values that are not volatile), the error's type and text, the form
of challenges and tokens, and what JWEs open to. An error's text must be the recorded one, then at most advice in
parentheses and a code in brackets. What differs on purpose stands in `DIVERGENCES`, and nothing else may.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestation_protocol.jwe import decrypt
from attestation_protocol.tee_key import TeeKeyPair

from tests.conformance import wire_table
from tests.conformance.kbs_replay import Replay, member, session_cookie
from tests.conformance.recordings import Recording, Response, http_recordings
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES: Final = http_recordings("kbs")
SECRET: Final = "the-secret-bytes"
VOLATILE_HEADERS: Final = {"date", "content-length", "set-cookie"}

CONFIG: Final = """
insecure_sample_evidence = true
[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
[attestation_token]
insecure_header_jwk = true
[attestation_service]
type = "coco_as_builtin"
[attestation_service.attestation_token_broker]
duration_min = 5
[attestation_service.rvps_config]
type = "BuiltIn"
[admin]
authorization_mode = "InsecureAllowAll"
[storage_backend]
storage_type = "LocalFs"
[storage_backend.backends.local_fs]
dir_path = "{folder}"
[[plugins]]
name = "resource"
storage_backend_type = "kvstorage"
"""

REFUSED_ID: Final = (
    "status 200 -> 401; body b'' -> b'"
    '{"type":"https://github.com/confidential-containers/kbs/errors/AttestationError",'
    '"detail":"Attestation error: Set Attestation Policy failed '
    "(ids are letters, digits, `_`, `-` and, behind the first character, dots) [POLICY-ID]\"}'"
)
DIVERGENCES: Final[dict[tuple[str, int], tuple[str, str]]] = {
    ("attestation-policy", 3): (REFUSED_ID, "an attestation policy is stored under the id `../x`"),
    ("metrics", 0): ("headers content-type", "`/metrics` has no `Content-Type`"),
}
"""By case and step: what differs (as `differences` says it), and where docs/differences.d/kbs.md says why."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, int], Response]]:
    """Every recorded request, asked in order of one broker."""
    folder = tmp_path_factory.mktemp("kbs")
    port = free_port()
    config = folder / "kbs.toml"
    config.write_text(CONFIG.format(port=port, folder=folder / "store"))
    with Program("kbs", "--config-file", config, ready=Tcp(port)):
        replay = Replay(port)
        yield {(case.name, number): replay.ask(step) for case in CASES for number, step in enumerate(case.steps)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_broker_answers_as_recorded(case: Recording, outcomes: dict[tuple[str, int], Response]) -> None:
    found = {
        (case.name, number): "; ".join(differences(step.response, outcomes[case.name, number], case))
        for number, step in enumerate(case.steps)
    }
    expected = {place: DIVERGENCES[place][0] if place in DIVERGENCES else "" for place in found}
    for number, step in enumerate(case.steps):
        place = (case.name, number)
        row = DIVERGENCES[place][1] if place in DIVERGENCES else ""
        wire_table.add(f"kbs/{case.name}", number, "our server", str(step), difference=found[place], allowed_by=row)
    assert found == expected


def test_every_divergence_has_its_row(request: pytest.FixtureRequest) -> None:
    page: Path = request.config.rootpath / "docs" / "differences.d" / "kbs.md"
    rows = page.read_text()
    assert [row for _, row in DIVERGENCES.values() if row not in rows] == []


def differences(recorded: Response, fresh: Response, case: Recording) -> Iterator[str]:
    """Say what differs beyond what is volatile."""
    if recorded.status != fresh.status:
        yield f"status {recorded.status} -> {fresh.status}"
    names = set(recorded.headers.names) ^ set(fresh.headers.names)
    if names:
        yield f"headers {', '.join(sorted(names))}"
    for name in sorted(set(recorded.headers.names) - VOLATILE_HEADERS - names):
        if recorded.headers.get(name) != fresh.headers.get(name):
            yield f"{name} {recorded.headers.get(name)} -> {fresh.headers.get(name)}"
    if cookie_attributes(recorded) != cookie_attributes(fresh):
        yield "cookie attributes"
    if int(fresh.headers.get("content-length") or 0) != len(fresh.body) and fresh.body:
        yield "content-length"
    yield from body_differences(recorded, fresh, case)


def cookie_attributes(response: Response) -> list[str] | None:
    value = response.headers.get("set-cookie")
    return None if value is None else [part.partition("=")[0] for part in value.split("; ")]


def body_differences(recorded: Response, fresh: Response, case: Recording) -> Iterator[str]:
    """Compare bodies by what they are."""
    then, now = as_json(recorded.body), as_json(fresh.body)
    if b"# TYPE" in recorded.body:
        if families(recorded.body) != families(fresh.body):
            yield "families"
    elif not isinstance(then, dict) or not isinstance(now, dict):
        if recorded.body != fresh.body:
            yield f"body {recorded.body!r} -> {fresh.body!r}"
    elif list(then) != list(now):
        yield f"members {list(then)} -> {list(now)}"
    elif "detail" in then:
        yield from error_differences(then, now)
    elif not alike(then, now, case):
        yield "content"


def error_differences(recorded: dict[str, Any], fresh: dict[str, Any]) -> Iterator[str]:
    if recorded["type"] != fresh["type"]:
        yield f"type {variant(recorded)} -> {variant(fresh)}"
    if not same_text(recorded["detail"], fresh["detail"]):
        yield f"detail {fresh['detail']}"


def alike(recorded: dict[str, Any], fresh: dict[str, Any], case: Recording) -> bool:
    """Whether two challenges, tokens or secrets are the same but for what is volatile."""
    if "nonce" in recorded:
        return len(base64.b64decode(fresh["nonce"])) == 32 and recorded["extra-params"] == fresh["extra-params"]
    if "token" in recorded:
        return bool(shape(token_parts(recorded["token"])) == shape(token_parts(fresh["token"])))
    return opened(fresh, case) == opened(recorded, case)


def variant(document: dict[str, Any]) -> str:
    return str(document["type"]).rpartition("/")[2]


def same_text(recorded: str, fresh: str) -> bool:
    """Whether a text is the recorded one, then advice and code."""
    return bool(re.fullmatch(re.escape(recorded) + r"( \([^\n]+\))? \[[A-Z0-9-]+\]", fresh))


def as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def families(page: bytes) -> list[tuple[str, str]]:
    return re.findall(r"^# TYPE (\S+) (\S+)$", page.decode(), re.MULTILINE)


def opened(document: dict[str, Any], case: Recording) -> bytes:
    key = TeeKeyPair.from_pem(case.members["tee_key_pem"].encode())
    secret = decrypt(json.dumps(document).encode(), key)
    assert secret == case.members.get("secret", SECRET).encode()
    return secret


def token_parts(token: str) -> list[Any]:
    header, payload, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    return [json.loads(header), json.loads(payload), "-" * len(signature)]


def shape(value: Any, name: str = "") -> Any:
    """A JSON value with its members in order, and what is volatile replaced by its kind."""
    if isinstance(value, dict):
        return [(key, shape(inner, key)) for key, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner, name) for inner in value]
    volatile = {"iat", "exp", "nonce", "report_data", "x", "y", "additional-evidence"}
    return type(value).__name__ if name in volatile else value


def test_the_comparison_sees_what_differs() -> None:
    step = next(case for case in CASES if case.name == "methods").steps[0]
    other = Response(200, step.response.headers, b'{"type":"x/Y","detail":"z"}')
    found = list(differences(step.response, other, CASES[0]))
    assert found[0] == "status 404 -> 200"
    assert found[-2:] == ["type PluginNotFound -> Y", "detail z"]
    assert session_cookie(other) is member(other, "nonce") is None
