"""The recordings of the stock REST attestation service, replayed against `restful-as`: one process for each file.

Compared are status, header fields by name (and those values that are not volatile), texts, and tokens whole: header and
payload byte for byte, but for dates, keys and the signature. A refusal's text must be the recorded one, then at most
advice in parentheses and a code in brackets. What differs on purpose stands in `DIVERGENCES`, and nothing else may.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestation_protocol.errors import code_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conformance import wire_table
from tests.conformance.recordings import Headers, Recording, Response, http_recordings
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conformance.recordings import Request

CASES: Final = http_recordings("as")
VOLATILE_HEADERS: Final = {"date", "content-length"}

DIVERGENCES: Final = {
    ("as-rest-attestation", 13): ("status 500 -> 200", "SNP reports of version 2"),
    ("as-rest-attestation", 14): ("status 400 -> 200; headers content-type", "the single-evidence request"),
    ("as-rest-policy", 3): ("status 200 -> 500", "a policy id that leads out of a directory"),
    ("as-rest-policy", 5): ("without ../x", "a policy id that leads out of a directory"),
    ("as-rest-policy", 6): ("status 404 -> 200; headers content-type", "`GET /policy/{policy_id}`"),
    ("as-rest-snp", 6): ("text [SNP-RESERVED]", "SNP reports of version 2"),
}
"""By file and step: what is different (as `differences` says it), and the row of docs/differences.d/as.md for it."""

CODES: Final = {
    ("as-rest-attestation", 1): "SAMPLE-REPORT-DATA",
    ("as-rest-attestation", 4): "SAMPLE-REPORT-DATA",
    ("as-rest-attestation", 5): "POLICY-MISSING",
    ("as-rest-attestation", 7): "AS-NO-EVIDENCE",
    ("as-rest-attestation", 8): "TEE-UNKNOWN",
    ("as-rest-attestation", 9): "BASE64URL",
    ("as-rest-attestation", 10): "JSON",
    ("as-rest-attestation", 15): "HASH-ALGORITHM",
    ("as-rest-attestation", 18): "AS-CONTENT-TYPE",
    ("as-rest-challenge", 0): "AS-CHALLENGE",
    ("as-rest-challenge", 1): "AS-CHALLENGE",
    ("as-rest-challenge", 2): "VERIFIER-NONE",
    ("as-rest-challenge", 3): "AS-CHALLENGE",
    ("as-rest-policy", 2): "POLICY-PARSE",
    ("as-rest-policy", 3): "POLICY-ID",
    ("as-rest-policy", 4): "AS-BODY",
    ("as-rest-policy", 9): "POLICY-MISSING",
    ("as-rest-snp", 2): "SNP-REPORT-DATA",
    ("as-rest-snp", 3): "SNP-SIGNATURE",
    ("as-rest-snp", 4): "SNP-VEK-SIGNATURE",
    ("as-rest-snp", 5): "SNP-SIGNATURE",
    ("as-rest-snp", 6): "SNP-RESERVED",
    ("as-rest-snp", 7): "SNP-HOST-DATA",
}


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A signing key with a chain of two certificates, as the recorded service had."""
    folder = tmp_path_factory.mktemp("signer")
    key, chain = folder / "token.key", folder / "chain.pem"
    make_signer(key, chain)
    return {"key_path": str(key), "cert_path": str(chain)}


@pytest.fixture(scope="module")
def outcomes(signer: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Response]:
    """Every recorded request, asked in the order of its file."""
    answers = {}
    for case in CASES:
        config = tmp_path_factory.mktemp(case.name) / "as.json"
        # the recording of SNP evidence was made with a key of the process, the others with a chain
        broker = {} if case.name == "as-rest-snp" else {"signer": signer}
        config.write_text(json.dumps({"attestation_token_broker": {"duration_min": 5, **broker}}))
        port = free_port()
        with Program("restful-as", "-c", config, "-s", f"127.0.0.1:{port}", ready=Tcp(port)):
            for number, step in enumerate(case.steps):
                answers[case.name, number] = ask(port, step.request)
    return answers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_service_answers_as_recorded(case: Recording, outcomes: dict[tuple[str, int], Response]) -> None:
    found = {
        (case.name, number): "; ".join(differences(step.response, outcomes[case.name, number]))
        for number, step in enumerate(case.steps)
    }
    expected = {place: DIVERGENCES[place][0] if place in DIVERGENCES else "" for place in found}
    for number, step in enumerate(case.steps):
        place = (case.name, number)
        row = DIVERGENCES[place][1] if place in DIVERGENCES else ""
        wire_table.add(f"as/{case.name}", number, "our server", str(step), difference=found[place], allowed_by=row)
    assert found == expected


def test_every_refusal_ends_with_its_code(outcomes: dict[tuple[str, int], Response]) -> None:
    codes = {place: code_of(answer.body.decode()) for place, answer in outcomes.items() if answer.status >= 400}
    assert {place: code for place, code in codes.items() if code is not None} == CODES


def test_the_quick_starts_evidence_has_one_submodule_in_both_generations(
    outcomes: dict[tuple[str, int], Response],
) -> None:
    current, older = (json.loads(token_parts(outcomes["as-rest-attestation", step].body)[1]) for step in (13, 14))
    assert list(current["submods"]) == ["cpu0"]
    assert older["submods"] == current["submods"]
    assert current["submods"]["cpu0"]["ear.status"] == "contraindicated"


def test_every_divergence_has_its_row(request: pytest.FixtureRequest) -> None:
    page: Path = request.config.rootpath / "docs" / "differences.d" / "as.md"
    rows = page.read_text()
    assert [row for _, row in DIVERGENCES.values() if row not in rows] == []


def differences(recorded: Response, fresh: Response) -> Iterator[str]:
    """Say what differs beyond what is volatile."""
    if recorded.status != fresh.status:
        yield f"status {recorded.status} -> {fresh.status}"
    names = set(recorded.headers.names) ^ set(fresh.headers.names)
    if names:
        yield f"headers {', '.join(sorted(names))}"
    for name in sorted(set(recorded.headers.names) - VOLATILE_HEADERS - names):
        if recorded.headers.get(name) != fresh.headers.get(name):
            yield f"{name} {recorded.headers.get(name)} -> {fresh.headers.get(name)}"
    if int(fresh.headers.get("content-length") or 0) != len(fresh.body):
        yield "content-length"
    if recorded.status == fresh.status:
        yield from body_differences(recorded.body, fresh.body)


def body_differences(recorded: bytes, fresh: bytes) -> Iterator[str]:
    """Compare bodies by what they are."""
    if recorded.startswith(b"eyJ"):
        if [stable(part) for part in token_parts(recorded)] != [stable(part) for part in token_parts(fresh)]:
            yield "token"
    elif recorded.startswith(b'{"keys"'):
        if stable(recorded.decode()) != stable(fresh.decode()):
            yield "JWK set"
    elif recorded.startswith(b"["):
        missing = {entry["policy-id"] for entry in json.loads(recorded)} - {
            entry["policy-id"] for entry in json.loads(fresh)
        }
        if missing or len(json.loads(recorded)) != len(json.loads(fresh)):
            yield f"without {', '.join(sorted(missing))}"
    elif not is_with_code(recorded.decode(), fresh.decode()):
        yield f"text [{code_of(fresh.decode())}]"


def is_with_code(recorded: str, fresh: str) -> bool:
    """Whether a text is the recorded one, then at most advice in parentheses and a code in brackets."""
    rest = fresh.removeprefix(recorded)
    return fresh.startswith(recorded) and bool(re.fullmatch(r"|( \([^\n]+\))? \[[A-Z0-9-]+\]", rest))


def token_parts(token: bytes) -> list[str]:
    """Header and payload of a compact JWS, as text."""
    return [base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)).decode() for part in token.split(b".")[:2]]


def stable(text: str) -> str:
    """JSON text with dates, coordinates and certificates replaced: members and their order are left."""
    text = re.sub(r'"(iat|exp)":\d{10}', r'"\1":0', text)
    text = re.sub(r'"(x|y)":"[A-Za-z0-9_-]{43}"', r'"\1":""', text)
    return re.sub(r'"MII[A-Za-z0-9+/]+=*"|"MI[A-Za-z0-9+/]+=*"', '"certificate"', text)


def ask(port: int, request: Request) -> Response:
    """Send one recorded request as it was."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items:
            connection.putheader(name, value)
        connection.endheaders(request.body)
        answer = connection.getresponse()
        return Response(answer.status, Headers(tuple(answer.getheaders())), answer.read())
    finally:
        connection.close()


def make_signer(key_path: Path, chain_path: Path) -> None:
    """Write a P-256 key, and its certificate with the root that issued it."""
    key, root = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.now(UTC)

    def issued(name: str, public: Any, issuer: str) -> bytes:
        subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer))
        builder = x509.CertificateBuilder(by, subject, public, 1, now, now + timedelta(days=1))
        return builder.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    chain_path.write_bytes(issued("as", key.public_key(), "root") + issued("root", root.public_key(), "root"))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key_path.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
