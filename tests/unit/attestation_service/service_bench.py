"""A service on memory, with the real verifiers, engine and default policies, and reference values that a test sets."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attestation_protocol.tee import Tee
from attestation_service.attestation_policies import AttestationPolicies
from attestation_service.config import TokenBrokerConfig
from attestation_service.contract import EvidenceRequest
from attestation_service.ear_token import TokenSigner
from attestation_service.endorsements import Endorsements
from attestation_service.rest_requests import parse_attestation
from attestation_service.service import BuiltInAttestationService
from attestation_service.verification import Verification
from reference_value_provider.service import MISSING
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.storage.memory import MemoryBackend

from tests.conformance.recordings import http_recording
from tests.conformance.vectors import HERE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attestack_common.errors import AttestackError
    from attestation_service.decisions import DecisionRecord
    from attestation_service.endorsement_sources import Source
    from trustee_core.storage.contract import StorageBackend

NOW = datetime(2026, 11, 22, 10, 43, 50, tzinfo=UTC)


@dataclass
class ReferenceValues:
    """A reference value provider whose values a test sets."""

    values: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    failure: AttestackError | None = None

    async def register(self, message: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.messages.append(message)

    async def query(self, reference_value_id: str) -> Any:
        if self.failure is not None:
            raise self.failure
        return self.values.get(reference_value_id, MISSING)

    async def query_many(self, ids: Sequence[str]) -> Mapping[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {name: self.values[name] for name in ids if name in self.values}


@dataclass
class Bench:
    """A service and what surrounds it."""

    service: BuiltInAttestationService
    reference_values: ReferenceValues
    records: list[DecisionRecord]
    signer: TokenSigner
    storage: StorageBackend
    policies: AttestationPolicies
    now: list[datetime]

    def pass_time(self, **time: float) -> None:
        self.now[0] += timedelta(**time)


async def make_bench(
    *,
    broker: TokenBrokerConfig | None = None,
    sources: Mapping[str, Sequence[Source]] | None = None,
    floors: Mapping[Tee, Any] | None = None,
    now: datetime = NOW,
) -> Bench:
    storage, values = MemoryBackend(), ReferenceValues()
    records: list[DecisionRecord] = []
    policies = await AttestationPolicies.open(storage, RegorusEngine())
    signer, clock = TokenSigner.generate(), [now]
    endorsements, closing = Endorsements(sources or {}), AsyncExitStack()
    closing.push_async_callback(endorsements.close)
    service = BuiltInAttestationService(
        broker=broker or TokenBrokerConfig(),
        signer=signer,
        verification=Verification(endorsements, floors or {}),
        policies=policies,
        reference_values=values,
        clock=lambda: clock[0],
        record=records.append,
        closing=closing,
    )
    return Bench(service, values, records, signer, storage, policies, clock)


def milan() -> dict[str, Any]:
    """The evidence of the published quick start: a real Milan machine, a version 2 report, its VCEK inside."""
    evidence: dict[str, Any] = json.loads((HERE / "snp" / "seed" / "evidence.json").read_text())
    return evidence


def snp(evidence: Any = None, **members: Any) -> EvidenceRequest:
    return EvidenceRequest(Tee.SNP, milan() if evidence is None else evidence, **members)


def sample(report_data: str = "", tee: Tee = Tee.SAMPLE, **members: Any) -> EvidenceRequest:
    return EvidenceRequest(tee, {"svn": "1", "report_data": report_data}, **members)


def genoa() -> tuple[dict[str, Any], bytes]:
    """Real evidence of a Genoa machine without its certificate, and that certificate."""
    (request,), _ = parse_attestation(http_recording("as/as-rest-snp").steps[0].request.body)
    evidence = dict(request.evidence)
    (entry,) = evidence["cert_chain"]
    return {**evidence, "cert_chain": None}, bytes(entry["data"])
