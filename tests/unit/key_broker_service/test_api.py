"""Routes, methods and headers, through the handler of a whole broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.http_server import Request

from tests.unit.key_broker_service.fakes import auth_body, code, detail, request, variant
from tests.unit.key_broker_service.inprocess import Broker, Guest, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with running() as started:
        yield started


@pytest.mark.parametrize("target", ["/", "/foo", "/kbs", "/kbs/v0", "/kbs/v1/auth", "/kbsv0/auth", "/kbs/v0auth"])
async def test_what_is_no_route_is_an_empty_404(broker: Broker, target: str) -> None:
    response = await broker.api(request("GET", target))
    assert (response.status, response.body, response.content_type, response.headers) == (404, b"", None, ())


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "OPTIONS", "TRACE", "get", "LOCK"])
async def test_other_methods_are_told_which_there_are(broker: Broker, method: str) -> None:
    response = await broker.ask(method, "auth")
    assert (response.status, response.body) == (405, b"")
    assert response.headers == (("allow", "GET, POST, PUT, DELETE"),)


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "", ""),
        ("GET", "auth", "auth"),
        ("PUT", "attest", "attest"),
        ("GET", "attestation-policy", "attestation-policy"),
        ("DELETE", "resource-policy", "resource-policy"),
        ("GET", "nosuch/a/b", "nosuch"),
        ("GET", "%00", "\0"),
        ("POST", "Auth", "Auth"),
    ],
)
async def test_what_is_not_built_in_is_a_plugins(broker: Broker, method: str, target: str, name: str) -> None:
    response = await broker.ask(method, target)
    assert (response.status, variant(response), code(response)) == (404, "PluginNotFound", "PLUGIN-UNKNOWN")
    assert detail(response) == f"Plugin {name} not found [PLUGIN-UNKNOWN]"
    assert response.content_type is None


async def test_a_long_name_of_a_plugin_is_not_echoed_whole(broker: Broker) -> None:
    assert len((await broker.ask("GET", "x" * 100_000)).body) < 500


@pytest.mark.parametrize("target", ["auth/x/y", "%61uth", "auth%2Fx", "auth?a=1&a=2&%zz"])
async def test_the_first_decoded_segment_and_the_method_choose(broker: Broker, target: str) -> None:
    response = await broker.ask("POST", target, auth_body())
    assert response.status == 200
    assert json.loads(response.body)["extra-params"] == ""


async def test_healthz_is_alive(broker: Broker) -> None:
    response = await broker.api(request("GET", "/healthz"))
    assert (response.status, response.body, response.content_type) == (200, b"", None)
    response = await broker.api(request("POST", "/healthz"))
    assert (response.status, response.close) == (404, True)


async def test_metrics_are_for_get(broker: Broker) -> None:
    response = await broker.api(request("GET", "/metrics"))
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"kbs_http_requests_total 0.0\n" in response.body
    response = await broker.api(request("POST", "/metrics"))
    assert (response.status, response.body, response.close) == (405, b"", True)


@pytest.mark.parametrize(
    ("host", "switch", "shown"),
    [
        ("127.0.0.1", False, True),
        ("127.9.9.9", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("10.0.0.1", False, False),
        ("::ffff:10.0.0.1", False, False),
        ("", False, False),
        ("10.0.0.1", True, True),
    ],
)
async def test_a34_the_names_of_resources_are_for_loopback_or_the_switch(
    host: str, *, switch: bool, shown: bool
) -> None:
    async with running(insecure_metrics_resource_names=switch) as broker:
        await broker.set_resource("team/secret/name")
        page = (await broker.api(Request("GET", b"/metrics", client_host=host))).body
        assert (b'kbs_resource_writes_total{resource_path="team/secret/name"} 1.0' in page) is shown
        assert (b'kbs_resource_writes_total{resource_path="*"} 1.0' in page) is not shown
        assert (b"secret" in page) is shown


async def test_requests_are_counted_with_their_sizes(broker: Broker) -> None:
    body = json.dumps(auth_body()).encode()
    response = await broker.ask("POST", "auth", body)
    assert broker.counted("kbs_http_requests_total") == 1
    assert broker.counted("kbs_http_request_size_bytes_sum") == len(body)
    assert broker.counted("kbs_http_response_size_bytes_sum") == len(response.body)
    assert broker.counted("kbs_http_request_duration_seconds_count") == 1
    assert broker.counted("kbs_http_active_connections") == 0
    await broker.api(request("GET", "/healthz"))
    assert broker.counted("kbs_http_requests_total") == 1


async def test_a_handler_that_fails_is_not_active_any_more(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(broker.api._plugins, "call", fail)
    with pytest.raises(RuntimeError):
        await broker.ask("GET", "resource/a/b/c")
    assert broker.counted("kbs_http_active_connections") == 0


async def test_the_decoded_path_names_the_resource(broker: Broker) -> None:
    await broker.ready()
    guest = Guest(broker)
    await guest.token()
    for target in ("resource/default%2Fkey/1", "%72esource/default/key/%31"):
        assert guest.open(await guest.by_cookie(target)) == b"the-secret-bytes"
