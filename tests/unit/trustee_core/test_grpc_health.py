"""The health service: every service that is named is serving, and no other."""

from __future__ import annotations

import asyncio

import pytest
from attestack_common.grpc_edge import Refusal, Status
from attestation_protocol.stubs.health_pb2 import HealthCheckRequest, HealthCheckResponse
from trustee_core.grpc_health import NAME, health_service

SERVICE = health_service(["test.Echo"])
CHECK, WATCH = SERVICE.methods["Check"], SERVICE.streams["Watch"]


def request(service: str) -> bytes:
    return HealthCheckRequest(service=service).SerializeToString()


def test_it_has_the_name_that_probes_ask_for() -> None:
    assert SERVICE.name == NAME == "grpc.health.v1.Health"


@pytest.mark.parametrize("name", ["", "test.Echo"])
async def test_what_is_served_is_serving(name: str) -> None:
    answer = await CHECK(request(name))
    assert answer == b"\x08\x01"
    assert HealthCheckResponse.FromString(answer).status == HealthCheckResponse.SERVING


@pytest.mark.parametrize("name", ["test.Other", "test.Echo ", "TEST.ECHO"])
async def test_what_is_not_served_is_not_found(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        await CHECK(request(name))
    assert caught.value.status is Status.NOT_FOUND
    with pytest.raises(Refusal) as caught:
        await anext(WATCH(request(name)))
    assert caught.value.status is Status.NOT_FOUND


async def test_a_watcher_hears_the_state_once_and_stays() -> None:
    watching = WATCH(request("test.Echo"))
    assert await anext(watching) == b"\x08\x01"
    more = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0.01)
    assert not more.done()
    more.cancel()
    with pytest.raises(asyncio.CancelledError):
        await more


async def test_a_message_that_does_not_decode_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        await CHECK(b"\x0a\x05ab")
    assert caught.value.status is Status.INTERNAL
    assert caught.value.text.startswith("failed to decode Protobuf message (")
    assert caught.value.text.endswith(" [RPC-MESSAGE]")
