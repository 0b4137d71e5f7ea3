"""What both ends of a connection do, on a transport that is watched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ttrpc_asyncio.frames import Frame
from ttrpc_asyncio.protocol import FRAMES_PER_TURN, FrameProtocol

from tests.unit.ttrpc_asyncio.peer import frame, until


class Transport:
    """A transport that only notes what is asked of it."""

    def __init__(self) -> None:
        self.reading = True
        self.closing = False
        self.aborted = False
        self.written: list[bytes] = []

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return 7


class Counting(FrameProtocol):
    """Keeps the frames."""

    def __init__(self, *, holds_back: bool = True, drain_seconds: float = 60) -> None:
        super().__init__(max_message=100, drain_seconds=drain_seconds, holds_back=holds_back)
        self.frames: list[Frame] = []
        self.ended = 0
        self.watched = Transport()
        transport: Any = self.watched
        self.connection_made(transport)

    def frame_received(self, frame: Frame) -> None:
        self.frames.append(frame)

    def connection_ended(self) -> None:
        self.ended += 1


async def test_after_some_frames_others_have_their_turn() -> None:
    protocol = Counting()
    protocol.data_received(frame(1, 1, b"x") * (2 * FRAMES_PER_TURN + 1))
    assert len(protocol.frames) == FRAMES_PER_TURN
    assert not protocol.watched.reading
    await asyncio.sleep(0)
    assert len(protocol.frames) == 2 * FRAMES_PER_TURN
    protocol.data_received(frame(1, 1, b"y"))
    assert len(protocol.frames) == 2 * FRAMES_PER_TURN
    await asyncio.sleep(0)
    assert len(protocol.frames) == 2 * FRAMES_PER_TURN + 2
    assert protocol.watched.reading


async def test_no_frame_is_taken_while_the_peer_does_not_read() -> None:
    protocol = Counting()
    protocol.pause_writing()
    protocol.data_received(frame(1, 1, b"x"))
    assert (protocol.frames, protocol.watched.reading) == ([], False)
    protocol.resume_writing()
    await asyncio.sleep(0)
    assert len(protocol.frames) == 1
    assert protocol.watched.reading


async def test_pausing_again_in_a_turn_that_is_due_takes_no_frame() -> None:
    protocol = Counting()
    protocol.pause_writing()
    protocol.data_received(frame(1, 1, b"x"))
    for _ in range(3):
        protocol.resume_writing()
        protocol.pause_writing()
    await asyncio.sleep(0)
    assert protocol.frames == []
    protocol.connection_lost(None)


async def test_a_client_takes_frames_while_its_peer_does_not_read() -> None:
    protocol = Counting(holds_back=False)
    protocol.pause_writing()
    protocol.data_received(frame(1, 1, b"x"))
    assert len(protocol.frames) == 1
    assert protocol.watched.reading
    protocol.connection_lost(None)


async def test_frames_after_the_end_are_not_taken() -> None:
    protocol = Counting()
    protocol.data_received(frame(1, 1, b"x") * (FRAMES_PER_TURN + 1))
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    assert len(protocol.frames) == FRAMES_PER_TURN
    assert (protocol.closed, protocol.ended, protocol.lost.done()) == (True, 1, True)


async def test_writing_says_whether_the_connection_stands() -> None:
    protocol = Counting()
    assert protocol.write(b"a")
    protocol.watched.closing = True
    assert not protocol.write(b"b")
    protocol.connection_lost(None)
    assert not protocol.write(b"c")
    assert protocol.watched.written == [b"a"]


async def test_the_end_of_the_stream_is_the_end_of_the_connection() -> None:
    protocol = Counting()
    protocol.eof_received()
    assert (protocol.watched.closing, protocol.ended) == (True, 1)
    protocol.connection_lost(None)


@pytest.mark.parametrize("last", ["pause", "close"])
async def test_a_peer_that_does_not_catch_up_is_aborted(last: str, caplog: pytest.LogCaptureFixture) -> None:
    protocol = Counting(drain_seconds=0.01)
    protocol.pause_writing()
    if last == "close":
        protocol.close()
        protocol.resume_writing()
    await until(lambda: protocol.watched.aborted)
    assert [record.getMessage() for record in caplog.records] == [
        "a peer left 7 bytes unread for 0.01 s: connection aborted"
    ]


async def test_a_peer_that_catches_up_is_not() -> None:
    protocol = Counting(drain_seconds=0.01)
    protocol.pause_writing()
    protocol.resume_writing()
    protocol.pause_writing()
    protocol.connection_lost(None)
    await asyncio.sleep(0.05)
    assert not protocol.watched.aborted


async def test_a_peer_that_does_not_complete_a_frame_is_aborted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ttrpc_asyncio.protocol.FRAME_SECONDS", 0.01)
    for begun in (b"\x00", frame(1, 1, b"", length=5), frame(1, 1, b"x", length=5), frame(1, 1, b"x", length=500)):
        protocol = Counting()
        protocol.data_received(begun)
        await until(lambda protocol=protocol: protocol.watched.aborted)  # type: ignore[misc]
    assert {record.getMessage() for record in caplog.records} == {
        "a peer did not complete a frame in 0.01 s: connection aborted"
    }


async def test_every_frame_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttrpc_asyncio.protocol.FRAME_SECONDS", 0.05)
    protocol = Counting()
    data = frame(1, 1, b"x") * 20
    for start in range(0, len(data), 11):
        protocol.data_received(data[start : start + 10])
        protocol.data_received(data[start + 10 : start + 11])
        assert protocol._frame_timer is None
        protocol.data_received(b"")
    protocol.data_received(b"\x00")
    timer = protocol._frame_timer
    assert timer is not None
    protocol.data_received(b"\x00")
    assert protocol._frame_timer is timer
    protocol.connection_lost(None)
    assert timer.cancelled()


async def test_what_a_frame_means_is_for_each_end_to_say() -> None:
    protocol = FrameProtocol(max_message=1, drain_seconds=1, holds_back=False)
    with pytest.raises(NotImplementedError):
        protocol.frame_received(Frame(1, 1, 0, b""))
    with pytest.raises(NotImplementedError):
        protocol.connection_ended()
