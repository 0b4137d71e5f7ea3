"""What an appraisal costs, by its parts, and how many `restful-as` answers. Informative: no ratio is demanded.

U is the time of one P-256 signature check on this machine in the same minute: the Rust service's figures in U stand in
`tests/conformance/wire/README.md`.
"""

from __future__ import annotations

import asyncio
import http.client
from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import b64url_decode, parse_json
from attestation_service.appraisal import policy_input
from attestation_service.binding import binding_of
from attestation_service.rest_requests import parse_attestation
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from evidence_verifiers.registry import verifier_for

from tests.bench.measure import alternate, duration, table
from tests.conformance.recordings import http_recording
from tests.integration.processes import Program, Tcp, free_port
from tests.unit.attestation_service.service_bench import NOW, make_bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.measure import Figures, Ratio

SAMPLE: Final = http_recording("as/as-rest-attestation").steps[0].request.body
SNP: Final = http_recording("as/as-rest-snp").steps[0].request.body


def signature_check() -> Callable[[], object]:
    key = ec.generate_private_key(ec.SECP256R1())
    algorithm = ec.ECDSA(hashes.SHA256())
    signature, public = key.sign(b"x" * 32, algorithm), key.public_key()
    return lambda: public.verify(signature, b"x" * 32, algorithm)


def parts(name: str, body: bytes, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
    """Time each part of an appraisal in this process."""
    bench = loop.run_until_complete(make_bench())
    (request,), _ = parse_attestation(body)
    verifier = verifier_for(request.tee)
    binding, evidence, floors = binding_of(request), verifier.parse(request.evidence), verifier.floors()
    claims = verifier.verify(evidence, {}, binding.expected, floors, NOW).claims
    assert claims is not None
    laid_out = policy_input(request.tee, claims, binding)
    policies, values = bench.policies, bench.reference_values.query_many
    result = loop.run_until_complete(bench.service.appraise([request])).result
    text = parse_json(body)["verification_requests"][0]["evidence"]

    def whole() -> object:
        requests, policy_ids = parse_attestation(body)
        return loop.run_until_complete(bench.service.evaluate(requests, policy_ids))

    calls: list[tuple[str, Callable[[], Any]]] = [
        ("one P-256 signature check (U)", signature_check()),
        ("request: JSON, base64, evidence's JSON", lambda: parse_attestation(body)),
        ("  of which base64 and JSON of the evidence", lambda: parse_json(b64url_decode(text))),
        ("evidence into a typed object", lambda: verifier.parse(request.evidence)),
        ("verification", lambda: verifier.verify(evidence, {}, binding.expected, floors, NOW)),
        ("policy", lambda: loop.run_until_complete(policies.appraise("default", "cpu", laid_out, values))),
        ("signing of the token", lambda: bench.signer.sign(result)),
        ("all of it, in process", whole),
    ]
    measured = alternate(*(call for _, call in calls), seconds=seconds)
    unit = measured[0].median
    rows = [(what, per_unit(figures, unit)) for (what, _), figures in zip(calls, measured, strict=True)]
    table(f"appraisal of {name} evidence, median of each part", rows)


def served(name: str, body: bytes, seconds: float) -> None:
    """Time `restful-as` over one connection, beside a signature check."""
    port = free_port()
    with Program("restful-as", "-s", f"127.0.0.1:{port}", ready=Tcp(port), env={"RUST_LOG": "error"}):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

        def ask() -> None:
            connection.request("POST", "/attestation", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status}")

        unit, figures = alternate(signature_check(), ask, seconds=seconds)
        connection.close()
    rows = [("one connection", figures.text), ("median", per_unit(figures, unit.median))]
    table(f"restful-as, {name} evidence", rows)


def per_unit(figures: Figures, unit: float) -> str:
    return f"{duration(figures.median):>8}   {figures.median / unit:5.1f} U"


def main(seconds: float) -> list[Ratio]:
    loop = asyncio.new_event_loop()
    try:
        for name, body in (("sample", SAMPLE), ("SNP", SNP)):
            parts(name, body, seconds, loop)
    finally:
        loop.close()
    for name, body in (("sample", SAMPLE), ("SNP", SNP)):
        served(name, body, seconds)
    return []
