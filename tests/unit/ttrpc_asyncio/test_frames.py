"""Frames: cut at the right places whatever the chunks, and skipped when they are too long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ttrpc_asyncio.frames import MAX_MESSAGE, Frame, FrameDecoder, encode_frame, oversize_text

from tests.unit.ttrpc_asyncio import peer

LIMIT = 100
FRAMES = st.builds(
    Frame,
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=LIMIT),
)
OVERSIZE = st.builds(
    Frame,
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 255),
    st.just(b""),
    st.integers(LIMIT + 1, 3 * LIMIT),
)


def on_the_wire(frame: Frame) -> bytes:
    body = frame.payload or bytes(frame.oversize)
    return peer.frame(frame.stream_id, frame.kind, body, flags=frame.flags)


def frames_in(*chunks: bytes, limit: int = LIMIT) -> list[Frame]:
    decoder = FrameDecoder(limit)
    frames = []
    for chunk in chunks:
        decoder.feed(chunk)
        while (frame := decoder.next_frame()) is not None:
            frames.append(frame)
    return frames


def test_the_header_is_length_stream_type_flags() -> None:
    assert encode_frame(0x01020304, 2, b"abc") == b"\x00\x00\x00\x03\x01\x02\x03\x04\x02\x00abc"


def test_the_longest_payload_is_four_mebibytes() -> None:
    assert MAX_MESSAGE == 4_194_304
    assert oversize_text(4_194_305, MAX_MESSAGE) == ("message length 4194305 exceed maximum message size of 4194304")


@given(st.lists(FRAMES | OVERSIZE, max_size=6), st.lists(st.integers(0, 2000), max_size=12))
def test_chunks_do_not_matter(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(map(on_the_wire, frames))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert frames_in(*(data[start:end] for start, end in pairwise(edges))) == frames


@given(st.lists(FRAMES | OVERSIZE, max_size=4))
def test_a_byte_at_a_time_does(frames: list[Frame]) -> None:
    data = b"".join(map(on_the_wire, frames))
    assert frames_in(*(bytes([byte]) for byte in data)) == frames


@given(st.lists(FRAMES, min_size=1, max_size=5), st.integers(0, 8))
def test_frames_may_be_taken_later_than_they_are_fed(frames: list[Frame], early: int) -> None:
    decoder = FrameDecoder(LIMIT)
    taken = []
    for frame in frames:
        data = on_the_wire(frame)
        decoder.feed(data[:early])
        decoder.feed(data[early:])
        if early % 2:
            taken.append(decoder.next_frame())
    while (frame_ := decoder.next_frame()) is not None:
        taken.append(frame_)
    assert taken == frames


@given(st.binary(max_size=400))
def test_a24_any_bytes_are_frames_or_the_start_of_one(data: bytes) -> None:
    for frame in frames_in(data):
        assert len(frame.payload) <= LIMIT
        assert not frame.oversize or (frame.oversize > LIMIT and frame.payload == b"")


def test_a24_a_length_of_four_gibibytes_is_not_believed() -> None:
    decoder = FrameDecoder()
    decoder.feed(peer.frame(1, 1, b"", length=0xFFFF_FFFF))
    for _ in range(4):
        decoder.feed(bytes(1 << 20))
        assert decoder.next_frame() is None
    assert decoder.kept == 0


@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1])
def test_the_limit_itself_is_allowed(length: int) -> None:
    (frame,) = frames_in(peer.frame(1, 1, bytes(length)))
    assert frame.oversize == (length if length > LIMIT else 0)
    assert len(frame.payload) == (0 if length > LIMIT else LIMIT)
