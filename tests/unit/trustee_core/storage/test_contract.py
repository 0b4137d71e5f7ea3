"""The contract of storage, sentence by sentence, for every backend."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from trustee_core.storage.contract import KeyRefusedError, StorageError, ValueRefusedError

if TYPE_CHECKING:
    from trustee_core.storage.contract import KeyValueStore, StorageBackend

    from tests.unit.trustee_core.storage.conftest import FakeClock, Open

MIB = 1 << 20
KEY = "default/key/1"


async def test_a_missing_key_has_no_value(store: KeyValueStore) -> None:
    assert await store.get(KEY) is None


async def test_put_then_get(store: KeyValueStore) -> None:
    await store.put(KEY, b"one")
    assert await store.get(KEY) == b"one"


async def test_put_replaces(store: KeyValueStore) -> None:
    await store.put(KEY, b"a longer first value")
    await store.put(KEY, b"two")
    assert await store.get(KEY) == b"two"


@pytest.mark.parametrize("value", [b"", b"\0", bytes(range(256)), b"x" * 65_536, b"x" * 65_537], ids=len)
async def test_values_are_bytes(store: KeyValueStore, value: bytes) -> None:
    await store.put(KEY, value)
    assert await store.get(KEY) == value


async def test_a_value_may_have_16_mib(store: KeyValueStore) -> None:
    value = b"\xa5" * (16 * MIB)
    await store.put(KEY, value)
    assert await store.get(KEY) == value


async def test_a_larger_value_is_refused_and_nothing_changes(store: KeyValueStore) -> None:
    await store.put(KEY, b"one")
    too_large = bytes(16 * MIB + 1)
    for refused in (
        store.put(KEY, too_large),
        store.put_if_absent("other", too_large),
        store.compare_and_set(KEY, b"one", too_large),
    ):
        with pytest.raises(ValueRefusedError) as caught:
            await refused
        assert caught.value.code == "STORAGE-SIZE"
    assert await store.get(KEY) == b"one"
    assert await store.keys() == [KEY]


async def test_put_if_absent_writes_once(store: KeyValueStore) -> None:
    assert await store.put_if_absent(KEY, b"one") is True
    assert await store.put_if_absent(KEY, b"two") is False
    assert await store.get(KEY) == b"one"


async def test_put_if_absent_finds_an_empty_value_present(store: KeyValueStore) -> None:
    await store.put(KEY, b"")
    assert await store.put_if_absent(KEY, b"two") is False
    assert await store.get(KEY) == b""


async def test_compare_and_set_writes_if_the_value_is_the_expected_one(store: KeyValueStore) -> None:
    await store.put(KEY, b"one")
    assert await store.compare_and_set(KEY, b"two", b"three") is False
    assert await store.get(KEY) == b"one"
    assert await store.compare_and_set(KEY, b"one", b"two") is True
    assert await store.get(KEY) == b"two"


async def test_compare_and_set_of_a_missing_key(store: KeyValueStore) -> None:
    assert await store.compare_and_set(KEY, b"", b"two") is False
    assert await store.get(KEY) is None
    assert await store.compare_and_set(KEY, None, b"one") is True
    assert await store.compare_and_set(KEY, None, b"two") is False
    assert await store.get(KEY) == b"one"


async def test_delete_says_whether_there_was_something(store: KeyValueStore) -> None:
    await store.put(KEY, b"one")
    assert await store.delete(KEY) is True
    assert await store.get(KEY) is None
    assert await store.delete(KEY) is False
    assert await store.put_if_absent(KEY, b"two") is True


async def test_keys_are_sorted_and_chosen_by_prefix(store: KeyValueStore) -> None:
    for key in ("b/2", "a", "b/10", "b", "c/1", "B", "b-1"):
        await store.put(key, b"")
    assert await store.keys() == ["B", "a", "b", "b-1", "b/10", "b/2", "c/1"]
    assert await store.keys("b/") == ["b/10", "b/2"]
    assert await store.keys("b/2") == ["b/2"]
    assert await store.keys("nothing") == []
    assert await store.keys("\udc80") == []


async def test_namespaces_do_not_see_each_other(backend: StorageBackend) -> None:
    first, second = backend.namespace("first"), backend.namespace("second")
    await first.put(KEY, b"one")
    assert await second.get(KEY) is None
    assert await second.delete(KEY) is False
    assert await second.keys() == []
    await second.put(KEY, b"two")
    assert await first.get(KEY) == b"one"


async def test_a_namespace_opened_twice_is_one(backend: StorageBackend) -> None:
    await backend.namespace("first").put(KEY, b"one")
    assert await backend.namespace("first").get(KEY) == b"one"


async def test_a_namespace_may_have_segments(backend: StorageBackend) -> None:
    await backend.namespace("first/inner").put(KEY, b"one")
    assert await backend.namespace("first/inner").get(KEY) == b"one"
    assert await backend.namespace("first").keys() == []


@pytest.mark.parametrize(
    "name",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\0b", "a b", "a:b", "a\\b", "ä", "a\n", "n" * 129],
)
async def test_a_bad_namespace_is_refused(backend: StorageBackend, name: str) -> None:
    with pytest.raises(KeyRefusedError) as caught:
        backend.namespace(name)
    assert caught.value.code == "STORAGE-NAMESPACE"


BAD_KEYS = ["", "/", "/a", "a/", "a//b", "..", ".", "a/../b", "../a", "a/..", "a/./b", "a\0b", "\ud800", "k" * 513]


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_bad_key_is_refused_on_writing_and_never_found(store: KeyValueStore, key: str) -> None:
    for refused in (store.put(key, b""), store.put_if_absent(key, b""), store.compare_and_set(key, b"", b"")):
        with pytest.raises(KeyRefusedError) as caught:
            await refused
        assert caught.value.code == "STORAGE-KEY"
        assert caught.value.message.startswith("failed to set key `")
    with pytest.raises(KeyRefusedError):
        store.check_key(key)
    assert await store.get(key) is None
    assert await store.delete(key) is False
    assert await store.keys() == []


@pytest.mark.parametrize("key", ["a", "a.b", "...", "a..b/c", "..a/b", "k" * 100, "A/a/-/_"])
async def test_a_good_key_is_taken(store: KeyValueStore, key: str) -> None:
    store.check_key(key)
    await store.put(key, key.encode())
    assert await store.get(key) == key.encode()
    assert await store.keys() == [key]


async def test_a_value_with_a_time_to_live_is_absent_after_it(store: KeyValueStore, clock: FakeClock) -> None:
    await store.put(KEY, b"one", ttl=300)
    clock.advance(299.999)
    assert await store.get(KEY) == b"one"
    assert await store.keys() == [KEY]
    clock.advance(0.001)
    assert await store.get(KEY) is None
    assert await store.keys() == []
    assert await store.compare_and_set(KEY, b"one", b"two") is False
    assert await store.delete(KEY) is False


async def test_what_expired_is_absent_for_put_if_absent(store: KeyValueStore, clock: FakeClock) -> None:
    assert await store.put_if_absent(KEY, b"one", ttl=10) is True
    clock.advance(9)
    assert await store.put_if_absent(KEY, b"two", ttl=10) is False
    clock.advance(1)
    assert await store.put_if_absent(KEY, b"three", ttl=10) is True
    assert await store.get(KEY) == b"three"
    clock.advance(10)
    assert await store.compare_and_set(KEY, None, b"four") is True
    assert await store.get(KEY) == b"four"


async def test_a_write_replaces_the_time_to_live_too(store: KeyValueStore, clock: FakeClock) -> None:
    await store.put(KEY, b"one", ttl=10)
    await store.put(KEY, b"one", ttl=30)
    clock.advance(20)
    assert await store.get(KEY) == b"one"
    assert await store.compare_and_set(KEY, b"one", b"two", ttl=30) is True
    clock.advance(20)
    assert await store.get(KEY) == b"two"
    await store.put(KEY, b"two")
    clock.advance(1_000_000)
    assert await store.get(KEY) == b"two"
    await store.put(KEY, b"three", ttl=5)
    clock.advance(5)
    assert await store.get(KEY) is None


@pytest.mark.parametrize("ttl", [0, -1, -1e300])
async def test_a_time_to_live_that_is_over_leaves_nothing(store: KeyValueStore, ttl: float) -> None:
    await store.put(KEY, b"one")
    await store.put(KEY, b"two", ttl=ttl)
    assert await store.get(KEY) is None
    assert await store.keys() == []


async def test_a_time_to_live_may_be_longer_than_any_machine(store: KeyValueStore, clock: FakeClock) -> None:
    await store.put(KEY, b"one", ttl=1e300)
    clock.advance(1e9)
    assert await store.get(KEY) == b"one"


@pytest.mark.parametrize("ttl", [float("nan"), float("inf")])
async def test_a_time_to_live_is_a_number(store: KeyValueStore, ttl: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        await store.put(KEY, b"one", ttl=ttl)
    assert await store.get(KEY) is None


async def test_what_is_written_is_there_after_opening_again(
    backend: StorageBackend, open_again: Open, clock: FakeClock
) -> None:
    await backend.namespace("n").put(KEY, b"one")
    await backend.namespace("n").put("mortal", b"two", ttl=10)
    second = open_again()
    assert await second.namespace("n").get(KEY) == b"one"
    clock.advance(9)
    assert await second.namespace("n").get("mortal") == b"two"
    clock.advance(1)
    assert await second.namespace("n").get("mortal") is None
    await second.namespace("n").put(KEY, b"three")
    assert await backend.namespace("n").get(KEY) == b"three"
    await second.close()


async def test_of_many_tasks_one_puts_if_absent(store: KeyValueStore) -> None:
    won = await asyncio.gather(*(store.put_if_absent(KEY, str(n).encode(), ttl=60) for n in range(50)))
    assert won.count(True) == 1
    assert await store.get(KEY) == str(won.index(True)).encode()


async def test_compare_and_set_loses_no_step_of_a_counter(store: KeyValueStore) -> None:
    async def count() -> None:
        for _ in range(10):
            while True:
                value = await store.get(KEY)
                if await store.compare_and_set(KEY, value, str(int(value or b"0") + 1).encode()):
                    break

    await asyncio.gather(*(count() for _ in range(5)))
    assert await store.get(KEY) == b"50"


async def test_close_may_be_called_twice_and_ends_all_use(store: KeyValueStore, backend: StorageBackend) -> None:
    await store.put(KEY, b"one")
    await backend.close()
    await backend.close()
    for use in (store.get(KEY), store.put(KEY, b"two"), store.delete(KEY), store.keys()):
        with pytest.raises(StorageError) as caught:
            await use
        assert caught.value.code == "STORAGE-CLOSED"
