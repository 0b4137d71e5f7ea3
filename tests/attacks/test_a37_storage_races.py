"""A37: races for a session's record, and verdicts that change after they were given."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.trustee_core.storage.conftest import KINDS, FakeClock, opener

if TYPE_CHECKING:
    from tests.unit.trustee_core.storage.conftest import Open

PROJECT = Path(__file__).parents[2]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def open_again(kind: str, tmp_path: Path, clock: FakeClock) -> Open:
    return opener(kind, tmp_path, clock)


async def test_a37_the_first_verdict_stands(open_again: Open) -> None:
    backend = open_again()
    store = backend.namespace("kbs_protocol_session")
    verdicts = [f"verdict {n}".encode() for n in range(40)]
    won = await asyncio.gather(*(store.put_if_absent("nonce", verdict, ttl=300) for verdict in verdicts))
    assert won.count(True) == 1
    assert await store.get("nonce") == verdicts[won.index(True)]
    await backend.close()


async def test_a37_two_replicas_give_one_verdict(open_again: Open) -> None:
    replicas = [open_again() for _ in range(2)]
    stores = [replica.namespace("kbs_protocol_session") for replica in replicas]
    for n in range(20):
        won = await asyncio.gather(*(store.put_if_absent(f"n{n}", str(i).encode()) for i, store in enumerate(stores)))
        assert won.count(True) == 1
        assert [await store.get(f"n{n}") for store in stores] == [str(won.index(True)).encode()] * 2
    for replica in replicas:
        await replica.close()


async def test_a37_a_refusal_does_not_become_an_approval_after_a_restart(open_again: Open, kind: str) -> None:
    backend = open_again()
    assert await backend.namespace("verdicts").put_if_absent("nonce", b"refused", ttl=300) is True
    if kind != "memory":
        await backend.close()
        backend = open_again()
    store = backend.namespace("verdicts")
    assert await store.put_if_absent("nonce", b"approved", ttl=300) is False
    assert await store.compare_and_set("nonce", None, b"approved", ttl=300) is False
    assert await store.get("nonce") == b"refused"
    await backend.close()


async def test_a37_what_was_checked_is_what_is_replaced(open_again: Open) -> None:
    backend = open_again()
    store = backend.namespace("kbs")
    await store.put("resource-policy.rego", b"checked")
    checked = await store.get("resource-policy.rego")
    await store.put("resource-policy.rego", b"changed meanwhile")
    assert await store.compare_and_set("resource-policy.rego", checked, b"ours") is False
    assert await store.get("resource-policy.rego") == b"changed meanwhile"
    await backend.close()


async def test_a37_a_value_that_went_away_and_came_back_is_compared_by_its_bytes(open_again: Open) -> None:
    backend = open_again()
    store = backend.namespace("kbs")
    await store.put("key", b"one")
    await store.delete("key")
    assert await store.compare_and_set("key", b"one", b"two") is False
    await store.put("key", b"one")
    assert await store.compare_and_set("key", b"one", b"two") is True
    await backend.close()


async def test_a37_an_expired_record_cannot_be_carried_on(open_again: Open, clock: FakeClock) -> None:
    backend = open_again()
    store = backend.namespace("kbs_protocol_session")
    await store.put("nonce", b"record", ttl=300)
    clock.advance(300)
    assert await store.compare_and_set("nonce", b"record", b"extended", ttl=300) is False
    assert await store.get("nonce") is None
    await backend.close()


async def test_a37_deleting_and_creating_race_to_one_of_two_ends(open_again: Open) -> None:
    backend = open_again()
    store = backend.namespace("kbs")
    for _ in range(20):
        await store.put("key", b"old")
        deleted, created = await asyncio.gather(store.delete("key"), store.put_if_absent("key", b"new"))
        assert deleted is True
        assert await store.get("key") == (b"new" if created else None)
        await store.delete("key")
    await backend.close()


@pytest.mark.parametrize("kind", ["local_fs", "local_json", "sqlite"])
def test_a37_of_many_processes_one_is_first(kind: str, tmp_path: Path) -> None:
    module = "tests.unit.trustee_core.storage.processes"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, kind, str(tmp_path), "race", str(n)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(8)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate()[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert sorted(answers) == ["lost\n"] * 7 + ["won\n"]
