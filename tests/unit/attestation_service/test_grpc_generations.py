"""Which form a request has: field 1 says so, and any bytes are read."""

from __future__ import annotations

import pytest
from attestation_protocol.stubs.attestation_pb2 import AttestationRequest, IndividualAttestationRequest
from attestation_protocol.stubs.older_attestation_pb2 import OlderAttestationRequest
from attestation_protocol.tee import Tee
from attestation_service.grpc_generations import Generation, generation_of
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.recordings import rpc_recording

TEXT = st.text(max_size=20)


@given(
    st.lists(
        st.builds(
            IndividualAttestationRequest,
            tee=TEXT,
            evidence=TEXT,
            runtime_data_hash_algorithm=TEXT,
            structured_runtime_data=TEXT,
            init_data_toml=TEXT,
        ),
        max_size=3,
    ),
    st.lists(TEXT, max_size=2),
)
def test_every_composite_request_is_known(requests: list[IndividualAttestationRequest], policy_ids: list[str]) -> None:
    request = AttestationRequest(verification_requests=requests, policy_ids=policy_ids)
    assert generation_of(request.SerializeToString()) is Generation.COMPOSITE


@given(st.sampled_from([*Tee, "azsnpvtpm", "aztdxvtpm", "sev"]), TEXT, st.lists(TEXT, max_size=2))
def test_every_older_request_is_known(tee: str, evidence: str, policy_ids: list[str]) -> None:
    request = OlderAttestationRequest(tee=tee, evidence=evidence, policy_ids=policy_ids, raw_init_data="x")
    assert generation_of(request.SerializeToString()) is Generation.OLDER


@pytest.mark.parametrize("call", [call for call in rpc_recording("as/as-grpc") if "Evaluate" in call.method])
def test_recorded_requests_are_composite(call: object) -> None:
    assert generation_of(call.request) is Generation.COMPOSITE  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "generation"),
    [
        (b"", Generation.COMPOSITE),
        (b"\x08\x05", Generation.NUMBERED),
        (b"\x0a\x00", Generation.COMPOSITE),
        (b"\x0a\x00\x0a\x03snp", Generation.OLDER),
        (b"\x12\x02ab\x0a\x03snp", Generation.OLDER),  # field 1 need not be the first
        (b"\x12\x02ab", Generation.COMPOSITE),
        (b"\x18\x01\x0a\x03snp", Generation.OLDER),
        (b"\x19" + bytes(8) + b"\x0a\x03snp", Generation.OLDER),
        (b"\x1d" + bytes(4) + b"\x0a\x03snp", Generation.OLDER),
        (b"\x0a\x03SNP", Generation.COMPOSITE),  # no TEE has such a name: its parser says what is wrong
        (b"\x0b\x0a\x03snp", Generation.COMPOSITE),  # a group, which no request has
        (b"\x0a\xff\xff\xff\xff\x7fsnp", Generation.OLDER),
        (b"\x0a\xff", Generation.COMPOSITE),
        (b"\xff" * 20, Generation.COMPOSITE),
        (b"\x12\xff\xff\xff\xff\x7f", Generation.COMPOSITE),
    ],
)
def test_tags_and_lengths_are_read_as_they_come(message: bytes, generation: Generation) -> None:
    assert generation_of(message) is generation


@given(st.binary(max_size=200))
def test_any_bytes_are_read(message: bytes) -> None:
    assert generation_of(message) in Generation
