"""SNP reports in their 1184 bytes: every field where AMD has it, and nothing that AMD has not."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import pytest
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import (
    FIELDS,
    RAW_LAYOUT,
    REPORT_SIZE,
    SIGNED_SIZE,
    FirmwareVersion,
    GuestPolicy,
    KeyInfo,
    PlatformInfo,
    Product,
    Report,
    SigningKey,
    Tcb,
    TcbOrder,
)
from hypothesis import given
from hypothesis import strategies as st
from tee_lab.snp import SIGNED_BY_NONE, SIGNED_BY_VLEK, SnpMachine
from tee_lab.snp_certificates import Levels, Line

from tests.unit.evidence_verifiers.snp_support import LINES, VERSIONS, machine

OCTET = st.integers(0, 255)


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(EvidenceFormatError) as refused:
        Report.parse(data)
    return refused.value.code, refused.value.message


def with_byte(data: bytes, offset: int, value: int) -> bytes:
    return data[:offset] + bytes((value,)) + data[offset + 1 :]


def test_every_field_lies_where_the_table_says() -> None:
    sizes = [struct.calcsize(f"<{form}") for _, form, _ in FIELDS]
    assert [offset for offset, _, _ in FIELDS] == [sum(sizes[:index]) for index in range(len(sizes))]
    assert RAW_LAYOUT.size == REPORT_SIZE == 1184
    assert SIGNED_SIZE == 672


def test_every_field_is_read() -> None:
    distinct: dict[str, Any] = {
        "guest_svn": 0x01020304,
        "policy": 0x31F2A,
        "family_id": b"\x31" * 16,
        "image_id": b"\x32" * 16,
        "vmpl": 3,
        "report_data": b"\x33" * 64,
        "measurement": b"\x34" * 48,
        "host_data": b"\x35" * 32,
        "id_key_digest": b"\x36" * 48,
        "author_key_digest": b"\x37" * 48,
        "report_id": b"\x38" * 32,
        "report_id_ma": b"\x39" * 32,
        "launch_mitigations": 2**63,
        "current_mitigations": 2**64 - 1,
    }
    tcbs: dict[str, Any] = {
        "current_tcb": bytes.fromhex("0102000000000304"),
        "reported_tcb": bytes.fromhex("0506000000000708"),
        "committed_tcb": bytes.fromhex("090a000000000b0c"),
        "launch_tcb": bytes.fromhex("0d0e000000000f10"),
    }
    firmware: dict[str, Any] = {"current_firmware": (45, 55, 1), "committed_firmware": (44, 54, 0)}
    report = Report.parse(machine().report(platform_info=0xBF, key_info=0b11, **distinct, **tcbs, **firmware))
    del distinct["policy"]
    assert {name: getattr(report, name) for name in distinct} == distinct
    assert report.version == 5
    assert (report.policy.abi_major, report.policy.abi_minor, report.policy.smt) == (0x1F, 0x2A, True)
    assert all(dataclasses.astuple(report.platform_info))
    assert report.key_info == KeyInfo(author_key=True, mask_chip_key=True, signing_key=SigningKey.VCEK)
    assert report.current_tcb == Tcb(1, 2, 3, 4)
    assert report.reported_tcb == Tcb(5, 6, 7, 8)
    assert report.committed_tcb == Tcb(9, 10, 11, 12)
    assert report.launch_tcb == Tcb(13, 14, 15, 16)
    assert report.product is Product.MILAN
    assert report.chip_id == machine().chip_id
    assert (report.current_firmware, report.committed_firmware) == (
        FirmwareVersion(45, 55, 1),
        FirmwareVersion(44, 54, 0),
    )
    assert str(report.current_firmware) == "1.55.45"


def test_the_signature_is_read_as_two_little_endian_numbers() -> None:
    data = machine().report()
    report = Report.parse(data)
    assert report.signed == data[:0x2A0]
    assert report.signature == (
        int.from_bytes(data[0x2A0:0x2D0], "little"),
        int.from_bytes(data[0x2E8:0x318], "little"),
    )


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_each_product_line_is_read(line: Line, version: int) -> None:
    levels = Levels(bootloader=1, tee=2, snp=3, microcode=4, fmc=5)
    report = Report.parse(dataclasses.replace(machine(line), levels=levels).report(version=version))
    assert report.version == version
    assert report.product == (None if version == 2 else line)
    assert report.tcb_order is (TcbOrder.TURIN if line == "Turin" else TcbOrder.MILAN)
    assert report.reported_tcb == Tcb(1, 2, 3, 4, 5 if line == "Turin" else None)
    assert report.launch_mitigations == (3 if version == 5 else 0)
    assert report.chip_id[8:] == (bytes(56) if line == "Turin" else machine(line).chip_id[8:])


@pytest.mark.parametrize("size", [0, 1, 672, 1183, 1185, 4000])
def test_a24_a_report_has_1184_bytes(size: int) -> None:
    assert refusal(machine().report().ljust(size, b"\0")[:size] if size < 1185 else bytes(size))[0] == "SNP-SIZE"


@pytest.mark.parametrize("version", [0, 1, 6, 2**32 - 1])
def test_a15_other_versions_are_refused(version: int) -> None:
    code, message = refusal(machine().report(version=version))
    assert code == "SNP-VERSION"
    assert message == f"report version {version} is not supported; supported: 2 to 5"


RESERVED_RANGES = {0x04C: 4, 0x18B: 21, 0x1EB: 1, 0x1EF: 1, 0x208: 152}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "offset", [offset for start, size in RESERVED_RANGES.items() for offset in (start, start + size - 1)]
)
def test_a15_reserved_bytes_must_be_zero(version: int, offset: int) -> None:
    assert refusal(machine().report(version=version, patches=((offset, b"\x80"),)))[0] == "SNP-RESERVED"


def test_a15_each_reserved_byte_counts() -> None:
    data = machine().report()
    offsets = [offset for start, size in RESERVED_RANGES.items() for offset in range(start, start + size)]
    assert {refusal(with_byte(data, offset, 1))[0] for offset in offsets} == {"SNP-RESERVED"}


@pytest.mark.parametrize("offset", [0x188, 0x189, 0x18A, 0x1F8, 0x1FF, 0x200, 0x207])
def test_a15_fields_of_later_versions_must_be_zero(offset: int) -> None:
    first_with_it = 3 if offset < 0x18B else 5
    for version in range(2, first_with_it):
        assert refusal(with_byte(machine().report(version=version), offset, 1))[0] == "SNP-RESERVED"


@pytest.mark.parametrize("offset", [*range(0x2D0, 0x2E8), *range(0x318, 0x330), 0x330, 0x49F])
def test_a15_the_signature_has_48_bytes_for_each_number_and_zeros(offset: int) -> None:
    assert refusal(with_byte(machine().report(), offset, 1))[0] == "SNP-RESERVED"


@pytest.mark.parametrize("bit", range(26, 64))
def test_a15_unknown_policy_bits_are_refused(bit: int) -> None:
    assert refusal(machine().report(policy=1 << 17 | 1 << bit))[0] == "SNP-RESERVED"


def test_a15_policy_bit_17_must_be_one() -> None:
    code, message = refusal(machine().report(policy=1 << 16))
    assert code == "SNP-RESERVED"
    assert message == "POLICY 0x10000: bit 17 must be one"


@pytest.mark.parametrize("bit", [6, *range(8, 64)])
def test_a15_unknown_platform_bits_are_refused(bit: int) -> None:
    assert refusal(machine().report(platform_info=1 << bit))[0] == "SNP-RESERVED"


@pytest.mark.parametrize("key_info", [*(1 << bit for bit in range(5, 32)), *(key << 2 for key in range(2, 7))])
def test_a15_unknown_key_bits_and_keys_are_refused(key_info: int) -> None:
    assert refusal(machine().report(key_info=key_info))[0] == "SNP-RESERVED"


def test_each_policy_bit_has_its_name() -> None:
    names = {
        16: "smt",
        18: "migration_agent",
        19: "debug",
        20: "single_socket",
        21: "cxl",
        22: "memory_aes_256_xts",
        23: "rapl_disabled",
        24: "ciphertext_hiding",
        25: "page_swap_disabled",
    }
    for bit, name in names.items():
        policy = dataclasses.asdict(GuestPolicy.parse(1 << 17 | 1 << bit))
        assert [key for key, value in policy.items() if value] == [name]


def test_each_platform_bit_has_its_name() -> None:
    names = ["smt", "tsme", "ecc", "rapl_disabled", "ciphertext_hiding", "alias_check_complete", None, "tio"]
    for bit, name in enumerate(names):
        if name:
            platform = dataclasses.asdict(PlatformInfo.parse(1 << bit))
            assert [key for key, value in platform.items() if value] == [name]


@pytest.mark.parametrize(("key_info", "key"), [(0, 0), (SIGNED_BY_VLEK, 1), (SIGNED_BY_NONE, 7)])
def test_the_signing_key_is_read(key_info: int, key: int) -> None:
    assert Report.parse(machine().report(key_info=key_info)).key_info.signing_key is SigningKey(key)


@pytest.mark.parametrize("algorithm", [0, 2, 2**31])
def test_a15_other_signature_algorithms_are_refused(algorithm: int) -> None:
    assert refusal(machine().report(signature_algorithm=algorithm))[0] == "SNP-ALGORITHM"


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, "Milan"),
        (0x19, 0x0F, "Milan"),
        (0x19, 0x10, "Genoa"),
        (0x19, 0x1F, "Genoa"),
        (0x19, 0xA0, "Genoa"),
        (0x19, 0xAF, "Genoa"),
        (0x1A, 0x00, "Turin"),
        (0x1A, 0x11, "Turin"),
    ],
)
def test_product_lines_by_cpu(family: int, model: int, product: str) -> None:
    assert Product.of_cpu(family, model) == product


@pytest.mark.parametrize(
    "cpuid", [(0, 0, 0), (0x17, 1, 0), (0x19, 0x20, 0), (0x19, 0x9F, 0), (0x19, 0xB0, 0), (0x1A, 0x12, 0)]
)
def test_a13_other_cpus_are_refused(cpuid: tuple[int, int, int]) -> None:
    assert refusal(machine().report(cpuid=cpuid))[0] == "SNP-CPU"


@pytest.mark.parametrize("offset", range(2, 6))
def test_a14_reserved_bytes_of_a_tcb_version_must_be_zero(offset: int) -> None:
    raw = with_byte(bytes(8), offset, 1)
    for name in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"):
        fields: dict[str, Any] = {name: raw}
        assert refusal(machine().report(**fields))[0] == "SNP-RESERVED"


def test_a14_turins_order_is_not_milans() -> None:
    raw = bytes.fromhex("0102030400000005")
    assert Tcb.parse(raw, TcbOrder.TURIN) == Tcb(bootloader=2, tee=3, snp=4, microcode=5, fmc=1)
    with pytest.raises(EvidenceFormatError):
        Tcb.parse(raw, TcbOrder.MILAN)


def test_a14_a_masked_version_2_report_is_read_in_milans_order() -> None:
    report = Report.parse(machine().report(version=2, chip_id=bytes(64)))
    assert report.chip_id_masked
    assert report.tcb_order is TcbOrder.MILAN


@given(OCTET, OCTET, OCTET, OCTET, st.none() | OCTET)
def test_a_tcb_version_survives_its_bytes(bootloader: int, tee: int, snp: int, microcode: int, fmc: int | None) -> None:
    tcb = Tcb(bootloader, tee, snp, microcode, fmc)
    assert Tcb.parse(tcb.encode(), TcbOrder.MILAN if fmc is None else TcbOrder.TURIN) == tcb


def test_a_tcb_version_as_text() -> None:
    assert str(Tcb(1, 2, 3, 4)) == "bootloader 1, tee 2, snp 3, microcode 4"
    assert str(Tcb(1, 2, 3, 4, 5)) == "fmc 5, bootloader 1, tee 2, snp 3, microcode 4"


@given(st.binary(max_size=1300) | st.binary(min_size=1184, max_size=1184))
def test_a24_any_bytes_are_a_report_or_the_one_error(data: bytes) -> None:
    try:
        report = Report.parse(data)
    except EvidenceFormatError:
        return
    assert report.signed == data[:SIGNED_SIZE]


@given(st.sampled_from(LINES), st.sampled_from(VERSIONS), st.integers(0, 1183), OCTET)
def test_a24_a_report_with_any_byte_changed_is_one_or_the_one_error(line: Line, version: int, at: int, to: int) -> None:
    data = with_byte(SnpMachine.report(machine(line), version=version), at, to)
    try:
        assert Report.parse(data).signed == data[:SIGNED_SIZE]
    except EvidenceFormatError as error:
        assert error.code in {"SNP-VERSION", "SNP-RESERVED", "SNP-CPU", "SNP-ALGORITHM"}  # noqa: PT017  # either outcome is right
