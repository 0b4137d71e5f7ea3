"""The signing key of a store: made once, shared by all that open it, refused when it is no key."""

from __future__ import annotations

import asyncio

import pytest
from attestation_service.stored_signer import NAMESPACE, SIGNING_KEY, stored_signer
from trustee_core.storage.contract import StorageCorruptError
from trustee_core.storage.registry import open_storage


async def test_all_that_open_a_store_sign_with_one_key() -> None:
    storage = open_storage("Memory", {})
    first, *others = await asyncio.gather(*(stored_signer(storage) for _ in range(8)))
    assert [signer.jwk for signer in others] == [first.jwk] * 7
    assert (await stored_signer(open_storage("Memory", {}))).jwk != first.jwk


async def test_what_lies_there_is_kept_and_refused_when_it_is_no_key() -> None:
    storage = open_storage("Memory", {})
    store = storage.namespace(NAMESPACE)
    await store.put(SIGNING_KEY, b"half a ke")
    with pytest.raises(StorageCorruptError) as caught:
        await stored_signer(storage)
    assert (caught.value.code, "half" in caught.value.message) == ("STORAGE-CORRUPT", False)
    assert await store.get(SIGNING_KEY) == b"half a ke"
