"""A24: truncated, oversize, deep and doubled JSON to `restful-as`: each refused by its code, and it serves on."""

from __future__ import annotations

import base64
import http.client
import json
from typing import TYPE_CHECKING

import pytest
from attestation_protocol.errors import code_of

from tests.conformance.recordings import http_recording
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = http_recording("as/as-rest-attestation").steps[0].request.body
LIMIT = 2 * 1024 * 1024


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def evidence(data: bytes, tee: str = "snp") -> bytes:
    pieces = [{"tee": tee, "evidence": b64url(data)}]
    return json.dumps({"verification_requests": pieces, "policy_ids": []}).encode()


def repeated(body: bytes, times: int) -> bytes:
    document = json.loads(body)
    return json.dumps({**document, "verification_requests": document["verification_requests"] * times}).encode()


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Program, int]]:
    port = free_port()
    with Program("restful-as", "-s", f"127.0.0.1:{port}", ready=Tcp(port)) as program:
        yield program, port


def ask(port: int, body: bytes, path: str = "/attestation") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "JSON"),
        (GOOD[:-1], 400, "JSON"),
        (b"\xff\xfe", 400, "JSON-UTF8"),
        (b"[" * 100_000, 400, "JSON-DEPTH"),
        (b'{"a":' * 100_000, 400, "JSON-DEPTH"),
        (b'{"policy_ids":[],"policy_ids":[]}', 400, "JSON-DUPLICATE"),
        (b'{"tee":"\\ud800"}', 400, "JSON-SURROGATE"),
        (b'{"tee":' + b"9" * 5000 + b"}", 400, "JSON-NUMBER"),
        (b'{"tee":NaN}', 400, "JSON"),
        (evidence(b"[" * 1000), 500, "JSON-DEPTH"),
        (evidence(b'{"attestation_report":{},"attestation_report":{}}'), 500, "JSON-DUPLICATE"),
        (evidence(b"null"), 500, "SNP-FIELD"),
        (evidence(b'{"attestation_report":null,"cert_chain":null}'), 500, "SNP-FIELD"),
        (evidence(b'{"svn":1}', "sample"), 500, "SAMPLE-FIELD"),
        (evidence(b'{"svn":"1","report_data":"!"}', "sample"), 500, "SAMPLE-FIELD"),
        (json.dumps({"verification_requests": [{}] * 10_000, "policy_ids": []}).encode(), 400, "AS-BODY"),
        (repeated(GOOD, 65), 500, "AS-TOO-MUCH-EVIDENCE"),
    ],
)
def test_a24_a_malformed_request_is_refused_by_its_code(
    service: tuple[Program, int], body: bytes, status: int, code: str
) -> None:
    _, port = service
    answer = ask(port, body)
    assert (answer[0], code_of(answer[1])) == (status, code)
    assert "Traceback" not in answer[1]
    assert 'File "' not in answer[1]


def test_a24_a_body_at_the_limit_is_read_and_one_byte_more_is_not(service: tuple[Program, int]) -> None:
    _, port = service
    assert ask(port, GOOD + b" " * (LIMIT - len(GOOD)))[0] == 200
    assert ask(port, GOOD + b" " * (LIMIT + 1 - len(GOOD)))[0] == 413


@pytest.mark.parametrize("path", ["/policy", "/challenge"])
def test_a24_the_other_routes_are_bounded_too(service: tuple[Program, int], path: str) -> None:
    _, port = service
    status, text = ask(port, b"{" * 100_000, path)
    assert (status, code_of(text)) == (400, "JSON")


def test_a24_a_policy_of_a_million_brackets_is_refused(service: tuple[Program, int]) -> None:
    _, port = service
    policy = b64url(b"package policy\nx := " + b"[" * 1_000_000)
    status, text = ask(port, json.dumps({"policy_id": "x", "policy": policy}).encode(), "/policy")
    assert (status, code_of(text)) == (500, "POLICY-BOUNDS")


def test_a24_the_service_serves_on(service: tuple[Program, int]) -> None:
    program, port = service
    for body in (b"", b"[" * 100_000, evidence(b"null"), GOOD[:100]):
        ask(port, body)
    assert ask(port, GOOD)[0] == 200
    assert program.running
    assert "a handler failed" not in program.log
