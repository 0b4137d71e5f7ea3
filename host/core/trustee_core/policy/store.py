"""Policies as they are kept: the text under `<id>.rego` in one namespace of a backend.

An id starts with a letter, a digit, `_` or `-`, and goes on with these and dots; with its suffix it has at most 255
characters. So no id leads out of a directory. What is uploaded must decode, parse, and evaluate with empty input before
it replaces anything; what is stored is read anew for each use, so that all replicas follow a change at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attestation_protocol.encoding import b64url_decode
from attestation_protocol.errors import EncodingError

from trustee_core.policy.contract import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trustee_core.policy.contract import PolicyEngine
    from trustee_core.storage.contract import KeyValueStore

SUFFIX: Final = ".rego"
MAX_ID: Final = 255 - len(SUFFIX)

_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", re.ASCII)
_STRAY: Final = re.compile(rb"[^A-Za-z0-9_-]", re.ASCII)
_ENCODING_ADVICE: Final = "send the policy's text in base64url without padding"


class PolicyStoreError(PolicyError):
    """The base of what the store adds to the policy errors.

    PolicyStoreError
    ├── PolicyIdError         an id that no policy is stored under
    ├── PolicyDecodeError     an upload that is not base64url of UTF-8 text
    └── PolicyNotFoundError   there is no policy of that id
    """

    default_code = "POLICY-STORE"


class PolicyIdError(PolicyStoreError):
    """An id that no policy is stored under."""

    default_code = "POLICY-ID"


class PolicyDecodeError(PolicyStoreError):
    """An upload that is not base64url, unpadded, of UTF-8 text. `engine_text` is what upstream's decoder says."""

    default_code = "POLICY-ENCODING"


class PolicyNotFoundError(PolicyStoreError):
    """There is no policy of that id."""

    default_code = "POLICY-MISSING"


class PolicyStore:
    """The policies of one service."""

    def __init__(self, store: KeyValueStore, engine: PolicyEngine) -> None:
        self._store = store
        self._engine = engine
        self._texts: dict[str, tuple[bytes, str]] = {}

    async def set(self, policy_id: str, encoded: str, rules: Sequence[str]) -> str:
        """Check an upload, evaluating `rules`, store it in place of what is there, and return the text.

        Raises:
            PolicyIdError, PolicyDecodeError: see there.
            PolicyError: the engine refuses the text.
            StorageError: it cannot be stored.
        """
        key = _key(policy_id)
        text = decode_policy(encoded)
        await self._engine.check(text, rules)
        await self._store.put(key, text.encode())
        return text

    async def install_default(self, policy_id: str, text: str) -> bool:
        """Store a policy of ours if there is none of that id; say whether there was none. Raises StorageError."""
        return await self._store.put_if_absent(_key(policy_id), text.encode())

    async def get(self, policy_id: str) -> str:
        """Return the text of a policy.

        Raises:
            PolicyIdError, PolicyNotFoundError: there is none.
            PolicyDecodeError: what is stored is not UTF-8.
            StorageError: it cannot be read.
        """
        data = await self._store.get(_key(policy_id))
        if data is None:
            raise PolicyNotFoundError(
                f"there is no policy {policy_id}",
                advice="the operator sets it with `kbs-client config set-attestation-policy` or `set-resource-policy`",
                engine_text=f"Policy `{policy_id}{SUFFIX}` not found",
            )
        known = self._texts.get(policy_id)
        if known is None or known[0] != data:  # the same object as before lets the engine recognise it at once
            known = self._texts[policy_id] = (data, _decode_text(data))
        return known[1]

    async def ids(self) -> list[str]:
        """Return the ids of all policies, sorted. Raises PolicyStoreError: a key that is no policy's. StorageError."""
        keys = await self._store.keys()
        foreign = next((key for key in keys if not key.endswith(SUFFIX)), None)
        if foreign is not None:
            raise PolicyStoreError(
                f"the key {foreign!r:.80} among the policies does not end with {SUFFIX}",
                advice="move what is no policy out of the policies' namespace",
            )
        return sorted(key.removesuffix(SUFFIX) for key in keys)


def decode_policy(encoded: str) -> str:
    """Decode an uploaded policy: base64url without padding, then UTF-8. Raises PolicyDecodeError."""
    try:
        data = b64url_decode(encoded)
    except EncodingError as error:
        text = _decoder_text(encoded.encode("utf-8", "surrogatepass"))
        raise PolicyDecodeError(
            f"the policy does not decode: {error.message}", advice=_ENCODING_ADVICE, engine_text=text
        ) from None
    return _decode_text(data)


def _decode_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = f"invalid utf-8 sequence of {max(1, error.end - error.start)} bytes from index {error.start}"
        raise PolicyDecodeError("the policy's text is not UTF-8", advice=_ENCODING_ADVICE, engine_text=text) from None


def _decoder_text(encoded: bytes) -> str:
    """Say what is wrong with text that is not base64url, as upstream's decoder does."""
    stray = _STRAY.search(encoded.rstrip(b"="))
    if stray is not None:
        return f"Invalid symbol {stray.group()[0]}, offset {stray.start()}."
    if encoded.endswith(b"="):
        return "Invalid padding"
    if len(encoded) % 4 == 1:
        return f"Invalid input length: {len(encoded)}"
    return f"Invalid last symbol {encoded[-1]}, offset {len(encoded) - 1}."


def _key(policy_id: str) -> str:
    if not _ID.fullmatch(policy_id) or len(policy_id) > MAX_ID:
        raise PolicyIdError(
            f"{policy_id!r:.80} is not the id of a policy",
            advice="ids are letters, digits, `_`, `-` and, behind the first character, dots",
        )
    return policy_id + SUFFIX
