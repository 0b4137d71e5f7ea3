"""Messages to `grpc-as`, of both generations and every method: parsed, or refused with RequestError or Refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestack_common.grpc_edge import Refusal, Status
from attestation_protocol.stubs.attestation_pb2 import AttestationRequest, IndividualAttestationRequest
from attestation_protocol.stubs.older_attestation_pb2 import OlderAttestationRequest
from attestation_service.binding import binding_of
from attestation_service.errors import RequestError
from attestation_service.grpc_generations import Generation, generation_of
from attestation_service.grpc_requests import parse_attestation, parse_challenge, parse_policy

from tests.conformance.recordings import rpc_recording

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEN = 16_384


def target(data: bytes) -> None:
    for parse in (parse_policy, parse_challenge):
        try:
            parse(data)
        except (RequestError, Refusal):
            continue
    generation = generation_of(data)
    try:
        requests, _ = parse_attestation(data)
    except Refusal as refusal:
        assert refusal.status is Status.INTERNAL  # noqa: PT017  # what does not decode, and nothing else
        return
    except RequestError as error:
        assert len(error.layers) == 1  # noqa: PT017  # the whole text of the answer
        return
    assert generation is not Generation.NUMBERED
    assert generation is Generation.COMPOSITE or len(requests) == 1
    for request in requests:
        try:
            binding_of(request)
        except RequestError:
            return


def seeds() -> Iterable[bytes]:
    for name in ("as/as-grpc", "remote/kbs-to-as", "remote/as-to-rvps"):
        for call in rpc_recording(name):
            yield call.request
            if call.method.endswith("AttestationEvaluate"):
                yield from map(older, AttestationRequest.FromString(call.request).verification_requests)
    yield b"\x08\x05"


def older(request: IndividualAttestationRequest) -> bytes:
    """The same in the older form."""
    return OlderAttestationRequest(
        tee=request.tee,
        evidence=request.evidence,
        structured_runtime_data=request.structured_runtime_data,
        structured_init_data='{"a":1}',
        policy_ids=["default"],
    ).SerializeToString()


TARGET = target
SEEDS = seeds
