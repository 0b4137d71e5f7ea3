"""The ttRPC recordings, byte for byte, in both directions.

Our server is sent what a stock guest sends, with handlers that know the recorded answers only: whatever the transport
itself answers (services, methods, envelopes, sizes, stream ids, payloads that do not decode) is its own doing. Our
client makes the recorded calls, and is answered what the stock server answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from ttrpc_asyncio import CallContext, Client, Code, Server, Service, StatusError
from ttrpc_asyncio.envelope import decode_request, decode_response
from ttrpc_asyncio.frames import REQUEST, RESPONSE, Frame, FrameDecoder

from tests.conformance import wire_table
from tests.conformance.recordings import FramedCall, stream, ttrpc_recording
from tests.unit.ttrpc_asyncio.peer import RawPeer, raw_peer, raw_server, some_address

if TYPE_CHECKING:
    from collections.abc import Iterable

RECORDINGS: Final = ("guest/aa-rpcs", "guest/cdh-rpcs", "guest/ttrpc-oddities")
STREAMS: Final = ("stock/hub-to-agent-ttrpc", "stock/rest-to-hub-ttrpc")

DECLARED: Final = {
    "attestation_agent.AttestationAgentService": (
        "GetEvidence",
        "GetAdditionalEvidence",
        "GetToken",
        "ExtendRuntimeMeasurement",
        "BindInitData",
        "GetTeeType",
        "GetAdditionalTees",
    ),
    "api.GetResourceService": ("GetResource",),
    "api.SealedSecretService": ("UnsealSecret",),
    "api.SecureMountService": ("SecureMount",),
    "api.ImagePullService": ("PullImage",),
    "keyprovider.KeyProviderService": ("WrapKey", "UnWrapKey"),
}
"""The services of agent and hub, and their RPCs, as the .proto files declare them."""
NOT_OFFERED: Final = frozenset({"BindInitData", "WrapKey"})


class Recorded:
    """Answers as the recorded handlers did, success or INTERNAL, in their order. Other statuses are the transport's."""

    def __init__(self, recording: Iterable[FramedCall], message: Any) -> None:
        self._message = message
        self._answers: dict[str, list[FramedCall]] = {}
        for framed in recording:
            if framed.response_frame is not None and framed.call.code in {Code.OK, Code.INTERNAL}:
                self._answers.setdefault(framed.call.method, []).append(framed)

    def __getattr__(self, name: str) -> Any:
        if name in NOT_OFFERED or not name[0].isupper():
            raise AttributeError(name)
        return self._answer

    async def _answer(self, request: Any, context: CallContext) -> Any:
        waiting = self._answers[context.method]
        call = next(one.call for one in waiting if one.call.request == request.SerializeToString())
        waiting[:] = [one for one in waiting if one.call is not call]
        if call.code:
            raise StatusError(Code(call.code), call.message)
        return self._message.FromString(call.response)


def services(recording: list[FramedCall]) -> list[Service]:
    """All services, bound from descriptors whose messages keep every field as it came."""
    pool = descriptor_pool.DescriptorPool()
    bound = []
    for full_name, rpcs in DECLARED.items():
        package, _, name = full_name.rpartition(".")
        file = descriptor_pb2.FileDescriptorProto(name=full_name, package=package, syntax="proto3")
        file.message_type.add(name=f"{name}Message")
        service = file.service.add(name=name)
        for rpc in rpcs:
            service.method.add(
                name=rpc, input_type=f".{package}.{name}Message", output_type=f".{package}.{name}Message"
            )
        pool.Add(file)
        descriptor = pool.FindServiceByName(full_name)
        message = message_factory.GetMessageClass(descriptor.methods[0].output_type)
        calls = [framed for framed in recording if framed.service == full_name]
        bound.append(Service.from_descriptor(descriptor, Recorded(calls, message)))
    return bound


def frames_of(data: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    decoder.feed(data)
    frames = []
    while (frame := decoder.next_frame()) is not None:
        frames.append(frame)
    assert decoder.kept == 0
    return frames


@pytest.mark.parametrize("name", RECORDINGS)
async def test_our_server_answers_a_stock_client_byte_for_byte(name: str) -> None:
    recording = ttrpc_recording(name)
    answered = 0
    async with Server(services(recording)) as server:
        address = str(await server.start(some_address()))
        async with raw_peer(address) as peer:
            for number, framed in enumerate(recording):
                await peer.send(framed.request_frame)
                wire_table.add(name, number, "our server", f"{framed.service}/{framed.call.method}")
                if framed.response_frame is None:
                    continue
                assert await peer.frame() == framed.response_frame, framed.call
                answered += 1
    assert answered == {"guest/aa-rpcs": 21, "guest/cdh-rpcs": 16, "guest/ttrpc-oddities": 4}[name]


@pytest.mark.parametrize("name", RECORDINGS[:2])
async def test_our_client_calls_as_the_stock_client_and_understands_the_answers(name: str) -> None:
    recording = ttrpc_recording(name)

    async def stock_server(peer: RawPeer) -> None:
        for framed in recording:
            assert await peer.frame() == framed.request_frame, framed.call
            assert framed.response_frame is not None
            await peer.send(framed.response_frame)

    address = some_address()
    async with raw_server(address, stock_server), await Client.connect(address) as client:
        for number, framed in enumerate(recording):
            call = framed.call
            wire_table.add(name, number, "our client", f"{framed.service}/{call.method}")
            outcome = client.call(framed.service, call.method, call.request, timeout=20)
            if not call.code:
                assert await outcome == call.response
                continue
            with pytest.raises(StatusError) as caught:
                await outcome
            assert (caught.value.status, caught.value.message) == (Code(call.code), call.message)


@pytest.mark.parametrize("name", STREAMS)
def test_the_stock_programs_talk_in_frames_that_we_read(name: str) -> None:
    chunks = stream(name)
    requests = frames_of(b"".join(chunk.data for chunk in chunks if chunk.direction == ">"))
    answers = frames_of(b"".join(chunk.data for chunk in chunks if chunk.direction == "<"))
    assert [(one.kind, one.flags) for one in requests] == [(REQUEST, 0)] * len(requests)
    assert [(one.kind, one.flags) for one in answers] == [(RESPONSE, 0)] * len(answers)
    assert [one.stream_id for one in requests] == [one.stream_id for one in answers]
    assert [one.stream_id for one in requests] == list(range(1, 2 * len(requests), 2))
    assert {decode_request(one.payload).timeout_nano for one in requests} == {50_000_000_000}
    assert not any(decode_request(one.payload).metadata for one in requests)


def outcome_of(answer: Frame) -> bytes | StatusError:
    try:
        return decode_response(answer.payload)
    except StatusError as error:
        return error


@pytest.mark.parametrize("name", STREAMS)
async def test_our_server_serves_the_recorded_stream(name: str) -> None:
    chunks = stream(name)
    sent = b"".join(chunk.data for chunk in chunks if chunk.direction == ">")
    received = b"".join(chunk.data for chunk in chunks if chunk.direction == "<")
    outcomes = [outcome_of(answer) for answer in frames_of(received)]

    async def recorded(_payload: bytes, _context: CallContext) -> bytes:
        outcome = outcomes.pop(0)
        if isinstance(outcome, StatusError):
            raise outcome
        return outcome

    table = {service: dict.fromkeys(rpcs, recorded) for service, rpcs in DECLARED.items()}
    async with Server([Service(*entry) for entry in table.items()]) as server:
        address = str(await server.start(some_address()))
        async with raw_peer(address) as peer:
            await peer.send(sent)
            assert await peer.reader.readexactly(len(received)) == received
    assert outcomes == []
    wire_table.add(name, 0, "our server", f"{len(chunks)} pieces of a stream")


@pytest.mark.parametrize("name", STREAMS)
async def test_our_client_sends_the_recorded_stream(name: str) -> None:
    """As the stock program does: call by call, 50 s each, the answers in the pieces in which they came."""
    chunks = stream(name)
    calls = [decode_request(one.payload) for one in frames_of(b"".join(c.data for c in chunks if c.direction == ">"))]

    async def stock_server(peer: RawPeer) -> None:
        for chunk in chunks:
            if chunk.direction == "<":
                await peer.send(chunk.data)
            else:
                assert await peer.reader.readexactly(len(chunk.data)) == chunk.data
        finished.set_result(None)

    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    address = some_address()
    async with raw_server(address, stock_server), await Client.connect(address) as client:
        for call in calls:
            with contextlib.suppress(StatusError):
                await client.call(call.service, call.method, call.payload, timeout=50)
        await finished
    wire_table.add(name, 0, "our client", f"{len(chunks)} pieces of a stream")
