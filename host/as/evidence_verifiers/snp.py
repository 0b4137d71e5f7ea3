"""The SEV-SNP verifier: which reports are believed, and why.

A report is believed when a chain of signatures leads from AMD to it (56860: SEV-SNP Firmware ABI; 57230: VCEK and VLEK
certificates). In this order:

    1.  KEY_INFO says which kind of key signed, VCEK or VLEK, and a certificate of that kind is at hand.
    2.  That certificate is laid out as specified, for this kind of key, and for the product line of the report.
    3.  The root is AMD's, pinned, and signs itself; it signs the intermediate for this kind and line; the intermediate
        signs the certificate of the key.
    4.  The key signs the report.

Where a link is missing, nothing behind it means anything, and no more is looked at. If all hold, everything else is
looked at, and each failure told: every certificate is valid now, TCB version and chip are those that the key was made
for, the floors, what the relying party expects.

Certificates are those of the evidence, which the host chose and which are trusted for nothing; or, when it has none, a
VCEK from the service's stores, for which all of the above holds too. A root in the evidence has to be the pinned one,
byte for byte; an intermediate in it counts when that root signed it. What is missing above the key ships with this
package. VLEKs are in no store: the host hands them out. Revocation lists in evidence are not read, since who sends
evidence can leave them out, or send old ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from attestack_common.errors import ConfigError
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Product, Report, SigningKey
from attestation_protocol.evidence.snp_evidence import CertificateType, SnpEvidence
from attestation_protocol.tee import Tee

from evidence_verifiers.contract import Check, EndorsementRequest, Expected, Finding, Verdict, Verifier, pad
from evidence_verifiers.snp_certificates import PINNED, Anchors, Authority, EndorsementKey, intermediate_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SIGNER: Final = Check(
    "SNP-SIGNER", "there is a certificate of the key that signed the report", "56860 section 7.3, KEY_INFO"
)
CERTIFICATE: Final = Check(
    "SNP-CERTIFICATE", "the certificate is a well-formed one of that kind of key", "57230 chapter 3"
)
PRODUCT: Final = Check("SNP-PRODUCT", "report and certificate are of one product line", "57230 chapter 3, productName")
ROOT: Final = Check("SNP-ARK", "the root is AMD's, pinned by its SHA-256", "57230 chapter 2")
ROOT_SIGNED: Final = Check("SNP-ARK-SIGNATURE", "the root signs itself", "57230 chapter 2")
INTERMEDIATE: Final = Check("SNP-ASK", "the intermediate is for this kind of key and product line", "57230 chapter 2")
INTERMEDIATE_SIGNED: Final = Check("SNP-ASK-SIGNATURE", "the root signs the intermediate", "57230 chapter 2")
KEY_SIGNED: Final = Check("SNP-VEK-SIGNATURE", "the intermediate signs the certificate of the key", "57230 chapter 3")
REPORT_SIGNED: Final = Check("SNP-SIGNATURE", "the key signs the report", "56860 section 7.3, SIGNATURE")
DATES: Final = Check("SNP-DATES", "each certificate is valid now", "RFC 5280 section 4.1.2.5")
TCB: Final = Check("SNP-TCB", "the reported TCB is the one that the key was made for", "57230 chapter 3")
CHIP: Final = Check("SNP-CHIP-ID", "the chip is the one that the VCEK was made for", "57230 chapter 3, hwID")
VMPL: Final = Check("SNP-VMPL", "the privilege level is within the floor", "56860 section 7.3, VMPL")
DEBUG: Final = Check("SNP-DEBUG", "the host may not debug the guest", "56860 section 4.3, DEBUG")
MIGRATION: Final = Check("SNP-MIGRATION", "the guest has no migration agent", "56860 section 4.3, MIGRATE_MA")
REPORT_DATA: Final = Check("SNP-REPORT-DATA", "report data as expected", "56860 section 7.3, REPORT_DATA")
HOST_DATA: Final = Check(
    "SNP-HOST-DATA", "the host data is the digest of the init-data", "56860 section 7.3, HOST_DATA"
)
CHECKS: Final = (
    SIGNER, CERTIFICATE, PRODUCT, ROOT, ROOT_SIGNED, INTERMEDIATE, INTERMEDIATE_SIGNED, KEY_SIGNED, REPORT_SIGNED,
    DATES, TCB, CHIP, VMPL, DEBUG, MIGRATION, REPORT_DATA, HOST_DATA,
)  # fmt: skip

VCEK: Final = "vcek"
"""The name of the one endorsement that may be asked for."""

_HIGHEST_VMPL: Final = 3


@dataclass(frozen=True, slots=True)
class SnpFloors:
    """What no policy can allow: the keys of the table `snp_verifier`. Raises ConfigError."""

    max_vmpl: int = 0
    """The highest number, that is the lowest privilege, from which a report is taken: 0 to 3."""
    allow_debug: bool = False
    """Whether a guest that the host may debug is accepted: the host can then read its memory."""
    allow_migration: bool = False
    """Whether a guest with a migration agent is accepted: the agent can move it to another machine."""
    allow_masked_chip_id: bool = False
    """Whether a report under a VCEK may hide which chip made it."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_vmpl <= _HIGHEST_VMPL:
            raise ConfigError(f"snp_verifier.max_vmpl is {self.max_vmpl}, and must be 0 to {_HIGHEST_VMPL}")


@dataclass(frozen=True, slots=True)
class _Chain:
    """Root, intermediate and key, of which each signed the next."""

    root: Authority
    intermediate: Authority
    key: EndorsementKey


def requirements(evidence: SnpEvidence) -> tuple[EndorsementRequest, ...]:
    """Ask for the VCEK, when the host gave no certificates and the report says which one it is."""
    report = evidence.report
    if evidence.certificates is not None or report.product is None or _not_to_be_had(report):
        return ()
    chip = report.chip_id[: report.product.chip_id_size].hex()
    tcb = report.reported_tcb
    fmc_query = "" if tcb.fmc is None else f"fmcSPL={tcb.fmc:02d}&"
    fmc_name = "" if tcb.fmc is None else f"_fmc{tcb.fmc:02d}"
    levels = f"blSPL={tcb.bootloader:02d}&teeSPL={tcb.tee:02d}&snpSPL={tcb.snp:02d}&ucodeSPL={tcb.microcode:02d}"
    name = f"bl{tcb.bootloader:02d}_tee{tcb.tee:02d}_snp{tcb.snp:02d}_ucode{tcb.microcode:02d}{fmc_name}_vcek.der"
    return (
        EndorsementRequest(
            name=VCEK,
            source="kds",
            path=f"vcek/v1/{report.product}/{chip}?{fmc_query}{levels}",
            offline=(f"vcek/{chip}/{name}", f"vcek/{chip}/vcek.der"),
        ),
    )


def verify(
    evidence: SnpEvidence,
    endorsements: Mapping[str, bytes],
    expected: Expected,
    floors: SnpFloors,
    now: datetime,
    anchors: Mapping[Product, Anchors] = PINNED,
) -> Verdict:
    """Check evidence against AMD's roots, the floors and the relying party's expectations. Pure; raises nothing.

    `now` is aware. No configuration sets `anchors`: they are a parameter for tests.
    """
    report = evidence.report
    findings, chain = _signatures(evidence, endorsements, anchors)
    if chain is None:
        return Verdict(findings, None)
    findings = (
        *findings,
        *_dates(chain, now),
        *_made_for_this_machine(report, chain.key, floors),
        *_floors(report, floors),
        *_bindings(report, expected),
    )
    return Verdict(findings, _claims(report) if all(finding.passed for finding in findings) else None)


def _signatures(
    evidence: SnpEvidence, endorsements: Mapping[str, bytes], anchors: Mapping[Product, Anchors]
) -> tuple[tuple[Finding, ...], _Chain | None]:
    """Follow the signatures from the root to the report. There is a chain only if all hold."""
    report = evidence.report
    findings, key = _key(evidence, endorsements)
    if key is None:
        return findings, None
    above, authorities = _authorities(evidence, report.product or key.product, anchors)
    findings += above
    if authorities is None:
        return findings, None
    root, intermediate = authorities
    findings += (
        _signed(KEY_SIGNED, intermediate.certificate.name, passed=intermediate.issued(key.certificate)),
        _signed(REPORT_SIGNED, f"this {key.kind.name}", passed=key.signed(report.signed, report.signature)),
    )
    return findings, _Chain(root, intermediate, key) if all(finding.passed for finding in findings) else None


def _key(evidence: SnpEvidence, endorsements: Mapping[str, bytes]) -> tuple[tuple[Finding, ...], EndorsementKey | None]:
    """Find the certificate of the key that signed, and look at what it is for."""
    report, signer = evidence.report, evidence.report.key_info.signing_key
    if evidence.certificates is not None:
        der = evidence.certificates.get(CertificateType(signer.name)) if signer is not SigningKey.NONE else None
        got = "not among the certificates of the evidence" if der is None else "from the evidence"
    else:
        der = endorsements.get(VCEK) if signer is SigningKey.VCEK else None
        got = f"none: {_not_to_be_had(report) or 'no store has it'}" if der is None else "from a store"
    found = SIGNER.made(passed=der is not None, wanted=f"a certificate for {signer.name}", got=got)
    if der is None:
        return (found,), None
    try:
        key = EndorsementKey.parse(der)
    except EvidenceFormatError as error:
        return (found, CERTIFICATE.made(passed=False, wanted=f"a {signer.name}", got=error.message)), None
    line = report.product or key.product
    matches = key.product is line and line.tcb_order is report.tcb_order
    return (
        found,
        CERTIFICATE.made(passed=key.kind is signer, wanted=f"a {signer.name}", got=f"a {key.kind.name}"),
        PRODUCT.made(passed=matches, wanted=report.product or report.tcb_order.value, got=key.product),
    ), key


def _not_to_be_had(report: Report) -> str:
    """Say why no store can have the certificate of the key that signed; nothing when one can."""
    if report.key_info.signing_key is SigningKey.NONE:
        return "KEY_INFO says that no key signed the report"
    if report.key_info.signing_key is SigningKey.VLEK:
        return "VLEKs are handed out by the host only"
    if report.product is None:
        return f"a version {report.version} report names no product line; the host has to hand out the VCEK with it"
    if report.chip_id_masked:
        return "the chip id is masked"
    return ""


def _authorities(
    evidence: SnpEvidence, product: Product, anchors: Mapping[Product, Anchors]
) -> tuple[tuple[Finding, ...], tuple[Authority, Authority] | None]:
    """Find root and intermediate for the report, and follow the signatures from one to the other."""
    signer, given = evidence.report.key_info.signing_key, evidence.certificates or {}
    anchor = anchors.get(product)
    if anchor is None:
        return (ROOT.made(passed=False, wanted=f"a root for {product}", got="none is trusted"),), None
    root, wanted = anchor.ark, intermediate_name(product, signer)
    ark, ask = given.get(CertificateType.ARK, root.certificate.der), given.get(CertificateType.ASK)
    digest = hashlib.sha256(ark).hexdigest()
    is_pinned = digest == anchor.ark_sha256 and ark == root.certificate.der
    pinned = ROOT.made(passed=is_pinned, wanted=anchor.ark_sha256, got=digest)
    if not pinned.passed:
        return (pinned,), None
    try:
        intermediate = anchor.intermediate(signer) if ask is None else Authority.parse(ask)
    except EvidenceFormatError as error:
        return (pinned, INTERMEDIATE.made(passed=False, wanted=wanted, got=error.message)), None
    name = intermediate.certificate.name
    findings = (
        pinned,
        _signed(ROOT_SIGNED, root.certificate.name, passed=root.issued(root.certificate)),
        INTERMEDIATE.made(passed=name == wanted, wanted=wanted, got=name),
        _signed(INTERMEDIATE_SIGNED, root.certificate.name, passed=root.issued(intermediate.certificate)),
    )
    return findings, (root, intermediate) if all(finding.passed for finding in findings) else None


def _signed(check: Check, by: str, *, passed: bool) -> Finding:
    return check.made(passed=passed, wanted=f"signed by {by}", got=f"{'' if passed else 'not '}signed by {by}")


def _dates(chain: _Chain, now: datetime) -> tuple[Finding, ...]:
    got = now.replace(microsecond=0)
    return tuple(
        DATES.made(
            passed=certificate.not_before <= now <= certificate.not_after,
            wanted=f"{certificate.name}: {certificate.not_before} to {certificate.not_after}",
            got=got,
        )
        for certificate in (chain.root.certificate, chain.intermediate.certificate, chain.key.certificate)
    )


def _made_for_this_machine(report: Report, key: EndorsementKey, floors: SnpFloors) -> tuple[Finding, ...]:
    tcb = TCB.made(passed=report.reported_tcb == key.tcb, wanted=key.tcb, got=report.reported_tcb)
    if key.hardware_id is None:
        return (tcb,)  # a VLEK is made for a provider, not for a chip
    if report.chip_id_masked:
        wanted = "any (allow_masked_chip_id)" if floors.allow_masked_chip_id else key.hardware_id.hex()
        return tcb, CHIP.made(passed=floors.allow_masked_chip_id, wanted=wanted, got="masked")
    chip = pad(key.hardware_id, len(report.chip_id))
    return tcb, CHIP.made(passed=report.chip_id == chip, wanted=chip.hex(), got=report.chip_id.hex())


def _floors(report: Report, floors: SnpFloors) -> tuple[Finding, ...]:
    policy = report.policy
    return (
        VMPL.made(passed=report.vmpl <= floors.max_vmpl, wanted=f"at most {floors.max_vmpl}", got=report.vmpl),
        _off(DEBUG, on=policy.debug, allowed=floors.allow_debug),
        _off(MIGRATION, on=policy.migration_agent, allowed=floors.allow_migration),
    )


def _off(check: Check, *, on: bool, allowed: bool) -> Finding:
    return check.made(passed=allowed or not on, wanted="any" if allowed else "off", got="on" if on else "off")


def _bindings(report: Report, expected: Expected) -> tuple[Finding, ...]:
    findings = []
    if expected.report_data is not None:
        # More than the field holds cannot be bound by it; cutting would leave the rest for anyone to choose.
        wanted = expected.report_data.ljust(len(report.report_data), b"\0")
        findings.append(
            REPORT_DATA.made(passed=report.report_data == wanted, wanted=wanted.hex(), got=report.report_data.hex())
        )
    if expected.init_data is not None:
        wanted = pad(expected.init_data, len(report.host_data))
        findings.append(
            HOST_DATA.made(passed=report.host_data == wanted, wanted=wanted.hex(), got=report.host_data.hex())
        )
    return tuple(findings)


def _claims(report: Report) -> dict[str, Any]:
    """Return the claims by the names, and with the values, that policies know."""
    policy, tcb = report.policy, report.reported_tcb
    return {
        "policy_abi_major": policy.abi_major,
        "policy_abi_minor": policy.abi_minor,
        "policy_smt_allowed": policy.smt,
        "policy_migrate_ma": policy.migration_agent,
        "policy_debug_allowed": policy.debug,
        "policy_single_socket": policy.single_socket,
        "reported_tcb_bootloader": tcb.bootloader,
        "reported_tcb_tee": tcb.tee,
        "reported_tcb_snp": tcb.snp,
        "reported_tcb_microcode": tcb.microcode,
        "platform_tsme_enabled": report.platform_info.tsme,
        "platform_smt_enabled": report.platform_info.smt,
        "measurement": report.measurement.hex(),
        "report_data": report.report_data.hex(),
        "init_data": report.host_data.hex(),
        "chip_id": report.chip_id.hex(),
    }


VERIFIER: Final = Verifier(
    tee=Tee.SNP,
    tee_class="cpu",
    checks=CHECKS,
    parse=SnpEvidence.parse,
    requirements=requirements,
    verify=verify,
    floors=SnpFloors,
    config_key="snp_verifier",
)
