"""The routes of the REST server: the recorded answers, and who is answered at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestack_common.http_server import Request, Response
from attestation_protocol.errors import advice_of, code_of
from guest_rest_api.errors import BackendError
from guest_rest_api.routes import Routes

from tests.conformance import wire_table
from tests.conformance.recordings import http_recording

STEPS = http_recording("guest/rest").steps
DOWN = "ttrpc request error (look there) [TEST-CODE]"


def code(answer: Response, text: str) -> str | None:
    """The stable code behind the stock server's text, and that there is advice between them."""
    body = answer.body.decode()
    assert body.startswith(f"{text} (")
    assert advice_of(body)
    return code_of(body)


class Backends:
    """Agent and hub in one: the answers of a machine without a TEE."""

    def __init__(self, *, devices: tuple[str, ...] = (), extended: int = 2) -> None:
        self.devices = devices
        self.extended = extended
        self.asked: list[Any] = []

    async def token(self, kind: str) -> bytes:
        self.asked.append(kind)
        if kind != "kbs":
            raise BackendError("no such kind", code="TEST-CODE", advice="look there")
        return b'{"token":"t"}'

    async def evidence(self, data: bytes) -> bytes:
        self.asked.append(data)
        return b"{}"

    async def additional_evidence(self, data: bytes) -> bytes:
        self.asked.append(data)
        return b""

    async def extend(self, *event: str) -> int:
        self.asked.append(event)
        return self.extended

    async def tees(self) -> tuple[str, list[str]]:
        return "sample", list(self.devices)

    async def resource(self, path: str) -> bytes:
        self.asked.append(path)
        if path != "/default/key/1":
            raise BackendError("not there", code="TEST-CODE", advice="look there")
        return b"the-secret-bytes"


def routes(backends: Backends | None = None, *, agent: bool = True, hub: bool = True, feature: str = "all") -> Routes:
    both: Any = backends or Backends()
    return Routes(agent=both if agent else None, hub=both if hub else None, feature=feature, version="v")


async def ask(
    served: Routes,
    target: str,
    method: str = "GET",
    body: bytes = b"",
    peer: str = "127.0.0.1",
    host: str = "127.0.0.1:8006",
) -> Response:
    return await served(Request(method, target.encode(), headers={"host": host}, body=body, client_host=peer))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.request.method} {step.request.target}")
async def test_recorded_answers(step: Any) -> None:
    request, wanted = step.request, step.response
    got = await ask(routes(), request.target, request.method, request.body)
    wire_table.add("guest/rest", STEPS.index(step), "our server", str(step))
    assert got.status == wanted.status
    assert got.content_type == wanted.headers.get("content-type")
    if wanted.body == b"ttrpc request error":
        assert got.body.decode() == DOWN
    elif wanted.status >= 400:
        text = wanted.body.decode().partition(":")[0]
        codes = {400: "REST-QUERY", 404: "REST-ROUTE", 500: "REST-AAEL"}
        assert code(got, text) == codes[wanted.status]
    elif request.target == "/info":
        assert list(json.loads(got.body)) == list(wanted.json)
    elif request.method != "HEAD" and not request.target.startswith(("/aa/token", "/aa/evidence")):
        assert got.body == wanted.body


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("runtime_data=a+b%20c", b"a b c"),
        ("runtime_data=eHh4eA&encoding=base64", b"xxxx"),
        ("runtime_data=", b""),
        ("runtime_data=1&runtime_data=2", b"2"),
    ],
)
async def test_runtime_data_reaches_the_agent(query: str, data: bytes) -> None:
    backends = Backends()
    for route in ("/aa/evidence", "/aa/additional-evidence"):
        assert (await ask(routes(backends), f"{route}?{query}")).status == 200
    assert backends.asked == [data, data]


async def test_a30_paths_reach_the_hub_as_they_were_sent() -> None:
    backends = Backends()
    for path in ("%2e%2e/b/c", "a/../b", "default//1", "default/key/%31"):
        assert (await ask(routes(backends), f"/cdh/resource/{path}")).status == 500
    assert backends.asked == ["/%2e%2e/b/c", "/a/../b", "/default//1", "/default/key/%31"]


@pytest.mark.parametrize(
    "peer",
    [
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "192.168.0.1",
        "",
        "localhost",
        "2001:db8::1",
        "126.255.255.255",
    ],
)
async def test_a48_only_loopback_is_answered(peer: str) -> None:
    backends = Backends()
    got = await ask(routes(backends), "/cdh/resource/default/key/1", peer=peer)
    assert (got.status, code(got, "Forbidden")) == (403, "REST-PEER")
    assert backends.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8006",
        "127.0.0.1.a.example",
        "localhost.a.example",
        "localhost, evil.example",
        "127.0.0.1, 127.0.0.1",
        "10.0.0.1:8006",
        "",
        ":8006",
        "[::2]:1",
        "::1",
        "[::ffff:127.0.0.1]:8006",
        "2130706433",
        "127.1",
    ],
)
async def test_a48_a_name_that_was_made_to_resolve_here_is_refused(host: str) -> None:
    backends = Backends()
    got = await ask(routes(backends), "/cdh/resource/default/key/1", host=host)
    assert (got.status, code(got, "Forbidden")) == (403, "REST-HOST")
    assert backends.asked == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8006", "127.0.0.1", "127.0.0.2:8006", "[::1]:8006", "[::1]"])
async def test_loopback_by_its_names_is_answered(host: str) -> None:
    assert (await ask(routes(), "/cdh/resource/default/key/1", host=host, peer="::1")).status == 200


async def test_a_request_without_a_host_is_answered() -> None:
    got = await routes()(Request("GET", b"/info", headers={}, client_host="127.0.0.1"))
    assert got.status == 200


async def test_features_that_are_off_say_so() -> None:
    resource = routes(agent=False, feature="resource")
    attestation = routes(hub=False, feature="attestation")
    got = await ask(resource, "/aa/token?token_type=kbs")
    assert (got.status, code(got, "Attestation Feature Not Enabled")) == (404, "REST-FEATURE")
    got = await ask(attestation, "/cdh/resource/default/key/1")
    assert (got.status, code(got, "Resource Feature Not Enabled")) == (404, "REST-FEATURE")
    assert json.loads((await ask(resource, "/info")).body) == {"version": "v", "feature": "resource"}
    got = await ask(resource, "/info", "POST")
    assert (got.status, code(got, "Method Not Allowed")) == (405, "REST-METHOD")


@pytest.mark.parametrize(
    "target", ["", "*", "http://evil.example/info", "//info", "/INFO", "/cdh/resource", "/aa/token/"]
)
async def test_other_targets_are_not_found(target: str) -> None:
    got = await ask(routes(), target)
    assert (got.status, code(got, "URL NOT FOUND")) == (404, "REST-ROUTE")


async def test_a24_a_path_without_end_is_not_passed_on() -> None:
    backends = Backends()
    assert (await ask(routes(backends), "/cdh/resource/" + "a" * 5000)).status == 404
    assert backends.asked == []


async def test_devices_are_named() -> None:
    info = json.loads((await ask(routes(Backends(devices=("sampledevice",))), "/info")).body)
    assert info == {"version": "v", "tee": "sample", "additional_tees": ["sampledevice"], "feature": "all"}


@pytest.mark.parametrize(
    ("result", "body"),
    [
        (0, b'{"success":"true"}'),
        (1, b'{"success":"false","message": "The platform does not support runtime measurement"}'),
        (2, b'{"success":"false","message": "Attestation Agent does not enable eventlog recording"}'),
    ],
)
async def test_what_came_of_an_event(result: int, body: bytes) -> None:
    backends = Backends(extended=result)
    event = b'{"domain":"d","operation":"o","content":"c","more":1}'
    assert (await ask(routes(backends), "/aa/aael", "POST", event)).body == body
    assert backends.asked == [("d", "o", "c")]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"domain":"d"}', b'{"domain":1,"operation":"o","content":"c"}', b"[" * 1000]
)
async def test_a24_an_event_of_another_form_is_refused(body: bytes) -> None:
    got = await ask(routes(), "/aa/aael", "POST", body)
    assert (got.status, code(got, "Illegal AAEL eventry format")) == (500, "REST-AAEL")
