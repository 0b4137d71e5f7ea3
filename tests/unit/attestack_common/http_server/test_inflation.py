"""Compressed bodies: what is inflated, what is refused, and that a bomb stops at the limit."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from attestack_common.http_server.errors import BodyEncodingError, BodySizeError, RefusedError
from attestack_common.http_server.inflation import inflate
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
LIMIT = 100_000


@pytest.fixture(params=COMPRESS)
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("body", [b"", b"x", b"hello" * 1000, b"\0" * LIMIT])
def test_a_body_within_the_limit_is_inflated(encoding: str, body: bytes) -> None:
    assert inflate(COMPRESS[encoding](body), encoding, LIMIT) == body


def test_one_byte_over_the_limit_is_refused(encoding: str) -> None:
    with pytest.raises(BodySizeError) as refused:
        inflate(COMPRESS[encoding](b"x" * (LIMIT + 1)), encoding, LIMIT)
    assert (refused.value.code, refused.value.status) == ("HTTP-BODY-SIZE", 413)
    assert refused.value.wire_text == "payload reached size limit"


def test_a24_a_bomb_is_not_inflated(encoding: str) -> None:
    bomb = COMPRESS[encoding](bytes(64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(BodySizeError):
            inflate(bomb, encoding, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 20 * LIMIT
    finally:
        tracemalloc.stop()


def test_a_body_that_is_cut_short_is_refused(encoding: str) -> None:
    whole = COMPRESS[encoding](bytes(range(256)) * 20)
    for cut in (1, 5, len(whole) // 2, len(whole) - 5):
        with pytest.raises(BodyEncodingError):
            inflate(whole[:-cut], encoding, LIMIT)


def test_what_stands_behind_the_stream_is_refused(encoding: str) -> None:
    whole = COMPRESS[encoding](b"hello")
    for tail in (b"x", whole):
        with pytest.raises(BodyEncodingError):
            inflate(whole + tail, encoding, LIMIT)


def test_an_empty_or_plain_body_is_not_a_stream(encoding: str) -> None:
    for body in (b"", b'{"version":"0.4.0"}'):
        with pytest.raises(BodyEncodingError) as refused:
            inflate(body, encoding, LIMIT)
        assert (refused.value.code, refused.value.status) == ("HTTP-BODY-ENCODING", 400)


def test_the_text_for_a_plain_body_is_the_recorded_one() -> None:
    with pytest.raises(BodyEncodingError) as refused:
        inflate(b'{"version":"0.4.0"}', "gzip", LIMIT)
    assert refused.value.wire_text == (
        'payload reached EOF before completing: Some(Custom { kind: InvalidInput, error: "invalid gzip header" })'
    )


@pytest.mark.parametrize("name", ["GZIP", " gzip ", "gZip"])
def test_names_of_encodings_have_no_case(name: str) -> None:
    assert inflate(gzip.compress(b"x"), name, LIMIT) == b"x"


@pytest.mark.parametrize("name", ["identity", "", "compress", "x-gzip", "gzip, br", "gzip,gzip", "nonsense"])
def test_other_encodings_leave_the_body_as_it_is(name: str) -> None:
    assert inflate(b"\x1f\x8b\x08 anything", name, LIMIT) == b"\x1f\x8b\x08 anything"


def test_a24_a_zstd_window_of_128_mebibytes_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    body = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    wide = body.compress(bytes(1000)) + body.flush()
    with pytest.raises(BodyEncodingError):
        inflate(wide, "zstd", LIMIT)


@given(st.sampled_from(list(COMPRESS)), st.binary(max_size=300))
def test_a24_any_bytes_inflate_or_raise_a_refusal(encoding: str, body: bytes) -> None:
    for data in (body, COMPRESS[encoding](b"hello")[:8] + body):
        try:
            assert len(inflate(data, encoding, 1000)) <= 1000
        except RefusedError as refusal:
            assert refusal.code in {"HTTP-BODY-SIZE", "HTTP-BODY-ENCODING"}  # noqa: PT017  # either outcome is right
