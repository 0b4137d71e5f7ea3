"""A broker with a remote attestation service and a remote RVPS, as it was recorded: kbs -> grpc-as -> rvps.

The recorded requests are sent to our broker, and what it asks of the attestation service, and that of the RVPS, is
tapped. Held against the recordings are the broker's answers, every message that it sends, and which reference values
are asked for. What differs on purpose stands in the rows that are named here.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestation_protocol.encoding import b64url_decode
from attestation_protocol.stubs.attestation_pb2 import AttestationRequest, ChallengeRequest, SetPolicyRequest
from attestation_protocol.stubs.reference_pb2 import ReferenceValueQueryRequest, ReferenceValueRegisterRequest

from tests.conformance import wire_table
from tests.conformance.grpc_tap import Tap, Tapped
from tests.conformance.kbs_replay import Replay
from tests.conformance.recordings import Headers, Request, Response, Step, http_recording, rpc_recording
from tests.conformance.test_kbs_recordings import differences
from tests.integration.kbs_config import ALLOW, policy_document
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CASE: Final = http_recording("remote/kbs-with-remote-as")
TO_AS: Final = rpc_recording("remote/kbs-to-as")
TO_RVPS: Final = rpc_recording("remote/as-to-rvps")
RESOURCE: Final = 2
"""The position of the request for the resource: its JWE opens to a key that was not recorded."""
PROBE: Final = "__healthcheck__"
PROBES_ROW: Final = "seven to eight RVPS calls for one appraisal"

CONFIG: Final = """
insecure_sample_evidence = true
[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
[attestation_token]
insecure_header_jwk = true
[attestation_service]
type = "coco_as_grpc"
as_addr = "http://127.0.0.1:{service}"
pool_size = 200
[admin]
authorization_mode = "InsecureAllowAll"
[storage_backend]
storage_type = "LocalFs"
[storage_backend.backends.local_fs]
dir_path = "{folder}"
[[plugins]]
name = "resource"
storage_backend_type = "kvstorage"
"""
MESSAGES: Final[dict[str, Any]] = {
    "/attestation.AttestationService/AttestationEvaluate": AttestationRequest,
    "/attestation.AttestationService/SetAttestationPolicy": SetPolicyRequest,
    "/attestation.AttestationService/GetAttestationChallenge": ChallengeRequest,
    "/reference.ReferenceValueProviderService/RegisterReferenceValue": ReferenceValueRegisterRequest,
    "/reference.ReferenceValueProviderService/QueryReferenceValue": ReferenceValueQueryRequest,
}


@dataclass(frozen=True)
class Run:
    """What came of the recorded requests."""

    answers: list[Response]
    to_as: list[Tapped]
    to_rvps: list[Tapped]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("remote")
    rvps, service, broker = free_port(), free_port(), free_port()
    store = {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": str(folder / "rvps")}}}
    (folder / "rvps.json").write_text(json.dumps({"storage": store}))
    with (
        Program("rvps", "-c", folder / "rvps.json", "-a", f"127.0.0.1:{rvps}", ready=Tcp(rvps)),
        Tap(rvps) as to_rvps,
    ):
        address = f"127.0.0.1:{to_rvps.port}"  # without a scheme, as the default is
        (folder / "as.json").write_text(json.dumps({"rvps_config": {"type": "GrpcRemote", "address": address}}))
        with (
            Program("grpc-as", "-c", folder / "as.json", "-s", f"127.0.0.1:{service}", ready=Tcp(service)),
            Tap(service) as to_as,
        ):
            config = folder / "kbs.toml"
            config.write_text(CONFIG.format(port=broker, service=to_as.port, folder=folder / "kbs"))
            with Program("kbs", "--config-file", config, ready=Tcp(broker)):
                replay = Replay(broker)
                replay.ask(post("resource-policy", policy_document(ALLOW)))
                replay.ask(post("resource/default/key/1", b"the-secret-bytes"))
                answers = [replay.ask(step) for step in CASE.steps]
                yield Run(answers, to_as.calls, to_rvps.calls)


def post(tail: str, body: bytes) -> Step:
    headers = Headers((("content-type", "application/json"), ("content-length", str(len(body)))))
    return Step(Request("POST", f"/kbs/v0/{tail}", headers, body), Response(200, Headers(()), b""))


def test_the_broker_answers_as_recorded(run: Run) -> None:
    pairs = [(step.response, answer) for step, answer in zip(CASE.steps, run.answers, strict=True)]
    recorded, fresh = pairs.pop(RESOURCE)
    assert ["; ".join(differences(*pair, CASE)) for pair in pairs] == [""] * len(pairs)
    assert (fresh.status, sorted(fresh.headers.names)) == (recorded.status, sorted(recorded.headers.names))
    assert form(fresh) == form(recorded)
    for number, step in enumerate(CASE.steps):
        wire_table.add("remote/kbs-with-remote-as", number, "our server", str(step))


def test_the_broker_asks_what_stock_brokers_ask(run: Run) -> None:
    assert [call.method for call in run.to_as] == [call.method for call in TO_AS]
    assert [call.code for call in run.to_as] == [call.code for call in TO_AS]
    for recorded, sent in zip(TO_AS, run.to_as, strict=True):
        kind = MESSAGES[recorded.method]
        if kind is not AttestationRequest:
            assert kind.FromString(sent.request) == kind.FromString(recorded.request)
            continue
        expected, found = kind.FromString(recorded.request), kind.FromString(sent.request)
        assert stable(found) == stable(expected)
        assert found.policy_ids == ["default"]
    for number, call in enumerate(TO_AS):
        wire_table.add("remote/kbs-to-as", number, "our client", call.method)


def test_evidence_and_runtime_data_are_sent_as_stock_brokers_write_them(run: Run) -> None:
    (each,) = AttestationRequest.FromString(run.to_as[0].request).verification_requests
    evidence = b64url_decode(each.evidence)
    assert evidence == json.dumps(json.loads(evidence), sort_keys=True, separators=(",", ":")).encode()
    assert list(json.loads(evidence)) == ["report_data", "svn"]  # the guest sent them the other way round
    assert list(json.loads(each.structured_runtime_data)) == ["additional-evidence", "nonce", "tee-pubkey"]
    assert list(json.loads(each.structured_runtime_data)["tee-pubkey"]) == ["alg", "crv", "kty", "x", "y"]


def test_the_rvps_is_asked_for_the_same_values_without_the_probes(run: Run, request: pytest.FixtureRequest) -> None:
    assert ids(run.to_rvps)[0] == PROBE  # once, at the start
    assert sorted(set(ids(run.to_rvps)[1:])) == sorted(set(ids(TO_RVPS)) - {PROBE})
    assert PROBE not in ids(run.to_rvps)[1:]
    assert len(ids(run.to_rvps)) < len(ids(TO_RVPS))
    rows = (request.config.rootpath / "docs" / "differences.d" / "grpc.md").read_text()
    assert PROBES_ROW in rows


def test_answers_of_the_rvps_are_those_of_the_recording(run: Run) -> None:
    recorded = {call.request: call.response for call in TO_RVPS if call.response}
    found = {call.request: call.response for call in run.to_rvps if call.response}
    assert found == recorded


def form(response: Response) -> tuple[list[str], list[str]]:
    """The members of a JWE, and those of its protected header."""
    return list(response.json), list(json.loads(b64url_decode(response.json["protected"])))


def ids(calls: Any) -> list[str]:
    """The reference values that were asked for, in order."""
    return [
        ReferenceValueQueryRequest.FromString(call.request).reference_value_id
        for call in calls
        if call.method.endswith("QueryReferenceValue")
    ]


def stable(request: AttestationRequest) -> AttestationRequest:
    """The message with nonce and report data taken out: all else has to be the same octets."""
    for each in request.verification_requests:
        evidence = json.loads(b64url_decode(each.evidence))
        evidence["report_data"] = base64.b64encode(bytes(48)).decode()
        each.evidence = json.dumps(evidence, separators=(",", ":"))
        runtime_data = json.loads(each.structured_runtime_data)
        runtime_data["nonce"] = ""
        each.structured_runtime_data = json.dumps(runtime_data, separators=(",", ":"))
    return request
