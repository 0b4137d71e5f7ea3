"""The hub's RPC over a socket: the stock hub's text, then what to do and the stable code."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from attestack_common.logs.lines import TextFormatter
from attestack_common.secret import Secret
from attestation_protocol.errors import ErrorInformation
from attestation_protocol.stubs import confidential_data_hub_pb2 as pb
from confidential_data_hub import service
from confidential_data_hub.errors import AgentUnavailableError
from confidential_data_hub.main import listen
from confidential_data_hub.service import resource_service
from key_broker_client.errors import AccessDeniedError, resource_refusal
from ttrpc_asyncio import Address, Client, Code, StatusError

from tests.conformance.recordings import ttrpc_recording
from tests.unit.key_broker_client.broker import refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from attestation_protocol.resource_uri import ResourceUri

HUB = "api.GetResourceService"
FAILED = "[CDH] [ERROR]: Get Resource failed"


class Broker:
    """Serves default/key/1; `hangs` never comes, `gone` has no agent, all else is denied."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get_resource(self, uri: ResourceUri) -> Secret:
        self.asked.append(uri.request_target)
        name = uri.segments[-1]
        if name == "hangs":
            await asyncio.sleep(60)
        if name == "gone":
            raise AgentUnavailableError("no agent", advice="start it")
        if uri.segments != ("default", "key", "1"):
            raise resource_refusal(denied(), 401, str(uri))
        return Secret(b"the-secret-bytes")


def denied() -> ErrorInformation:
    return ErrorInformation.parse(refusal("PolicyDeny", "Access denied by policy (ask them) [POLICY-DENY]").body)


@contextlib.asynccontextmanager
async def hub(folder: Path, broker: Broker) -> AsyncIterator[Client]:
    address = Address.parse(f"unix://{folder / 'run' / 'cdh.sock'}")
    async with contextlib.AsyncExitStack() as running:
        await listen(running, address, [resource_service(broker)], broker="http://127.0.0.1:1")
        yield await running.enter_async_context(await Client.connect(address))


async def get(client: Client, uri: str) -> bytes:
    request = pb.GetResourceRequest(ResourcePath=uri)
    return (await client.unary(HUB, "GetResource", request, pb.GetResourceResponse, timeout=5)).Resource


async def refused(client: Client, uri: str) -> tuple[Code, str]:
    with pytest.raises(StatusError) as caught:
        await get(client, uri)
    return caught.value.status, caught.value.message


async def test_the_recorded_calls(tmp_path: Path) -> None:
    async with hub(tmp_path, Broker()) as client:
        for recorded in ttrpc_recording("guest/cdh-rpcs"):
            wanted = recorded.call
            if recorded.service != HUB:
                continue
            if not wanted.code:
                got = await client.call(HUB, wanted.method, wanted.request, timeout=5)
                assert got == wanted.response
                continue
            with pytest.raises(StatusError) as caught:
                await client.call(HUB, wanted.method, wanted.request, timeout=5)
            assert caught.value.status == wanted.code
            assert caught.value.message.startswith(wanted.message)
            assert caught.value.message.endswith("]")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("kbs:///other/key/1", f"{FAILED} (ask them) [POLICY-DENY]"),
        ("kbs:///default/key/gone", f"{FAILED} (start it) [HUB-AGENT]"),
    ],
)
async def test_what_happened_is_told_by_code_and_advice(tmp_path: Path, uri: str, text: str) -> None:
    async with hub(tmp_path, Broker()) as client:
        assert await refused(client, uri) == (Code.INTERNAL, text)


@pytest.mark.parametrize(
    "uri", ["", "x", "http:///a/b/c", "kbs:///../b/c", "kbs:///%2e%2e/b/c", "kbs:///a//c", "kbs:///a\n/b/c", "kbs:///é"]
)
async def test_a30_a_name_that_libraries_would_fold_reaches_nobody(tmp_path: Path, uri: str) -> None:
    broker = Broker()
    async with hub(tmp_path, broker) as client:
        status, message = await refused(client, uri)
    assert status is Code.INTERNAL
    assert message.startswith(FAILED)
    assert message.endswith((" [RESOURCE-URI]", " [RESOURCE-PATH]"))
    assert broker.asked == []


async def test_a_broker_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RESOURCE_SECONDS", 0.02)
    async with hub(tmp_path, Broker()) as client:
        status, message = await refused(client, "kbs:///default/key/hangs")
    assert status is Code.INTERNAL
    assert message == f"{FAILED} (the agent or the broker is slow: try again) [HUB-TIMEOUT]"


async def test_a35_the_log_has_the_name_and_not_the_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        async with hub(tmp_path, Broker()) as client:
            assert await get(client, "kbs:///default/key/1") == b"the-secret-bytes"
            await refused(client, "kbs:///default/key/none")
    lines = [TextFormatter().format(record) for record in caplog.records if record.name == "cdh.service"]
    assert [line.partition(" cdh.service: ")[2] for line in lines] == [
        "resource given uri=kbs:///default/key/1 size=16",
        (
            "no resource uri=kbs:///default/key/none code=POLICY-DENY "
            'error="the broker denies kbs:///default/key/none: Access denied by policy [POLICY-DENY]" advice="ask them"'
        ),
    ]
    assert "the-secret-bytes" not in caplog.text


async def test_services_that_are_not_offered_are_said_not_to_exist(tmp_path: Path) -> None:
    async with hub(tmp_path, Broker()) as client:
        for name, method in (("api.SealedSecretService", "UnsealSecret"), ("api.ImagePullService", "PullImage")):
            with pytest.raises(StatusError) as caught:
                await client.call(name, method, b"", timeout=5)
            assert caught.value.status is Code.INVALID_ARGUMENT
            assert caught.value.message == f"{name} service does not exist [TTRPC-SERVICE]"


def test_a_denial_is_a_denial() -> None:
    assert isinstance(resource_refusal(denied(), 401, "x"), AccessDeniedError)
