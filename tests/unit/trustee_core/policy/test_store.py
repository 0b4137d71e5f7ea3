"""Policies as they are kept."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.policy.contract import PolicyError, PolicyParseError
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.policy.store import (
    MAX_ID,
    PolicyDecodeError,
    PolicyIdError,
    PolicyNotFoundError,
    PolicyStore,
    PolicyStoreError,
    decode_policy,
)
from trustee_core.storage.memory import MemoryBackend

from tests.conformance.recordings import http_recording
from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD

if TYPE_CHECKING:
    from trustee_core.storage.contract import KeyValueStore

TEXT = HEAD + "allow := true\n"
BAD_IDS = ["", ".", "..", "../x", ".x", "a/b", "a\\b", "a b", "a\n", "a\0", "é", "a:b", "%2e", "a" * (MAX_ID + 1)]


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.fixture
def namespace() -> KeyValueStore:
    return MemoryBackend().namespace("kbs")


@pytest.fixture
def policies(namespace: KeyValueStore) -> PolicyStore:
    return PolicyStore(namespace, RegorusEngine())


async def test_an_upload_is_stored_as_text_under_its_id(policies: PolicyStore, namespace: KeyValueStore) -> None:
    assert await policies.set("resource-policy", encoded(TEXT), [ALLOW]) == TEXT
    assert await namespace.get("resource-policy.rego") == TEXT.encode()
    assert await policies.get("resource-policy") == TEXT
    assert await policies.ids() == ["resource-policy"]


async def test_the_recorded_uploads_are_taken(policies: PolicyStore) -> None:
    upload, listing = http_recording("kbs/resource-policy-set").steps
    await policies.set("resource-policy", upload.request.json["policy"], [ALLOW])
    assert await policies.ids() == listing.response.json
    mine = http_recording("kbs/attestation-policy").steps[0].request.json
    assert await policies.set(mine["policy_id"], mine["policy"], ["data.policy.trust_claims"]) == (
        'package policy\nimport rego.v1\ntrust_claims := {"executables": 3}\n'
    )


@pytest.mark.parametrize("step", [1, 4])
def test_what_does_not_decode_reads_as_recorded(step: int) -> None:
    recorded = http_recording("kbs/resource-policy-bad").steps[step]
    with pytest.raises(PolicyDecodeError) as caught:
        decode_policy(recorded.request.json["policy"])
    prefix = "Failed to parse policy: Failed to decode policy: "
    assert prefix + caught.value.engine_text == recorded.response.json["detail"]
    assert caught.value.code == "POLICY-ENCODING"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!!!", "Invalid symbol 33, offset 0."),
        ("ab!c", "Invalid symbol 33, offset 2."),
        ("ab+/", "Invalid symbol 43, offset 2."),
        ("ab=c", "Invalid symbol 61, offset 2."),
        ("YQ==", "Invalid padding"),
        ("YWI=", "Invalid padding"),
        ("A", "Invalid input length: 1"),
        ("YR", "Invalid last symbol 82, offset 1."),
        ("é", "Invalid symbol 195, offset 0."),
        ("\ud800", "Invalid symbol 237, offset 0."),
        ("_w", "invalid utf-8 sequence of 1 bytes from index 0"),
    ],
)
def test_what_does_not_decode_is_named(text: str, says: str) -> None:
    with pytest.raises(PolicyDecodeError) as caught:
        decode_policy(text)
    assert caught.value.engine_text == says


@given(st.text(max_size=60))
def test_any_text_that_was_encoded_is_decoded(text: str) -> None:
    assert decode_policy(encoded(text)) == text


@given(st.text(max_size=60))
def test_a24_any_upload_decodes_or_raises_the_one_error(text: str) -> None:
    try:
        decoded = decode_policy(text)
    except PolicyDecodeError as error:
        assert error.engine_text  # noqa: PT017  # either outcome is right
        return
    assert encoded(decoded) == text


@pytest.mark.parametrize("policy_id", BAD_IDS)
async def test_a30_an_id_leads_nowhere_else(policies: PolicyStore, namespace: KeyValueStore, policy_id: str) -> None:
    with pytest.raises(PolicyIdError) as caught:
        await policies.set(policy_id, encoded(TEXT), [ALLOW])
    assert caught.value.code == "POLICY-ID"
    with pytest.raises(PolicyIdError):
        await policies.get(policy_id)
    with pytest.raises(PolicyIdError):
        await policies.install_default(policy_id, TEXT)
    assert await namespace.keys() == []


@pytest.mark.parametrize("policy_id", ["a", "_", "-", "0", "default_cpu", "A.b-c_9", "a..", "x.rego", "a" * MAX_ID])
async def test_ids_have_letters_digits_and_three_marks(policies: PolicyStore, policy_id: str) -> None:
    await policies.set(policy_id, encoded(TEXT), [ALLOW])
    assert await policies.get(policy_id) == TEXT
    assert await policies.ids() == [policy_id]


async def test_a29_a_refused_upload_replaces_nothing(policies: PolicyStore) -> None:
    await policies.set("p", encoded(TEXT), [ALLOW])
    for bad in ("package policy\nallow = {", HEAD + "allow := no_such_function(1)", HEAD + "allow := 1\nallow := 2"):
        with pytest.raises(PolicyError):
            await policies.set("p", encoded(bad), [ALLOW])
    assert await policies.get("p") == TEXT


async def test_a29_the_rules_that_are_wanted_are_the_ones_evaluated(policies: PolicyStore) -> None:
    text = HEAD + "allow := true\ntrust_claims := no_such_number(1)\nno_such_number(x) := to_number(`a`)"
    await policies.set("p", encoded(text), [ALLOW])
    with pytest.raises(PolicyError):
        await policies.set("p", encoded(text), ["data.policy.trust_claims"])


async def test_a_default_is_installed_where_there_is_none(policies: PolicyStore) -> None:
    assert await policies.install_default("p", TEXT) is True
    await policies.set("p", encoded(TEXT + "# mine"), [ALLOW])
    assert await policies.install_default("p", TEXT) is False
    assert await policies.get("p") == TEXT + "# mine"


async def test_a_missing_policy_is_named(policies: PolicyStore) -> None:
    with pytest.raises(PolicyNotFoundError) as caught:
        await policies.get("default_dcu")
    assert (caught.value.code, caught.value.engine_text) == ("POLICY-MISSING", "Policy `default_dcu.rego` not found")


async def test_a_change_by_another_replica_is_seen_at_once(policies: PolicyStore, namespace: KeyValueStore) -> None:
    await policies.set("p", encoded(TEXT), [ALLOW])
    first = await policies.get("p")
    assert await policies.get("p") is first
    await namespace.put("p.rego", b"package policy\n")
    assert await policies.get("p") == "package policy\n"
    await namespace.delete("p.rego")
    with pytest.raises(PolicyNotFoundError):
        await policies.get("p")


async def test_what_is_stored_and_is_no_text_is_refused(policies: PolicyStore, namespace: KeyValueStore) -> None:
    await namespace.put("p.rego", b"\xff")
    with pytest.raises(PolicyDecodeError):
        await policies.get("p")


async def test_a_foreign_key_fails_the_listing(policies: PolicyStore, namespace: KeyValueStore) -> None:
    await namespace.put("other.txt", b"")
    with pytest.raises(PolicyStoreError) as caught:
        await policies.ids()
    assert caught.value.code == "POLICY-STORE"
    assert "other.txt" in caught.value.message


async def test_a_parse_error_keeps_the_engine_s_text(policies: PolicyStore) -> None:
    with pytest.raises(PolicyParseError) as caught:
        await policies.set("p", encoded("package policy\nallow = {"), [ALLOW])
    assert caught.value.engine_text.endswith("error: expecting expression")
