"""Request bodies that come compressed (RFC 9110 section 8.4), inflated within the body limit.

    gzip     one member (RFC 1952)
    deflate  a zlib stream (RFC 1950)
    br       a Brotli stream (RFC 7932)
    zstd     one frame, window of at most 8 MiB (RFC 8878 section 3.1.1.1.2)

Any other `content-encoding`, a list of several too, leaves the body as it is. Inflation stops one byte
beyond the limit (Brotli: one step), so a bomb costs what an honest body costs. What stands behind the end of the stream
is refused.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from attestack_common.http_server.errors import BodyEncodingError, BodySizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
_BROTLI_STEP: Final = 32 * 1024  # the decoder may return about as much again as it is asked for


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Return the inflated body, at most `limit` bytes. Raises BodySizeError, BodyEncodingError."""
    decoder = _DECODERS.get(encoding.strip().lower())
    if decoder is None:
        return body
    data = decoder(body, limit)
    if len(data) > limit:
        raise BodySizeError(f"the body inflates to more than {limit} bytes")
    return data


def _gzip(body: bytes, limit: int) -> bytes:
    if body[:3] != b"\x1f\x8b\x08":
        raise BodyEncodingError("invalid gzip header")
    return _zlib(body, limit, _GZIP_WINDOW)


def _deflate(body: bytes, limit: int) -> bytes:
    return _zlib(body, limit, zlib.MAX_WBITS)


def _zlib(body: bytes, limit: int, window: int) -> bytes:
    decoder = zlib.decompressobj(window)
    try:
        data = decoder.decompress(body, limit + 1)
    except zlib.error:
        raise BodyEncodingError("corrupt deflate stream") from None
    _require_whole(ended=decoder.eof or len(data) > limit, rest=decoder.unused_data)
    return data


def _brotli(body: bytes, limit: int) -> bytes:
    import brotli  # type: ignore[import-untyped]  # noqa: PLC0415  # loaded with the first body that needs it

    decoder, data, piece = brotli.Decompressor(), bytearray(), body
    try:
        while len(data) <= limit and not decoder.is_finished():
            inflated = decoder.process(piece, output_buffer_limit=_BROTLI_STEP)
            if not inflated and decoder.can_accept_more_data():
                break
            data += inflated
            piece = b""
    except brotli.error:
        raise BodyEncodingError("corrupt brotli stream") from None
    _require_whole(ended=decoder.is_finished() or len(data) > limit, rest=b"")
    return bytes(data)


def _zstd(body: bytes, limit: int) -> bytes:
    import zstandard  # noqa: PLC0415  # loaded with the first body that needs it

    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    try:
        data: bytes = decoder.stream_reader(body).read(limit + 1)
        if len(data) <= limit:  # now that the size is known to be bounded, again with the decoder that reports the end
            whole = decoder.decompressobj()
            data = whole.decompress(body)
            _require_whole(ended=whole.eof, rest=whole.unused_data)
    except zstandard.ZstdError:
        raise BodyEncodingError("corrupt zstd stream") from None
    return data


def _require_whole(*, ended: bool, rest: bytes) -> None:
    if not ended:
        raise BodyEncodingError("the compressed stream is cut short")
    if rest:
        raise BodyEncodingError("data behind the end of the compressed stream")


_DECODERS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
