"""`attestack verify`: findings, claims and statuses, from files alone."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from attestack.main import main
from attestation_protocol.canonical_json import canonical_json
from evidence_verifiers import snp
from tee_lab.snp import SIGNED_BY_VLEK, certificate_table

from tests.conformance.vectors import HERE
from tests.unit.evidence_verifiers.snp_support import NOW, anchors, machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED = HERE / "snp" / "seed" / "evidence.json"
AT = ["--at", "2026-11-25T00:00:00Z"]
Run = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    def call(*arguments: str | Path) -> Run:
        status = main(["verify", *(str(argument) for argument in arguments)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the lab's AMD, which no option can do."""
    monkeypatch.setattr(snp.verify, "__defaults__", (anchors(),))


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def failed(out: str) -> list[str]:
    return [line.split()[1] for line in out.splitlines() if line.startswith("FAIL")]


def test_real_evidence_is_accepted_and_its_claims_are_printed(run: Callable[..., Run]) -> None:
    status, out, err = run(SEED, *AT)
    assert (status, err) == (0, "")
    assert out.startswith("ok    SNP-SIGNER           there is a certificate of the key that signed the report\n")
    assert out.count("\nok ") == 16
    assert "\n  reported_tcb_microcode     115\n" in out
    assert "\n  policy_debug_allowed       false\n" in out
    assert "\nnot compared, since none was given: report data, init-data\n" in out
    assert out.endswith("\nsnp: accepted\n")


def test_a_flipped_bit_is_refused_and_named(run: Callable[..., Run], tmp_path: Path) -> None:
    document = json.loads(SEED.read_bytes())
    document["attestation_report"]["measurement"][0] ^= 1
    status, out, _ = run(write(tmp_path / "e.json", document), *AT)
    assert status == 1
    assert failed(out) == ["SNP-SIGNATURE"]
    assert "claims" not in out
    assert out.endswith("\nsnp: refused: SNP-SIGNATURE\n")


def test_what_was_wanted_and_got_is_printed(run: Callable[..., Run]) -> None:
    status, out, _ = run(SEED, *AT, "--report-data", "ab", "--init-data-digest", "cd")
    assert status == 1
    assert failed(out) == ["SNP-REPORT-DATA", "SNP-HOST-DATA"]
    assert f"{'':<26} wanted cd{'00' * 31}\n{'':<26} got    {'00' * 32}\n" in out
    assert "not compared" not in out


def test_json_output(run: Callable[..., Run]) -> None:
    status, out, _ = run(SEED, "--json", "--at", "2031-01-01T00:00:00+00:00")
    document = json.loads(out)
    assert status == 1
    assert (document["tee"], document["at"], document["accepted"]) == ("snp", "2031-01-01T00:00:00+00:00", False)
    assert document["claims"] is None
    assert [finding["code"] for finding in document["findings"] if not finding["passed"]] == ["SNP-DATES"]
    assert document["findings"][11] == {
        "code": "SNP-DATES",
        "what": "each certificate is valid now",
        "specification": "RFC 5280 section 4.1.2.5",
        "passed": False,
        "wanted": "SEV-VCEK: 2023-01-24 17:58:26+00:00 to 2030-01-24 17:58:26+00:00",
        "got": "2031-01-01 00:00:00+00:00",
    }


def test_json_output_has_the_claims_of_accepted_evidence(run: Callable[..., Run]) -> None:
    status, out, _ = run(SEED, "--json", *AT)
    document = json.loads(out)
    assert (status, document["accepted"], document["claims"]["reported_tcb_snp"]) == (0, True, 8)


def test_evidence_comes_from_standard_input(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(SEED.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run("-", *AT)[0] == 0


@pytest.mark.usefixtures("lab")
def test_runtime_data_and_init_data_are_hashed_as_guests_do(run: Callable[..., Run], tmp_path: Path) -> None:
    runtime_data = {"tee-pubkey": {"kty": "EC"}, "nonce": "é"}
    init_data = b'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n'
    for name in ("sha256", "sha384", "sha512"):
        digest = hashlib.new(name, canonical_json(runtime_data)).digest()
        evidence = machine().evidence(report_data=digest, host_data=hashlib.sha256(init_data).digest())
        status, out, _ = run(
            write(tmp_path / "e.json", evidence),
            "--runtime-data", write(tmp_path / "r.json", runtime_data), "--hash", name,
            "--init-data", write(tmp_path / "i.toml", init_data),
            "--at", NOW.isoformat(),
        )  # fmt: skip
        assert (status, failed(out)) == (0, [])
    assert failed(run(tmp_path / "e.json", "--runtime-data", tmp_path / "r.json", "--at", NOW.isoformat())[1]) == [
        "SNP-REPORT-DATA"
    ]


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("binary", [True, False])
def test_a_vcek_can_be_given(run: Callable[..., Run], tmp_path: Path, *, binary: bool) -> None:
    given = write(tmp_path / "e", machine().report() if binary else machine().evidence(certificates=None))
    pem = b"-----BEGIN CERTIFICATE-----\n" + b64encode(machine().vcek()) + b"\n-----END CERTIFICATE-----\n"
    at = ["--at", NOW.isoformat()]
    assert failed(run(given, *at)[1]) == ["SNP-SIGNER"]
    assert run(given, "--vcek", write(tmp_path / "v.der", machine().vcek()), *at)[0] == 0
    assert run(given, "--vcek", write(tmp_path / "v.pem", pem), *at)[0] == 0
    assert failed(run(given, "--vlek", write(tmp_path / "w.der", machine().vlek()), *at)[1]) == ["SNP-SIGNER"]


@pytest.mark.usefixtures("lab")
def test_a_vlek_can_be_given(run: Callable[..., Run], tmp_path: Path) -> None:
    report = write(tmp_path / "r.bin", machine().report(key_info=SIGNED_BY_VLEK))
    assert run(report, "--vlek", write(tmp_path / "w.der", machine().vlek()), "--at", NOW.isoformat())[0] == 0


@pytest.mark.usefixtures("lab")
def test_a_report_with_its_certificate_table_needs_no_more(run: Callable[..., Run], tmp_path: Path) -> None:
    binary = machine().report() + certificate_table([("VCEK", machine().vcek())])
    assert run(write(tmp_path / "ext.bin", binary), "--at", NOW.isoformat())[0] == 0


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("name", ["bl04_tee01_snp22_ucode213_fmc02_vcek.der", "vcek.der"])
def test_an_offline_store_has_the_vcek(run: Callable[..., Run], tmp_path: Path, name: str) -> None:
    evidence = write(tmp_path / "e.json", machine("Turin").evidence(certificates=None))
    folder = tmp_path / "store" / "vcek" / machine("Turin").chip_id.hex()
    at = ["--offline-store", tmp_path / "store", "--at", NOW.isoformat()]
    assert failed(run(evidence, *at)[1]) == ["SNP-SIGNER"]
    folder.mkdir(parents=True)
    write(folder / name, machine("Turin").vcek())
    assert run(evidence, *at)[0] == 0


@pytest.mark.usefixtures("lab")
def test_floors_are_lowered_by_name(run: Callable[..., Run], tmp_path: Path) -> None:
    evidence = machine().evidence(vmpl=2, policy=0b1110 << 16, chip_id=bytes(64))
    given = [write(tmp_path / "e.json", evidence), "--at", NOW.isoformat()]
    assert failed(run(*given)[1]) == ["SNP-CHIP-ID", "SNP-VMPL", "SNP-DEBUG", "SNP-MIGRATION"]
    allowed = ["--max-vmpl", "2", "--allow-debug", "--allow-migration", "--allow-masked-chip-id"]
    assert run(*given, *allowed)[0] == 0


def test_sample_evidence_is_known_by_its_shape(run: Callable[..., Run], tmp_path: Path) -> None:
    sample = write(tmp_path / "s.json", {"svn": "1", "report_data": "q80="})
    status, out, _ = run(sample, "--report-data", "abcd")
    assert status == 0
    assert '\n  platform_version           {"major": 1, "minor": 4}\n' in out
    assert out.endswith("\nsample: accepted\n")
    assert run(sample, "--report-data", "abce")[1].endswith("\nsample: refused: SAMPLE-REPORT-DATA\n")
    assert run(sample, "--tee", "sampledevice")[1].endswith("\nsampledevice: accepted\n")


USAGE: list[tuple[list[str], str]] = [
    (["no/such/file"], "cannot read no/such/file: No such file or directory [USAGE]"),
    (["."], "cannot read .: Is a directory [USAGE]"),
    ([str(SEED), "--at", "yesterday"], "(write it as 2026-01-31T12:00:00Z) [USAGE]"),
    ([str(SEED), "--at", "2026-01-31T12:00:00"], "(write it as 2026-01-31T12:00:00Z) [USAGE]"),
    ([str(SEED), "--report-data", "xyz"], "--report-data is not hexadecimal [USAGE]"),
    ([str(SEED), "--init-data-digest", "0"], "--init-data-digest is not hexadecimal [USAGE]"),
    ([str(SEED), "--vcek", str(SEED)], "--vcek is for SNP evidence without certificates, and this is not [USAGE]"),
    ([str(SEED), "--vlek", str(SEED)], "--vlek is for SNP evidence without certificates, and this is not [USAGE]"),
]


@pytest.mark.parametrize(("arguments", "text"), USAGE)
def test_a_command_line_that_cannot_be_taken_is_one_line(
    run: Callable[..., Run], arguments: list[str], text: str
) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("attestack: ")
    assert err.endswith(f"{text}\n")
    assert err.count("\n") == 1


BAD: list[tuple[Any, list[str], int, str]] = [
    (b"", [], 1, "SNP-SIZE"),
    (bytes(1183), [], 1, "SNP-SIZE"),
    (bytes(1184), [], 1, "SNP-VERSION"),
    (b"{", [], 1, "JSON"),
    (b'{"attestation_report": 1, "attestation_report": 2}', [], 1, "JSON-DUPLICATE"),
    ({"attestation_report": {}}, [], 1, "SNP-FIELD"),
    ({"svn": 1}, [], 1, "SAMPLE-FIELD"),
    ({"svn": "1"}, ["--tee", "snp"], 1, "SNP-FIELD"),
    ({"svn": "1"}, ["--tee", "tee"], 1, "TEE-UNKNOWN"),
    ({"svn": "1"}, ["--tee", "hygondcu"], 1, "VERIFIER-NONE"),
    ({"svn": "1"}, ["--max-vmpl", "1"], 2, "USAGE"),
    ({"svn": "1"}, ["--max-vmpl", "1", "--allow-debug"], 2, "USAGE"),
    ({"quote": ""}, [], 2, "USAGE"),
    (b"report", ["--tee", "sample"], 2, "USAGE"),
    (bytes(5 * 1024 * 1024), [], 2, "USAGE"),
]


@pytest.mark.parametrize(("content", "options", "status", "code"), BAD)
def test_a24_bad_input_is_one_line_with_a_code(
    run: Callable[..., Run], tmp_path: Path, content: Any, options: list[str], status: int, code: str
) -> None:
    got, out, err = run(write(tmp_path / "e", content), *options)
    assert (got, out) == (status, "")
    assert err.endswith(f" [{code}]\n")
    assert err.count("\n") == 1


def test_a_floor_out_of_range_names_its_key(run: Callable[..., Run]) -> None:
    assert run(SEED, "--max-vmpl", "4") == (
        1,
        "",
        "attestack: snp_verifier.max_vmpl is 4, and must be 0 to 3 [CONFIG]\n",
    )


@pytest.mark.parametrize(
    ("option", "content", "code"),
    [
        ("--runtime-data", b"[]", "USAGE"),
        ("--runtime-data", b"{", "JSON"),
        ("--init-data", b"version = 1", "INIT-DATA"),
        ("--vcek", b"-----BEGIN CERTIFICATE-----\nno\n", "USAGE"),
        ("--vcek", b"-----BEGIN CERTIFICATE-----\n\xff", "USAGE"),
    ],
)
def test_a24_bad_files_beside_the_evidence_are_one_line(
    run: Callable[..., Run], tmp_path: Path, option: str, content: bytes, code: str
) -> None:
    evidence = write(tmp_path / "e.json", machine().evidence(certificates=None))
    status, out, err = run(evidence, option, write(tmp_path / "x", content))
    assert (status != 0, out) == (True, "")
    assert err.endswith(f" [{code}]\n")


def test_an_unknown_hash_is_refused(run: Callable[..., Run], tmp_path: Path) -> None:
    assert run(SEED, "--runtime-data", write(tmp_path / "r.json", {}), "--hash", "md5")[2].endswith(
        "[HASH-ALGORITHM]\n"
    )


def test_now_is_the_clocks_when_no_moment_is_given(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attestack.verbs.verify.system_clock", lambda: NOW)
    assert json.loads(run(SEED, "--json")[1])["at"] == NOW.isoformat()
