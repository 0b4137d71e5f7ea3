"""A24 at the gRPC doors: frames, floods, lengths and messages that are meant to exhaust or to stop a server.

A real `grpc-as` is attacked. Whatever it makes of the attack, another client is served afterwards, and the process has
not grown beyond a bound.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from attestation_protocol.errors import code_of
from attestation_protocol.stubs.attestation_pb2 import AttestationRequest, IndividualAttestationRequest

from tests.conformance.grpc_replay import Client
from tests.integration.processes import Program, Tcp, free_port
from tests.unit.attestack_common.grpc_edge.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    call_fields,
    field,
    frame,
    frames,
    hello,
    message,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

EVALUATE: Final = "/attestation.AttestationService/AttestationEvaluate"
SET_POLICY: Final = "/attestation.AttestationService/SetAttestationPolicy"
GROWTH: Final = 192 * 1024
"""KiB that the process may have grown by after an attack. What grpcio's core keeps for itself levels off below it."""


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    port = free_port()
    with Program("grpc-as", "-s", f"127.0.0.1:{port}", ready=Tcp(port)) as program:
        with Client(port) as client:
            assert client.ask(EVALUATE, evidence()).code == 0
        yield program


@pytest.fixture(autouse=True)
def _serves_on(server: Program) -> Iterator[None]:
    before = resident(server)
    yield
    with Client(port_of(server)) as client:
        assert client.ask(EVALUATE, evidence()).code == 0
    assert resident(server) - before < GROWTH
    assert "Traceback" not in server.log


def port_of(server: Program) -> int:
    assert isinstance(server.ready, Tcp)
    return server.ready.port


def resident(server: Program) -> int:
    """KiB of memory that the process has."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def evidence(tee: str = "sample") -> bytes:
    individual = IndividualAttestationRequest(tee=tee, evidence="eyJzdm4iOiIxIiwicmVwb3J0X2RhdGEiOiIifQ")
    return AttestationRequest(verification_requests=[individual]).SerializeToString()


def attack(server: Program, *sent: bytes, seconds: float = 2) -> bytes:
    """Send, and return what came back until the server closed or was silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=seconds) as peer:
        with contextlib.suppress(OSError):
            for piece in sent:
                peer.sendall(piece)
        with contextlib.suppress(OSError):
            while data := peer.recv(65536):
                received += data
    return received


def kinds(received: bytes) -> set[int]:
    return {kind for kind, *_ in frames(received)}


def test_a24_calls_that_are_opened_and_broken_off_again_and_again(server: Program) -> None:
    flood = [
        frame(HEADERS, call_fields(EVALUATE), flags=END_HEADERS, stream=stream)
        + frame(RST_STREAM, struct.pack(">I", 8), stream=stream)
        for stream in range(1, 40_001, 2)
    ]
    attack(server, hello(), b"".join(flood))


def test_a24_header_fields_without_end(server: Program) -> None:
    head = frame(HEADERS, call_fields(EVALUATE), stream=1)
    more = frame(CONTINUATION, field("x-a", "b" * 100) * 140, stream=1)
    received = attack(server, hello(), head, *([more] * 1500), frame(CONTINUATION, flags=END_HEADERS, stream=1))
    statuses = [payload for kind, _, stream, payload in frames(received) if kind == HEADERS and stream == 1]
    assert not statuses or b"grpc-status\x018" in statuses[-1]  # RESOURCE_EXHAUSTED


@pytest.mark.parametrize("length", [5 << 20, (1 << 24) - 1])
def test_a24_a_frame_that_is_larger_than_was_agreed(server: Program, length: int) -> None:
    head = frame(HEADERS, call_fields(EVALUATE), flags=END_HEADERS, stream=1)
    larger = length.to_bytes(3, "big") + bytes([DATA, 0]) + struct.pack(">I", 1)
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=10) as peer:
        peer.sendall(hello() + head + larger)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # it is not read to its end
            peer.sendall(bytes(length))


def test_a24_pings_without_end_end_the_connection(server: Program) -> None:
    received = attack(server, hello(), *([frame(PING, b"12345678") * 500] * 40))
    assert GOAWAY in kinds(received)


@pytest.mark.parametrize("each", [frame(PING, b"12345678"), frame(SETTINGS)], ids=["ping", "settings"])
def test_a24_frames_whose_answers_are_not_read_are_not_read_either(server: Program, each: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=2) as peer:
        peer.sendall(hello())
        with pytest.raises((TimeoutError, BrokenPipeError, ConnectionResetError)):  # held up, or ended for its pings
            peer.sendall(each * 10_000_000)


def test_a24_a_peer_that_does_not_read_does_not_hold_up_the_end() -> None:
    port = free_port()
    with (
        Program("grpc-as", "-s", f"127.0.0.1:{port}", ready=Tcp(port)) as program,
        socket.create_connection(("127.0.0.1", port), timeout=1) as peer,
    ):
        peer.sendall(hello())
        with pytest.raises(TimeoutError):
            peer.sendall(frame(SETTINGS) * 10_000_000)
        assert program.stop() == 0


def test_a24_streams_that_never_bring_their_message(server: Program) -> None:
    heads = [frame(HEADERS, call_fields(EVALUATE), flags=END_HEADERS, stream=stream) for stream in range(1, 2001, 2)]
    with contextlib.ExitStack() as open_:
        for _ in range(8):
            peer = open_.enter_context(socket.create_connection(("127.0.0.1", port_of(server)), timeout=5))
            peer.sendall(hello() + b"".join(heads))
        with Client(port_of(server)) as client:
            assert client.ask(EVALUATE, evidence()).code == 0


def test_a24_connections_that_say_nothing(server: Program) -> None:
    with contextlib.ExitStack() as open_:
        for _ in range(150):
            open_.enter_context(socket.create_connection(("127.0.0.1", port_of(server)), timeout=5))
        with Client(port_of(server)) as client:
            assert client.ask(EVALUATE, evidence()).code == 0


@pytest.mark.parametrize(
    "sent",
    [
        random.Random(24).randbytes(4000),
        b"\0" * 4000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        hello() + frame(HEADERS, b"\xff" * 60, flags=END_HEADERS, stream=1),
        hello() + frame(HEADERS, call_fields(EVALUATE), flags=END_HEADERS, stream=2),
        hello() + frame(HEADERS, call_fields("/a" * 30, method="GET"), flags=END_HEADERS | END_STREAM, stream=1),
        hello() + frame(99, b"x", stream=1) * 100,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000,
        b"POST /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:12]),
)
def test_a24_bytes_that_are_no_protocol(server: Program, sent: bytes) -> None:
    received = attack(server, sent, seconds=0.5)
    assert b"grpc-status\x010" not in received


def test_a24_a_message_that_is_too_large_is_refused(server: Program) -> None:
    with Client(port_of(server)) as client:
        assert client.ask(EVALUATE, bytes(4 << 20)).code == 13  # to the byte: read, and no request
        assert client.ask(EVALUATE, bytes((4 << 20) + 1)).code == 8


def test_a24_a_length_that_lies_is_refused(server: Program) -> None:
    head = frame(HEADERS, call_fields(EVALUATE), flags=END_HEADERS, stream=1)
    lie = b"\0\xff\xff\xff\xff" + b"x" * 100
    received = attack(server, hello(), head, frame(DATA, lie, flags=END_STREAM, stream=1), seconds=0.5)
    assert b"grpc-status\x010" not in received


def test_a24_a_compressed_message_is_not_inflated(server: Program) -> None:
    bomb = gzip.compress(bytes(256 << 20))
    assert len(bomb) < 1 << 20
    head = frame(HEADERS, call_fields(EVALUATE, encoding="gzip"), flags=END_HEADERS, stream=1)
    whole = message(bomb, compressed=True)
    pieces = [frame(DATA, whole[at : at + 16_000], stream=1) for at in range(0, 48_000, 16_000)]
    received = attack(server, hello(), head, *pieces, seconds=0.5)
    (status,) = [payload for kind, _, stream, payload in frames(received) if kind == HEADERS and stream == 1]
    assert b"grpc-status\x0212" in status  # UNIMPLEMENTED


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a\x04\x0a\xff\xff\x7f",
        b"\x0b" * 100_000,
        b"\x0a\x02\xff\xfe",
        b"\x0a\x03snp\x12\x02\xff\xfe",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
    ids=lambda data: repr(data[:8]),
)
def test_a24_messages_that_do_not_decode_are_refused_by_name(server: Program, data: bytes) -> None:
    with Client(port_of(server)) as client:
        for method in (EVALUATE, SET_POLICY):
            answer = client.ask(method, data)
            assert (answer.code, code_of(answer.message)) == (13, "RPC-MESSAGE")


def test_a24_many_pieces_of_evidence_are_refused(server: Program) -> None:
    individual = [IndividualAttestationRequest(tee="sample", evidence="e30")] * 50_000
    with Client(port_of(server)) as client:
        answer = client.ask(EVALUATE, AttestationRequest(verification_requests=individual).SerializeToString())
    assert (answer.code, code_of(answer.message)) == (10, "AS-TOO-MUCH-EVIDENCE")


def test_a24_long_texts_of_a_caller_do_not_come_back_whole(server: Program) -> None:
    with Client(port_of(server)) as client:
        answer = client.ask(EVALUATE, evidence("a" * 1_000_000))
        assert (answer.code, code_of(answer.message)) == (10, "TEE-UNKNOWN")
        assert len(answer.message) < 500
