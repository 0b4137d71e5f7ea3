"""The program `api-server-rest`: its command line, and the whole of it over sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from attestack_common import logs, process
from attestack_common.errors import ConfigError, UsageError
from attestack_common.http_server import Server as HttpServer
from attestation_protocol.stubs import attestation_agent_pb2 as aa
from attestation_protocol.stubs import confidential_data_hub_pb2 as cdh
from guest_rest_api import main as program
from guest_rest_api.main import checked_bind, parser
from ttrpc_asyncio import CallContext, Server, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:8006", "10.0.0.1:8006", "[::]:8006", "localhost:8006", "127.0.0.1", "127.0.0.1:x", ":8006"]
)
def test_only_loopback_is_listened_on(bind: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_bind(bind)
    assert caught.value.code == "REST-BIND"


def test_the_flags_are_the_stock_servers() -> None:
    arguments = parser().parse_args(
        ["-b", "[::1]:8006", "--cdh_addr", "unix://@c", "--aa_addr", "unix://@a", "-f", "all"]
    )
    assert checked_bind(arguments.bind) == "[::1]:8006"
    assert (arguments.cdh_addr, arguments.aa_addr, arguments.features) == ("unix://@c", "unix://@a", "all")
    assert checked_bind(parser().parse_args([]).bind) == "127.0.0.1:8006"


class Guest:
    """Agent and hub of a machine without a TEE."""

    async def get_tee_type(self, _: aa.GetTeeTypeRequest, __: CallContext) -> aa.GetTeeTypeResponse:
        return aa.GetTeeTypeResponse(tee="sample")

    async def get_additional_tees(
        self, _: aa.GetAdditionalTeesRequest, __: CallContext
    ) -> aa.GetAdditionalTeesResponse:
        return aa.GetAdditionalTeesResponse(additional_tees=["sampledevice"])

    async def get_resource(self, request: cdh.GetResourceRequest, _: CallContext) -> cdh.GetResourceResponse:
        return cdh.GetResourceResponse(Resource=request.ResourcePath.encode())


@contextlib.asynccontextmanager
async def running(folder: Path, monkeypatch: pytest.MonkeyPatch, *flags: str) -> AsyncIterator[tuple[str, int]]:
    """The program in this process, before a hub and an agent."""
    started = asyncio.get_running_loop().create_future()
    start = HttpServer.start

    async def told(server: HttpServer) -> list[str]:
        addresses = await start(server)
        started.set_result(addresses[0])
        return addresses

    monkeypatch.setattr(HttpServer, "start", told)
    monkeypatch.setattr(logs, "configure", lambda _: None)  # the tests' own log stays as it is
    socket = f"unix://{folder / 'guest.sock'}"
    services = [
        Service.from_descriptor(aa.DESCRIPTOR.services_by_name["AttestationAgentService"], Guest()),
        Service.from_descriptor(cdh.DESCRIPTOR.services_by_name["GetResourceService"], Guest()),
    ]
    async with Server(services) as guest:
        await guest.start(socket)
        arguments = parser().parse_args(["-b", "127.0.0.1:0", "--cdh_addr", socket, "--aa_addr", socket, *flags])
        task = asyncio.create_task(program.serve(arguments))
        await asyncio.wait([started, task], return_when=asyncio.FIRST_COMPLETED)
        host, _, port = started.result().rpartition(":")
        try:
            yield host, int(port)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def get(address: tuple[str, int], target: str, host: str = "localhost") -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], body


async def test_the_routes_are_served_from_agent_and_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, monkeypatch, "-f", "all") as address:
        assert await get(address, "/cdh/resource/a/b/c?x=y") == (b"HTTP/1.1 200 OK", b"kbs:///a/b/c")
        _, info = await get(address, "/info")
        assert json.loads(info) == {
            "version": "Guest Components Version: attestack 0.1.0",
            "tee": "sample",
            "additional_tees": ["sampledevice"],
            "feature": "all",
        }
        assert (await get(address, "/aa/token?token_type=kbs"))[0] == b"HTTP/1.1 500 Internal Server Error"
        assert (await get(address, "/info", host="evil.example"))[0] == b"HTTP/1.1 403 Forbidden"


@pytest.mark.parametrize(
    ("feature", "off"), [("resource", "/aa/token?token_type=kbs"), ("attestation", "/cdh/resource/a/b/c")]
)
async def test_a_feature_that_was_not_chosen_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feature: str, off: str
) -> None:
    async with running(tmp_path, monkeypatch, "-f", feature) as address:
        status, body = await get(address, off)
        assert (status, body.endswith(b" [REST-FEATURE]")) == (b"HTTP/1.1 404 Not Found", True)


async def test_an_address_without_brackets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        await program.serve(parser().parse_args(["-b", "::1:8006"]))
    assert caught.value.code == "LISTEN-ADDRESS"


def test_main_runs_it_hardened(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(process, "harden", lambda: steps.append("harden"))
    monkeypatch.setattr(process, "run", lambda _: steps.append("run"))
    program.main([])
    assert steps == ["harden", "run"]
