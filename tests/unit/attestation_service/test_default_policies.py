"""The appraisal policies that are installed by default: what each claim and reference value does to the vector."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestation_service.appraisal import EXTENSIONS_RULE, RULES, TRUST_CLAIMS_RULE, trust_vector
from attestation_service.attestation_policies import DEFAULT_POLICIES, default_policy
from trustee_core.policy.regorus import RegorusEngine

from tests.conformance.recordings import http_recordings
from tests.unit.trustee_core.policy.evaluation import decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NOTHING: Final = {"executables": 33, "hardware": 97, "configuration": 36}
OTHERS: Final = ("instance-identity", "file-system", "runtime-opaque", "storage-opaque", "sourced-data")
POISON: Final[tuple[Any, ...]] = (None, "", [], {}, True, False, 0, 3, "3", [None], [""], [[]], [{}])

Case = tuple[dict[str, Any], dict[str, Any]]
"""Input, and the reference values that it needs."""


def tcb(**claims: Any) -> dict[str, Any]:
    return {f"reported_tcb_{name}": value for name, value in claims.items()}


def snp() -> Case:
    claims = {
        "measurement": "aa",
        **tcb(bootloader=10, microcode=25, snp=23, tee=0),
        "policy_debug_allowed": False,
        "policy_migrate_ma": False,
        "platform_smt_enabled": True,
        "platform_tsme_enabled": False,
        "policy_abi_major": 0,
        "policy_abi_minor": 0,
        "policy_single_socket": False,
        "policy_smt_allowed": True,
    }
    values = {
        "snp_launch_measurement": ["bb", "aa"],
        "snp_bootloader": [10],
        "snp_microcode": [25],
        "snp_snp_svn": [23],
        "snp_tee_svn": [0],
        "snp_smt_enabled": True,
        "snp_tsme_enabled": False,
        "snp_guest_abi_major": 0,
        "snp_guest_abi_minor": 0,
        "snp_single_socket": False,
        "snp_smt_allowed": True,
    }
    return {"snp": claims}, values


def sample() -> Case:
    claims = {"svn": "1", "launch_digest": "abcde", "platform_version": {"major": 1, "minor": 4}, "debug": False}
    values = {"launch_digest": ["abcde"], "svn": ["1"], "major_version": 1, "minimum_minor_version": 4}
    return {"sample": claims}, values


def td() -> dict[str, Any]:
    return {
        "quote": {
            "header": {"tee_type": "81000000", "vendor_id": "939a7233f79c4ca9940a0db3957f0607"},
            "body": {"mr_td": "11", "xfam": "e7"},
        },
        "tcb_status": "UpToDate",
    }


def tdx() -> Case:
    kernel = {
        "type_name": "EV_EFI_BOOT_SERVICES_APPLICATION",
        "details": {"device_paths": ["Pci(0,1)", "File(kernel)"]},
        "digests": [{"alg": "SHA-384", "digest": "kk"}],
    }
    parameters = {
        "type_name": "EV_EVENT_TAG",
        "details": {"string": "LOADED_IMAGE::LoadOptions"},
        "digests": [{"alg": "SHA-384", "digest": "pp"}],
    }
    claims = td() | {
        "collateral_expiration_status": "0",
        "td_attributes": {"debug": False},
        "uefi_event_logs": [{"type_name": "EV_SEPARATOR", "details": {}, "digests": []}, kernel, parameters],
    }
    claims["quote"]["body"] |= {"rtmr_1": "21", "rtmr_2": "22"}
    values = {"rtmr_1": ["21"], "rtmr_2": ["22"], "mr_td": ["11"], "xfam": ["e7"]}
    return {"tdx": claims}, values | {"tdvfkernel": "kk", "tdvfkernelparams": "pp"}


def az_snp() -> Case:
    claims = {
        "measurement": "bWVhcw==",
        "tpm": {"pcr11": "1111"},
        **tcb(bootloader="3", microcode="115", snp="8", tee="0"),
        "platform_smt_enabled": "true",
        "platform_tsme_enabled": "true",
        "policy_abi_major": "0",
        "policy_abi_minor": "31",
        "policy_single_socket": "false",
        "policy_smt_allowed": "true",
    }
    values = {
        "measurement": ["bWVhcw=="],
        "snp_pcr11": ["1111"],
        "tcb_bootloader": ["3"],
        "tcb_microcode": ["115"],
        "tcb_snp": ["8"],
        "tcb_tee": ["0"],
        "smt_enabled": ["true"],
        "tsme_enabled": ["true"],
        "abi_major": ["0"],
        "abi_minor": ["31"],
        "single_socket": ["false"],
        "smt_allowed": ["true"],
    }
    return {"az-snp-vtpm": claims}, values


def az_tdx() -> Case:
    claims = td() | {"tpm": {"pcr11": "1111"}}
    return {"az-tdx-vtpm": claims}, {"tdx_pcr11": ["1111"], "mr_td": ["11"], "xfam": ["e7"]}


def tpm() -> Case:
    return {"tpm": {"pcr11": "1111", "ak_public": "YWs="}}, {"tpm_pcr11": ["1111"], "trusted_aks": ["YWs="]}


def chain(status: str = "valid", ocsp: str = "good") -> dict[str, str]:
    return {"x-nvidia-cert-status": status, "x-nvidia-cert-ocsp-status": ocsp}


def rim(prefix: str) -> dict[str, Any]:
    names = ("fetched", "schema-validated", "signature-verified", "version-match", "measurements-available")
    return {f"{prefix}-{name}": True for name in names}


def device(kind: str) -> dict[str, Any]:
    report = f"x-nvidia-{kind}-attestation-report"
    return {
        f"{report}-cert-chain": chain(),
        f"{report}-cert-chain-fwid-match": True,
        f"{report}-parsed": True,
        f"{report}-signature-verified": True,
        f"x-nvidia-{kind}-arch-check": True,
        "secboot": True,
        "dbgstat": "disabled",
        "measres": "success",
    }


def gpu() -> Case:
    claims = device("gpu") | rim("x-nvidia-gpu-driver-rim") | rim("x-nvidia-gpu-vbios-rim")
    claims |= {"x-nvidia-gpu-vbios-rim-cert-chain": chain(), "x-nvidia-gpu-driver-rim-cert-chain": chain()}
    claims |= {"x-nvidia-gpu-vbios-version": "96.00", "x-nvidia-gpu-driver-version": "550.90"}
    return {"nvidia": claims}, {"allowed_vbios_versions": ["96.00"], "allowed_driver_versions": ["550.90"]}


def switch() -> Case:
    claims = device("switch") | rim("x-nvidia-switch-bios-rim")
    claims |= {"x-nvidia-switch-bios-rim-cert-chain": chain(), "x-nvidia-switch-bios-version": "96.10"}
    return {"nvidia": claims}, {"allowed_switch_bios_versions": ["96.10"]}


CASES: Final = {
    "sample": ("default_cpu", sample, (3, 2, 2)),
    "snp": ("default_cpu", snp, (3, 2, 2)),
    "tdx": ("default_cpu", tdx, (3, 2, 2)),
    "az-snp-vtpm": ("default_cpu", az_snp, (3, 2, 2)),
    "az-tdx-vtpm": ("default_cpu", az_tdx, (3, 2, 2)),
    "tpm": ("default_cpu", tpm, (3, 2, 0)),
    "gpu": ("default_gpu", gpu, (3, 2, 2)),
    "switch": ("default_switch", switch, (3, 2, 2)),
}


@functools.cache
def text(policy: str) -> str:
    return default_policy(policy)


def vector(policy: str, claims: Any, values: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Executables, hardware and configuration; the other claims are 0."""
    given: dict[str, int] = decide(text(policy), TRUST_CLAIMS_RULE, claims=claims, values=values)
    assert {name: given.pop(name) for name in OTHERS} == dict.fromkeys(OTHERS, 0)
    return given


def status(policy: str, claims: Any, values: Mapping[str, Any] | None = None) -> str:
    return str(trust_vector(decide(text(policy), TRUST_CLAIMS_RULE, claims=claims, values=values)).status)


def good(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    policy, make, _ = CASES[name]
    claims, values = make()
    return policy, claims, values


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the scalars of a document are."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
        return
    for key, inner in items:
        yield from leaves(inner, (*path, key))


def at(document: Any, path: Iterable[str | int]) -> Any:
    for key in path:
        document = document[key]
    return document


def changed(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value in one place; `...` takes the place away."""
    copied = copy.deepcopy(document)
    *parents, last = path
    place = at(copied, parents)
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copied


CLAIMS: Final = [(name, path) for name, (_, make, _) in CASES.items() for path in leaves(make()[0])]
VALUES: Final = [(name, value) for name, (_, make, _) in CASES.items() for value in make()[1]]


@pytest.mark.parametrize("name", CASES)
def test_good_evidence_is_affirming(name: str) -> None:
    policy, claims, values = good(name)
    executables, hardware, configuration = CASES[name][2]
    assert vector(policy, claims, values) == {
        "executables": executables,
        "hardware": hardware,
        "configuration": configuration,
    }
    assert status(policy, claims, values) == "affirming"


@pytest.mark.parametrize("name", CASES)
def test_a20_without_reference_values_nothing_is_affirming(name: str) -> None:
    policy, claims, _ = good(name)
    got = vector(policy, claims)
    if name in {"gpu", "switch"}:  # their manifests and chains are checked by the vendor's service
        assert got == {"executables": 3, "hardware": 2, "configuration": 3}
    else:
        assert (got["executables"], got["hardware"]) == (33, 97)
        assert status(policy, claims) == "contraindicated"


@pytest.mark.parametrize(("name", "path"), CLAIMS)
def test_a20_no_claim_may_be_missing_or_of_another_kind(name: str, path: tuple[str | int, ...]) -> None:
    policy, claims, values = good(name)
    expected = vector(policy, claims, values)
    irrelevant = {"Pci(0,1)", "SHA-384", "EV_SEPARATOR"}
    value = at(claims, path)
    if value in irrelevant or "driver-rim-cert-chain" in str(path):
        return
    for other in (..., *POISON):
        if other == value and type(other) is type(value):
            continue
        assert vector(policy, changed(claims, path, other), values) != expected, other


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a20_no_reference_value_may_be_missing_or_of_another_kind(name: str, value: str) -> None:
    policy, claims, values = good(name)
    expected = vector(policy, claims, values)
    for other in (..., *POISON):
        if other == values[value] and type(other) is type(values[value]):
            continue
        if value == "minimum_minor_version" and type(other) is int:
            continue  # a floor below the claim
        assert vector(policy, claims, changed(values, (value,), other)) != expected, other


@pytest.mark.parametrize(("name", "value"), VALUES)
@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_a20_nothing_does_not_match_nothing(name: str, value: str, nothing: Any) -> None:
    policy, claims, values = good(name)
    expected = vector(policy, claims, values)
    poisoned = (
        changed(values, (value,), nothing) if not isinstance(values[value], list) else values | {value: [nothing]}
    )
    for path in leaves(claims):
        assert vector(policy, changed(claims, path, nothing), poisoned) != expected


@pytest.mark.parametrize("policy", DEFAULT_POLICIES[:3])
@pytest.mark.parametrize(
    "claims", [{}, None, [], "x", 3, {"sgx": {"a": 1}}, {"csv": {}}, {"cca": {}}, {"sampledevice": {"svn": "2"}}]
)
def test_what_has_no_rules_is_contraindicated(policy: str, claims: Any) -> None:
    assert vector(policy, claims, {"device_svn": ["2"], "svn": ["2"]}) == NOTHING
    assert status(policy, claims) == "contraindicated"


@pytest.mark.parametrize(
    ("minor", "floor", "hardware"),
    [(4, 4, 2), (4, 3, 2), (4, 5, 97), (4, 3.5, 2), ("9", 4, 97), (4, "3", 97), (True, 0, 97), (4, False, 97)],
)
def test_a_floor_is_compared_as_numbers(minor: Any, floor: Any, hardware: int) -> None:
    claims, values = sample()
    claims["sample"]["platform_version"]["minor"] = minor
    assert vector("default_cpu", claims, values | {"minimum_minor_version": floor})["hardware"] == hardware


@pytest.mark.parametrize("claim", ["policy_debug_allowed", "policy_migrate_ma"])
def test_a12_snp_that_allows_debug_or_migration_has_no_configuration(claim: str) -> None:
    claims, values = snp()
    claims["snp"][claim] = True
    assert vector("default_cpu", claims, values)["configuration"] == 36


def test_snp_of_an_unknown_configuration_has_no_known_vulnerabilities() -> None:
    claims, values = snp()
    claims["snp"]["policy_single_socket"] = True
    assert vector("default_cpu", claims, values) == {"executables": 3, "hardware": 2, "configuration": 3}


def test_snp_of_an_older_release_with_strings_for_numbers_matches_nothing() -> None:
    claims, values = snp()
    older = {"snp": {name: str(value).lower() for name, value in claims["snp"].items()}}
    assert vector("default_cpu", older, values) == {"executables": 3, "hardware": 97, "configuration": 36}


@pytest.mark.parametrize("name", ["tdvfkernel", "tdvfkernelparams"])
def test_tdx_with_unknown_boot_events_is_known_by_its_registers(name: str) -> None:
    claims, values = tdx()
    assert vector("default_cpu", claims, values | {name: "other"})["executables"] == 4
    assert vector("default_cpu", claims, values | {name: [values[name]]})["executables"] == 4
    assert status("default_cpu", claims, values | {name: "other"}) == "affirming"


@pytest.mark.parametrize("log", [None, [], {}, "x", [None], [{"digests": None}]])
def test_tdx_without_an_event_log_is_known_by_its_registers(log: Any) -> None:
    claims, values = tdx()
    claims["tdx"]["uefi_event_logs"] = log
    assert vector("default_cpu", claims, values)["executables"] == 4


@pytest.mark.parametrize("tcb_status", ["OutOfDate", "SWHardeningNeeded", "Revoked", "uptodate"])
def test_a17_tdx_whose_firmware_is_not_up_to_date_is_unrecognised(tcb_status: str) -> None:
    for name in ("tdx", "az-tdx-vtpm"):
        policy, claims, values = good(name)
        claims[name]["tcb_status"] = tcb_status
        assert vector(policy, claims, values)["hardware"] == 97


def test_a17_expired_collateral_counts_for_tdx_alone() -> None:
    claims, values = tdx()
    claims["tdx"]["collateral_expiration_status"] = "1"
    assert vector("default_cpu", claims, values)["hardware"] == 97
    claims, values = az_tdx()
    assert "collateral_expiration_status" not in claims["az-tdx-vtpm"]
    assert vector("default_cpu", claims, values)["hardware"] == 2


def test_a16_a_debug_td_has_no_configuration() -> None:
    claims, values = tdx()
    claims["tdx"]["td_attributes"]["debug"] = True
    assert vector("default_cpu", claims, values)["configuration"] == 36


def test_a19_a_tpm_key_that_nobody_listed_is_contraindicated() -> None:
    claims, values = tpm()
    del values["trusted_aks"]
    assert vector("default_cpu", claims, values) == {"executables": 33, "hardware": 97, "configuration": 0}
    assert status("default_cpu", claims, values) == "contraindicated"


def test_a_listed_tpm_key_with_unknown_software_is_a_warning() -> None:
    claims, values = tpm()
    del values["tpm_pcr11"]
    assert vector("default_cpu", claims, values) == {"executables": 33, "hardware": 2, "configuration": 0}
    assert status("default_cpu", claims, values) == "warning"


def test_secure_execution_needs_no_reference_values() -> None:
    assert vector("default_cpu", {"se": {"version": "1"}}) == {"executables": 3, "hardware": 2, "configuration": 2}


@pytest.mark.parametrize(("expired", "ocsp"), [("expired", "good"), ("valid", "revoked"), ("valid", "unknown")])
def test_a_device_s_chain_must_be_valid_and_good(expired: str, ocsp: str) -> None:
    claims, values = gpu()
    claims["nvidia"]["x-nvidia-gpu-attestation-report-cert-chain"] = chain(expired, ocsp)
    assert vector("default_gpu", claims, values)["hardware"] == 97
    claims, values = switch()
    claims["nvidia"]["x-nvidia-switch-bios-rim-cert-chain"] = chain(expired, ocsp)
    assert vector("default_switch", claims, values)["executables"] == 33


@pytest.mark.parametrize("policy", ["default_gpu", "default_switch"])
def test_what_the_local_verifier_says_of_a_device_is_unrecognised(policy: str) -> None:
    claims = {"nvidia": {"arch": "Hopper", "uuid": "x", "measurements": {"1": "00"}, "config": {}}}
    assert vector(policy, claims, {"allowed_vbios_versions": ["96.00"]}) == NOTHING


def test_a_whole_board_is_appraised_by_its_configuration_alone() -> None:
    assert vector("default_ppcie", {"nvidia": {"gpu_count": 8}}) == {
        "executables": 0,
        "hardware": 0,
        "configuration": 2,
    }
    assert status("default_ppcie", {}) == "affirming"


def test_identifiers_are_taken_from_the_agent_policy() -> None:
    name = "io.kubernetes.cri.image-name"
    containers = [
        {"OCI": {"Annotations": {name: "pause"}, "Process": {"User": {"UID": 65535}}}},
        {"OCI": {"Annotations": {"other": "x"}, "Process": {"User": {"UID": 0}}}},
        {"OCI": {"Annotations": {name: "nginx"}}},
        {"OCI": {"Annotations": {name: None}, "Process": {"User": {"UID": "0"}}}},
        None,
    ]
    claims = {"init_data_claims": {"agent_policy_claims": {"containers": containers}}}
    assert decide(text("default_cpu"), EXTENSIONS_RULE, claims=claims) == [
        {
            "name": "ear.trustee.identifiers",
            "key": -18,
            "value": {"validated": {"container_images": ["pause", "nginx"], "container_uids": [65535, 0]}},
        }
    ]


@pytest.mark.parametrize(
    "claims", [{}, {"init_data_claims": None}, {"init_data_claims": {"agent_policy_claims": {"containers": []}}}]
)
def test_without_containers_nothing_is_validated(claims: Any) -> None:
    (entry,) = decide(text("default_cpu"), EXTENSIONS_RULE, claims=claims)
    assert entry["value"] == {"validated": {}}


@pytest.mark.parametrize("name", DEFAULT_POLICIES)
async def test_the_default_policies_pass_their_own_upload(name: str) -> None:
    engine = RegorusEngine()
    await engine.check(text(name), RULES)
    evaluation = await engine.evaluate(text(name), RULES, input_json=b"{}")
    assert (EXTENSIONS_RULE in evaluation.absent) == (name != "default_cpu")
    assert TRUST_CLAIMS_RULE not in evaluation.absent


def recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every submodule of every token in the recordings: class and members."""
    from attestation_protocol.token import UnverifiedToken  # noqa: PLC0415  # used here alone

    for folder in ("kbs", "as", "remote", "passport", "stock"):
        for case in http_recordings(folder):
            for step in case.steps:
                body = step.response.body.decode(errors="replace")
                token = body.removeprefix('{"token":"').removesuffix('"}')
                if step.response.status == 200 and token.count(".") == 2 and token.startswith("eyJ"):
                    for name, submodule in UnverifiedToken.parse(token).claims["submods"].items():
                        yield name.rstrip("0123456789"), submodule


def test_recorded_evidence_is_appraised_as_recorded() -> None:
    """The recordings were made without reference values, but for those that make a sample affirming."""
    _, values = sample()
    seen = 0
    for tee_class, submodule in recorded():
        affirming = submodule["ear.status"] == "affirming"
        claims = submodule["ear.veraison.annotated-evidence"]
        given = decide(
            text(f"default_{tee_class}"), TRUST_CLAIMS_RULE, claims=claims, values=values if affirming else None
        )
        if submodule["ear.appraisal-policy-id"] == "default":
            assert given == submodule["ear.trustworthiness-vector"]
            seen += 1
    assert seen > 20
