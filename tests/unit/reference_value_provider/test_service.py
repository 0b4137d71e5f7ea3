"""Registering and asking."""

from __future__ import annotations

import base64
import json
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_value_provider.errors import (
    PayloadError,
    RecordError,
    ReferenceValueError,
    SampleRefusedError,
    UnknownExtractorError,
)
from reference_value_provider.extractors.contract import Extractor
from reference_value_provider.service import MISSING, ReferenceValueProvider
from trustee_core.storage.contract import KeyRefusedError, StorageError, StorageTimeoutError
from trustee_core.storage.local_fs import LocalFsBackend
from trustee_core.storage.memory import MemoryBackend, MemoryStore
from trustee_core.storage.sqlite import SqliteBackend

from tests.unit.reference_value_provider.conftest import WIRE, FakeClock, message, recorded

if TYPE_CHECKING:
    from pathlib import Path


async def test_values_are_registered_and_found(provider: ReferenceValueProvider) -> None:
    names = await provider.register(message({"svn": ["1"], "launch": "abc", "nothing": None}))
    assert names == ["svn", "launch", "nothing"]
    assert await provider.query("svn") == ["1"]
    assert await provider.query("launch") == "abc"
    assert await provider.query("nothing") is None
    assert await provider.query("none") is MISSING
    assert await provider.query("") is MISSING


async def test_many_are_asked_for_at_once(provider: ReferenceValueProvider) -> None:
    await provider.register(message({"a": 1, "b": None, "c": [3]}))
    assert await provider.query_many(["c", "none", "a", "b", "a"]) == {"c": [3], "a": 1, "b": None}
    assert await provider.query_many([]) == {}


async def test_registering_again_replaces_by_name(provider: ReferenceValueProvider) -> None:
    await provider.register(message({"a": 1, "b": 2}))
    assert await provider.query_many(["a", "b"]) == {"a": 1, "b": 2}
    await provider.register(message({"b": [3]}).encode())
    assert await provider.query_many(["a", "b"]) == {"a": 1, "b": [3]}


async def test_an_empty_payload_registers_nothing(provider: ReferenceValueProvider) -> None:
    assert await provider.register(message({})) == []


async def test_recommended_ids_are_taken(provider: ReferenceValueProvider) -> None:
    name = "rvps:///github.com/confidential-containers/kernel:6.1"
    assert await provider.register(message({name: ["abc"]})) == [name]
    assert await provider.query(name) == ["abc"]


async def test_an_expired_value_is_missing(provider: ReferenceValueProvider, clock: FakeClock) -> None:
    await provider.register(message({"svn": 1}))
    clock.now = clock.now.replace(year=2027, microsecond=0)
    assert await provider.query("svn") == 1
    clock.now += timedelta(microseconds=1)
    assert await provider.query("svn") is MISSING
    assert await provider.query_many(["svn"]) == {}
    await provider.register(message({"svn": 2}))
    assert await provider.query("svn") == 2


async def test_what_another_process_writes_is_seen_at_once(clock: FakeClock) -> None:
    store = MemoryBackend(clock).namespace("reference_value")
    first, second = (ReferenceValueProvider(store, allow_sample=True, clock=clock) for _ in range(2))
    await first.register(message({"svn": 1}))
    assert await second.query("svn") == 1
    await first.register(message({"svn": 2}))
    assert await second.query("svn") == 2
    await store.delete("svn")
    assert await second.query("svn") is MISSING


async def test_a_damaged_record_is_an_error_and_not_a_value(clock: FakeClock) -> None:
    store = MemoryBackend(clock).namespace("reference_value")
    provider = ReferenceValueProvider(store, allow_sample=True, clock=clock)
    await provider.register(message({"svn": 1}))
    assert await provider.query("svn") == 1
    await store.put("svn", b'{"name":"svn"')
    with pytest.raises(RecordError) as caught:
        await provider.query("svn")
    assert caught.value.code == "RVPS-RECORD"
    with pytest.raises(RecordError):
        await provider.query_many(["svn"])


async def test_what_is_remembered_is_bounded(provider: ReferenceValueProvider) -> None:
    await provider.register(message({f"v{n}": n for n in range(1030)} | {"large": "x" * 5000}))
    assert await provider.query_many([f"v{n}" for n in range(1030)]) == {f"v{n}": n for n in range(1030)}
    assert await provider.query("large") == "x" * 5000
    assert len(provider._remembered) == 1030 - 1024
    assert "large" not in provider._remembered


async def refused(provider: ReferenceValueProvider, text: str) -> tuple[type[Exception], str, str]:
    with pytest.raises((ReferenceValueError, StorageError)) as caught:
        await provider.register(text)
    return type(caught.value), caught.value.message, caught.value.code


@pytest.mark.parametrize("kind", ["nosuch", "swid", "corim", "", "Sample", "../sample"])
async def test_an_unknown_type_is_refused_in_upstreams_words(provider: ReferenceValueProvider, kind: str) -> None:
    error = await refused(provider, message({"a": 1}, kind))
    assert error == (UnknownExtractorError, f"Could not find extractor for {kind}", "RVPS-EXTRACTOR")


async def test_the_sample_extractor_can_be_refused(clock: FakeClock) -> None:
    store = MemoryBackend(clock).namespace("reference_value")
    provider = ReferenceValueProvider(store, allow_sample=False, clock=clock)
    assert (await refused(provider, message({"a": 1})))[::2] == (SampleRefusedError, "RVPS-SAMPLE-REFUSED")
    assert await store.keys() == []


async def test_extractors_that_know_their_sender_work_without_the_sample_one(clock: FakeClock) -> None:
    store = MemoryBackend(clock).namespace("reference_value")
    signed = Extractor("signed", lambda payload: {payload: 1})
    provider = ReferenceValueProvider(store, allow_sample=False, clock=clock, extractors={"signed": signed})
    assert await provider.register('{"type":"signed","payload":"name"}') == ["name"]
    assert await provider.query("name") == 1


def nested(depth: int, innermost: Any) -> Any:
    value = innermost
    for level in range(depth):
        value = {"in": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1 << 64, "holds an integer beyond 64 bits"),
        ([{"a": -(1 << 63) - 1}], "holds an integer beyond 64 bits"),
        (nested(33, 1), "is nested deeper than 32"),
        (nested(32, []), "is nested deeper than 32"),
    ],
    ids=["positive", "negative", "deep", "deep and empty"],
)
async def test_a_value_that_others_would_read_otherwise_is_refused(
    provider: ReferenceValueProvider, value: Any, reason: str
) -> None:
    error = await refused(provider, message({"good": 1, "bad": value}))
    assert error == (PayloadError, f"the value bad {reason}", "RVPS-VALUE")
    assert await provider.query("good") is MISSING


async def test_a_number_of_an_extractor_is_finite(clock: FakeClock) -> None:
    store = MemoryBackend(clock).namespace("reference_value")
    odd = Extractor("odd", lambda _payload: {"bad": [float("inf")]})
    provider = ReferenceValueProvider(store, allow_sample=False, clock=clock, extractors={"odd": odd})
    error = await refused(provider, '{"type":"odd","payload":""}')
    assert error == (PayloadError, "the value bad holds a number that is not finite", "RVPS-VALUE")


@pytest.mark.parametrize("value", [-(1 << 63), (1 << 64) - 1, True, 1.5, nested(32, 1), nested(31, [])])
async def test_the_largest_values_are_taken(provider: ReferenceValueProvider, value: Any) -> None:
    await provider.register(message({"v": value}))
    assert await provider.query("v") == value


async def test_too_many_values_are_refused(provider: ReferenceValueProvider) -> None:
    assert len(await provider.register(message({f"v{n}": n for n in range(4096)}))) == 4096
    error = await refused(provider, message({f"w{n}": n for n in range(4097)}))
    assert error == (PayloadError, "the payload has 4097 values", "RVPS-VALUES")
    assert await provider.query("w0") is MISSING


@pytest.mark.parametrize("name", ["", "../x", "a//b", "/etc/passwd", "a\0b", "n" * 513])
async def test_one_bad_name_refuses_the_message(provider: ReferenceValueProvider, name: str) -> None:
    assert (await refused(provider, message({"good": 1, name: 2})))[::2] == (KeyRefusedError, "STORAGE-KEY")
    assert await provider.query("good") is MISSING


async def test_local_fs_refuses_names_that_upstream_refuses_there(tmp_path: Path, clock: FakeClock) -> None:
    backend = LocalFsBackend(tmp_path, clock=clock)
    provider = ReferenceValueProvider(backend.namespace("reference_value"), allow_sample=True, clock=clock)
    error = await refused(provider, message({"good": 1, "with space": 2}))
    assert error == (
        KeyRefusedError,
        "failed to set key `with space`: key contains invalid characters",
        "STORAGE-KEY",
    )
    assert await provider.query("good") is MISSING
    await backend.close()


class FailingStore(MemoryStore):
    """Fails to write one name."""

    async def put(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        if key == "bad":
            raise StorageTimeoutError("no answer")
        await super().put(key, value, ttl=ttl)


async def test_a_store_that_fails_is_an_error(clock: FakeClock) -> None:
    store = FailingStore(MemoryBackend(clock), "reference_value")
    provider = ReferenceValueProvider(store, allow_sample=True, clock=clock)
    assert (await refused(provider, message({"bad": 1, "good": 2})))[::2] == (StorageTimeoutError, "STORAGE-TIMEOUT")


async def test_the_recorded_directory_is_read(tmp_path: Path, clock: FakeClock) -> None:
    shutil.copytree(WIRE / "stores" / "localfs", tmp_path / "fs")
    backend = LocalFsBackend(tmp_path / "fs", clock=clock)
    provider = ReferenceValueProvider(backend.namespace("reference_value"), allow_sample=True, clock=clock)
    values = await provider.query_many(["launch_digest", "major_version", "minimum_minor_version", "svn", "snp"])
    assert values == {"launch_digest": ["abcde"], "major_version": 1, "minimum_minor_version": 4, "svn": ["1"]}
    await backend.close()


async def test_the_recorded_directory_is_written_byte_for_byte(tmp_path: Path, clock: FakeClock) -> None:
    backend = LocalFsBackend(tmp_path, clock=clock)
    provider = ReferenceValueProvider(backend.namespace("reference_value"), allow_sample=True, clock=clock)
    await provider.register(
        message({"svn": ["1"], "launch_digest": ["abcde"], "major_version": 1, "minimum_minor_version": 4})
    )
    await backend.close()
    theirs = {path.name: path.read_bytes() for path in (WIRE / "stores" / "localfs" / "reference_value").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "reference_value").iterdir()} == theirs


async def test_a_large_message_is_one_transaction_or_a_few(tmp_path: Path, clock: FakeClock) -> None:
    backend = SqliteBackend(tmp_path / "s.sqlite", clock=clock)
    provider = ReferenceValueProvider(backend.namespace("reference_value"), allow_sample=True, clock=clock)
    await provider.register(message({f"v{n}": n for n in range(500)}))
    assert await provider.query("v499") == 499
    await backend.close()


def grpc_text(step: dict[str, Any]) -> str:
    """The one text field of a recorded request."""
    data = base64.b64decode(step["request_b64"])
    size = len(data) - 2 if len(data) > 1 else 0
    assert not data or data[:2] == bytes([0x0A, size])
    return data[2:].decode()


async def test_the_recorded_grpc_steps(provider: ReferenceValueProvider) -> None:
    for step in recorded("as/rvps-grpc.json")["steps"]:
        text = grpc_text(step)
        if step["method"] == "RegisterReferenceValue":
            if step["code"] == 0:
                await provider.register(text)
            else:
                _, said, _ = await refused(provider, text)
                assert f"Register reference value: {said}" == step["message"]
        elif step["code"] == 0:
            answer = base64.b64decode(step["response_b64"])[2:]
            value = await provider.query(text)
            assert (b"" if value is MISSING else json.dumps(value).encode()) == answer


async def test_the_recorded_kbs_steps(provider: ReferenceValueProvider) -> None:
    for step in recorded("kbs/reference-values.json")["steps"]:
        request, response = step["request"], step["response"]
        name = request["target"].removeprefix("/kbs/v0/reference-value").removeprefix("/")
        if request["method"] == "POST" and response["status"] == 200:
            await provider.register(request["body"])
        elif request["method"] == "POST":
            assert (await refused(provider, request["body"]))[2] in {"RVPS-MESSAGE", "RVPS-VERSION", "RVPS-EXTRACTOR"}
        elif response["status"] == 200:
            assert await provider.query(name) == json.loads(response["body"])
        else:
            assert await provider.query(name) is MISSING


@given(
    st.text(max_size=100)
    | st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=5), max_size=3).map(message)
)
async def test_any_message_is_registered_or_refused(text: str) -> None:
    clock = FakeClock()
    provider = ReferenceValueProvider(MemoryBackend(clock).namespace("reference_value"), allow_sample=True, clock=clock)
    try:
        names = await provider.register(text)
    except (ReferenceValueError, KeyRefusedError) as error:
        assert error.code  # noqa: PT017  # either outcome is right
    else:
        assert sorted(await provider.query_many(names)) == sorted(names)


def test_there_is_one_missing_and_it_is_not_a_value() -> None:
    assert repr(MISSING) == "MISSING"
    assert not MISSING
