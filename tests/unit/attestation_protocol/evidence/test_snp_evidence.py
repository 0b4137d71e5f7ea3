"""SNP evidence: the JSON of both generations gives back the signed bytes, and nothing else is taken for them."""

from __future__ import annotations

import copy
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Report
from attestation_protocol.evidence.snp_evidence import (
    MAX_CERTIFICATE_SIZE,
    MAX_CERTIFICATES,
    CertificateType,
    SnpEvidence,
    parse_certificate_table,
    report_bytes,
)
from hypothesis import given
from hypothesis import strategies as st
from tee_lab.snp import GUIDS, Generation, certificate_table, report_json

from tests.unit.evidence_verifiers.snp_support import LINES, VERSIONS, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tee_lab.snp_certificates import Line

GENERATIONS: tuple[Generation, ...] = ("first", "second")
OTHER = "ecae0c0f-9502-43b1-afa2-0ae2e0d565b6"
OPTIONAL = {"cpuid_fam_id", "cpuid_mod_id", "cpuid_step", "launch_mit_vector", "current_mit_vector", "fmc"}
REPORT = machine().report()
VCEK = {"cert_type": "VCEK", "data": [1, 2, 3]}

Path = tuple[str, ...]


def refusal(value: Any) -> str:
    with pytest.raises(EvidenceFormatError) as refused:
        SnpEvidence.parse(value)
    return refused.value.code


def evidence(**changes: Any) -> dict[str, Any]:
    return {"attestation_report": report_json(REPORT), "cert_chain": [VCEK]} | changes


def chain(*entries: Any) -> dict[str, Any]:
    return evidence(cert_chain=list(entries))


def members(value: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """The paths of all members, those of inner objects too."""
    for name, inner in value.items():
        yield (*path, name)
        if isinstance(inner, dict):
            yield from members(inner, (*path, name))


def changed(report: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy in which one member has another value; `...` takes it out."""
    copied = copy.deepcopy(report)
    place = copied
    for name in path[:-1]:
        place = place[name]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copied


def all_members() -> list[tuple[Generation, Path]]:
    return [
        (generation, path) for generation in GENERATIONS for path in members(report_json(REPORT, generation=generation))
    ]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("version", VERSIONS)
def test_both_generations_give_back_the_signed_bytes(line: Line, version: int, generation: Generation) -> None:
    report = machine(line).report(version=version, key_info=1, report_data=b"nonce")
    assert report_bytes(report_json(report, generation=generation)) == report
    parsed = SnpEvidence.parse({"attestation_report": report_json(report, generation=generation), "cert_chain": None})
    assert parsed == SnpEvidence(Report.parse(report), None)


def test_reserved_bytes_of_the_first_generation_are_kept_and_refused() -> None:
    patched = machine().report(patches=((0x04C, b"\1"),))
    document = report_json(patched, generation="first")
    assert report_bytes(document) == patched
    assert refusal({"attestation_report": document}) == "SNP-RESERVED"


@pytest.mark.parametrize(
    ("generation", "path"), [(generation, path) for generation, path in all_members() if path[-1] not in OPTIONAL]
)
def test_a20_a_member_that_is_missing_or_null_is_refused(generation: Generation, path: Path) -> None:
    for absent in (..., None):
        document = changed(report_json(REPORT, generation=generation), path, absent)
        assert refusal({"attestation_report": document}) == "SNP-FIELD"


@pytest.mark.parametrize("path", [path for generation, path in all_members() if path[-1] in OPTIONAL])
def test_a20_members_that_older_guests_lack_count_as_zero(path: Path) -> None:
    document = report_json(REPORT)
    absent, null = (report_bytes(changed(document, path, value)) for value in (..., None))
    assert absent == null == (REPORT if path[-1] == "fmc" else report_bytes(changed(document, path, 0)))


@pytest.mark.parametrize(("generation", "path"), all_members())
@pytest.mark.parametrize("wrong", ["1", 1.0, True, -1, 2**64, [], [0.0] * 64, {}, [256] * 64, [True] * 48, [-1] * 32])
def test_a24_a_member_of_a_wrong_type_is_refused(generation: Generation, path: Path, wrong: Any) -> None:
    document = changed(report_json(REPORT, generation=generation), path, wrong)
    assert refusal({"attestation_report": document}) == "SNP-FIELD"


@pytest.mark.parametrize(("generation", "path"), all_members())
def test_a24_numbers_and_arrays_have_exactly_the_size_of_their_field(generation: Generation, path: Path) -> None:
    report = report_json(REPORT, generation=generation)
    value: Any = report
    for name in path:
        value = value[name]
    if isinstance(value, list):
        for wrong in (value[:-1], [*value, 0]):
            assert refusal({"attestation_report": changed(report, path, wrong)}) == "SNP-FIELD"
    elif isinstance(value, int):
        assert refusal({"attestation_report": changed(report, path, 2**65)}) == "SNP-FIELD"


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("place", [(), ("signature",), ("reported_tcb",)])
def test_a15_unknown_members_of_the_report_are_refused(generation: Generation, place: Path) -> None:
    document = changed(report_json(REPORT, generation=generation), (*place, "brand_new"), 0)
    assert refusal({"attestation_report": document}) == "SNP-FIELD"


def test_a15_the_generations_do_not_mix() -> None:
    first, second = (report_json(REPORT, generation=generation) for generation in GENERATIONS)
    assert refusal({"attestation_report": second | first}) == "SNP-FIELD"
    assert refusal({"attestation_report": second | {"_author_key_en": 0}}) == "SNP-FIELD"


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"attestation_report": None}, {"attestation_report": [1]}])
def test_a24_what_is_not_evidence_is_refused(value: Any) -> None:
    assert refusal(value) == "SNP-FIELD"


def test_members_beside_the_report_are_ignored() -> None:
    assert SnpEvidence.parse(evidence(brand_new=1)).certificates == {CertificateType.VCEK: b"\1\2\3"}


def test_certificates_by_type() -> None:
    given = {"ARK": b"a", "VCEK": b"v", "VLEK": b"w", "ASK": b"s", "CRL": b"c"}
    entries = [{"cert_type": kind, "data": list(data)} for kind, data in given.items()]
    other = {"cert_type": {"OTHER": OTHER}, "data": [0]}
    parsed = SnpEvidence.parse(chain(*entries, other, other, {"cert_type": "Empty", "data": []}))
    assert parsed.certificates == given


@pytest.mark.parametrize("absent", [None, ...])
def test_no_certificates(absent: Any) -> None:
    document = changed(evidence(), ("cert_chain",), absent)
    assert SnpEvidence.parse(document).certificates is None


@pytest.mark.parametrize(
    "document",
    [
        chain(),
        chain({"cert_type": "ASK", "data": [1]}),
        chain({"cert_type": {"OTHER": OTHER}, "data": [1]}),
        chain(VCEK, VCEK),
        chain(VCEK, {"cert_type": "VCEK", "data": [9]}),
        chain(VCEK, {"cert_type": "ARK", "data": [1]}, {"cert_type": "ARK", "data": [1]}),
        chain({"cert_type": "vcek", "data": [1]}),
        chain({"cert_type": "VCEK"}),
        chain({"cert_type": "VCEK", "data": "AQID"}),
        chain({"cert_type": "VCEK", "data": [True]}),
        chain({"cert_type": "VCEK", "data": [1.0]}),
        chain({"cert_type": "VCEK", "data": [256]}),
        chain({"cert_type": "VCEK", "data": [0] * (MAX_CERTIFICATE_SIZE + 1)}),
        chain({"data": [1]}),
        chain({"cert_type": ["VCEK"], "data": [1]}),
        chain({"cert_type": {"OTHER": OTHER, "VCEK": ""}, "data": [1]}),
        chain({"cert_type": {}, "data": [1]}),
        chain("VCEK"),
        chain(None),
        chain(*[{"cert_type": {"OTHER": OTHER}, "data": []}] * MAX_CERTIFICATES, VCEK),
        evidence(cert_chain={"VCEK": [1]}),
        evidence(cert_chain="VCEK"),
        evidence(cert_chain=0),
    ],
)
def test_a15_other_certificate_chains_are_refused(document: Any) -> None:
    assert refusal(document) == "SNP-CHAIN"


def test_a_chain_without_the_signing_key_says_what_to_do() -> None:
    with pytest.raises(EvidenceFormatError) as refused:
        SnpEvidence.parse(chain())
    assert "have the host hand out the VCEK or VLEK" in refused.value.advice


def table(*entries: tuple[str, int, int], body: bytes = b"", end: bool = True) -> bytes:
    """A table of entries with any offset and length."""
    listed = b"".join(
        bytes.fromhex(GUIDS.get(kind, kind).replace("-", "")) + struct.pack("<II", offset, length)
        for kind, offset, length in entries
    )
    return listed + (bytes(24) if end else b"") + body


def test_a_certificate_table_is_read() -> None:
    entries = [("VCEK", b"v" * 1360), ("ASK", b"s" * 1677), ("ARK", b"a"), (OTHER, b"?"), ("CRL", b"")]
    assert parse_certificate_table(certificate_table(entries)) == {
        "VCEK": b"v" * 1360,
        "ASK": b"s" * 1677,
        "ARK": b"a",
        "CRL": b"",
    }


def test_a_certificate_table_may_have_gaps_and_a_tail() -> None:
    gaps = table(("VLEK", 100, 2), ("ASK", 80, 1), body=bytes(8) + b"s" + bytes(19) + b"vl" + bytes(4000))
    assert parse_certificate_table(gaps) == {"VLEK": b"vl", "ASK": b"s"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(23),
        table(("VCEK", 48, 1), end=False),
        table(("VCEK", 48, 1)),
        table(("VCEK", 48, 2), body=b"v"),
        table(("VCEK", 0, 1), body=b"v"),
        table(("VCEK", 47, 1), body=b"v"),
        table(("VCEK", 2**32 - 1, 2), body=b"v"),
        table(("VCEK", 48, 2**32 - 1), body=b"v"),
        table(("VCEK", 72, 2), ("ASK", 73, 2), body=b"vvvv"),
        table(("VCEK", 72, 1), ("ASK", 72, 1), body=b"v"),
        table(("VCEK", 48, MAX_CERTIFICATE_SIZE + 1), body=bytes(MAX_CERTIFICATE_SIZE + 1)),
        table(*[(OTHER, 432 + index, 1) for index in range(MAX_CERTIFICATES + 1)], body=bytes(99)),
    ],
)
def test_a15_malformed_certificate_tables_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceFormatError) as refused:
        parse_certificate_table(data)
    assert refused.value.code == "SNP-TABLE"


@pytest.mark.parametrize(
    "entries", [[("VCEK", b"1"), ("VCEK", b"2")], [("ARK", b"1")], [("VLEK", b"1"), ("ASK", b"2"), ("ASK", b"2")], []]
)
def test_a15_tables_without_the_signing_key_or_with_two_of_a_type_are_refused(entries: list[tuple[str, bytes]]) -> None:
    with pytest.raises(EvidenceFormatError) as refused:
        parse_certificate_table(certificate_table(entries))
    assert refused.value.code == "SNP-CHAIN"


def test_binary_evidence_is_a_report_and_its_table_if_there_is_one() -> None:
    assert SnpEvidence.parse_binary(REPORT) == SnpEvidence(Report.parse(REPORT), None)
    with_table = SnpEvidence.parse_binary(REPORT + certificate_table([("VCEK", b"v")]))
    assert with_table == SnpEvidence(Report.parse(REPORT), {CertificateType.VCEK: b"v"})


@given(st.binary(max_size=400))
def test_a24_any_bytes_are_a_table_or_the_one_error(data: bytes) -> None:
    try:
        certificates = parse_certificate_table(data)
    except EvidenceFormatError:
        return
    assert sum(map(len, certificates.values())) <= len(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(all_members()), JSON)
def test_a24_a_report_with_any_member_changed_is_one_or_the_one_error(
    where: tuple[Generation, Path], value: Any
) -> None:
    generation, path = where
    document = {"attestation_report": changed(report_json(REPORT, generation=generation), path, value)}
    try:
        parsed = SnpEvidence.parse(json.loads(json.dumps(document)))
    except EvidenceFormatError:
        return
    assert len(parsed.report.signed) == 672


@given(JSON, JSON)
def test_a24_any_json_is_evidence_or_the_one_error(report: Any, certificates: Any) -> None:
    for document in (
        report,
        {"attestation_report": report, "cert_chain": certificates},
        evidence(cert_chain=certificates),
    ):
        try:
            SnpEvidence.parse(document)
        except EvidenceFormatError:
            continue
