r"""What all backends have in common: which keys, namespaces and values there are, and when a value's time has come.

Keys are opaque: nothing here or below normalises them, so two keys are one only if they are the same characters. To
keep every later reader from normalising them into one another, a write is refused if its key

- is longer than 512 bytes in UTF-8, or is not UTF-8 (half of a surrogate pair);
- has a NUL, an empty segment (so no leading, trailing or double `/`), or a segment `.` or `..`. The start of a URI
  (`rvps:///`), which the convention for reference value ids recommends, is not looked at.

A backend may refuse more. Reading or deleting what could not have been written finds nothing.

Namespaces are named by programs, not by users: segments of `[A-Za-z0-9._-]`, joined by `/`, none of them empty, `.`
or `..`. Without `:` or `\` a namespace cannot run into a key, whatever a backend joins them with.

Time is kept as whole microseconds since 1970. A value is absent from the microsecond on in which it expires.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from trustee_core.storage.contract import KeyRefusedError, ValueRefusedError

if TYPE_CHECKING:
    from attestack_common.clock import Clock

MAX_KEY_SIZE: Final = 512
"""Bytes of a key in UTF-8."""
MAX_NAMESPACE_SIZE: Final = 128
"""Characters of a namespace."""
MAX_VALUE_SIZE: Final = 16 << 20
"""Bytes of a value."""
MAX_SHOWN: Final = 80
"""Characters of a key that a message shows."""

_URI_START: Final = re.compile(r"[a-z][a-z0-9+.-]*:///?")
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", re.ASCII)
_FOREVER: Final = 1 << 62
_DOTS: Final = frozenset({".", ".."})


def check_namespace(name: str) -> None:
    """Raise KeyRefusedError if there cannot be a namespace of this name."""
    if len(name) > MAX_NAMESPACE_SIZE or not _NAMESPACE.fullmatch(name) or not _DOTS.isdisjoint(name.split("/")):
        raise KeyRefusedError(f"invalid storage namespace: {shown(name)}", code="STORAGE-NAMESPACE")


def check_key(key: str) -> None:
    """Raise KeyRefusedError if no backend can keep this key."""
    reason = reason_against(key)
    if reason is not None:
        raise refused(key, reason)


def refused(key: str, reason: str) -> KeyRefusedError:
    """Return the error of a backend that cannot keep this key."""
    return KeyRefusedError(f"failed to set key `{shown(key)}`: {reason}", advice="choose another name")


def reason_against(key: str) -> str | None:
    """Return why no backend can keep this key, or None if there is no reason."""
    if not is_text(key):
        return "key is not UTF-8"
    if len(key) > MAX_KEY_SIZE or len(key.encode()) > MAX_KEY_SIZE:
        return f"key is longer than {MAX_KEY_SIZE} bytes"
    if "\0" in key:
        return "key contains invalid characters"
    start = _URI_START.match(key)
    segments = key[start.end() if start else 0 :].split("/")
    if "" in segments:
        return "key is empty or has an empty segment"
    return None if _DOTS.isdisjoint(segments) else "key has a segment `.` or `..`"


def is_text(text: str) -> bool:
    """Return whether a text can be written in UTF-8: it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_value(value: bytes) -> None:
    """Raise ValueRefusedError if a value is too large for any backend."""
    if len(value) > MAX_VALUE_SIZE:
        raise ValueRefusedError(f"a value of {len(value)} bytes is larger than {MAX_VALUE_SIZE}")


def shown(text: str) -> str:
    """Return a key as messages show it: without control characters, and not longer than 80 characters."""
    cut = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")


def now_us(clock: Clock) -> int:
    """Return the time in microseconds since 1970."""
    return round(clock().timestamp() * 1_000_000)  # exact: a float holds today's microseconds


def expires_at(clock: Clock, ttl: float | None) -> int | None:
    """Return when a value written now expires, in microseconds since 1970; None: never. Raises ValueError.

    Rounded up: what stands for a nonce that has been used must not go before the nonce does.
    """
    if ttl is None:
        return None
    if not math.isfinite(ttl):
        raise ValueError("a time to live is a finite number of seconds")
    return max(0, min(now_us(clock) + math.ceil(ttl * 1_000_000), _FOREVER))
