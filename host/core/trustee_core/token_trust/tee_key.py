"""Where a token's claims have the guest's public key: the first JSON pointer (RFC 6901) that leads anywhere decides."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from trustee_core.token_trust.errors import TeeKeyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEE_KEY_PATHS: Final = (
    "/tdx/attester_runtime_data/tee-pubkey",
    "/tdx/attester_user_data/tee-pubkey",
    "/customized_claims/runtime_data/tee-pubkey",
    "/submods/cpu0/ear.veraison.annotated-evidence/runtime_data_claims/tee-pubkey",
    "/tee-pubkey",
)
"""The usual places, in the order in which they are tried."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


class _Nowhere:
    """What a pointer leads to when there is nothing."""


_NOWHERE: Final = _Nowhere()


def tee_public_key(claims: Mapping[str, Any], extra_paths: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JWK, as it stands in the claims; `extra_paths` come first. Raises TeeKeyError."""
    for path in (*extra_paths, *TEE_KEY_PATHS):
        found = _resolve(claims, path)
        if found is not _NOWHERE:
            if not isinstance(found, dict):
                raise TeeKeyError(f"what the token has at {path} is not a JWK")
            return found
    raise TeeKeyError("the token names no TEE key", advice="attest with a client that sends its public key")


def _resolve(value: Any, pointer: str) -> Any:  # noqa: ANN401  # any JSON value has pointers into it
    names = _names(pointer)
    if names is None:
        return _NOWHERE
    for name in names:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return _NOWHERE
    return value


@functools.lru_cache(maxsize=64)
def _names(pointer: str) -> tuple[str, ...] | None:
    """Take a pointer apart; None for what is none. All pointers are ours or the configuration's."""
    start, *escaped = pointer.split("/")
    return None if start else tuple(name.replace("~1", "/").replace("~0", "~") for name in escaped)
