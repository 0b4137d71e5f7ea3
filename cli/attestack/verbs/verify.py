"""`attestack verify`: check evidence with no service and no network, and say what was found.

Every check is printed, with what was wanted and what was there, and the claims if all passed. What the evidence must be
bound to is compared if it is given: evidence that is bound to nothing may be old, or somebody else's.

Exit status: 0 accepted, 1 refused or not readable as evidence, 2 the command line cannot be taken.
"""

from __future__ import annotations

import dataclasses
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attestack_common.clock import system_clock
from attestack_common.errors import UsageError
from attestation_protocol.encoding import parse_json
from attestation_protocol.evidence.snp_evidence import CertificateType, SnpEvidence
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.rcar import report_data
from attestation_protocol.tee import Tee
from evidence_verifiers.contract import Expected
from evidence_verifiers.registry import verifier_for

from attestack.verbs import Verb
from attestack.verdict_text import verdict_as_json, verdict_as_text

if TYPE_CHECKING:
    import argparse

    from evidence_verifiers.contract import EndorsementRequest, Verifier

MAX_FILE: Final = 4 * 1024 * 1024
"""Bytes of a file at the most."""

_SHAPES: Final = {"attestation_report": Tee.SNP, "svn": Tee.SAMPLE}
"""Which member of a JSON document gives a TEE away."""


_ALLOWANCES: Final = {
    "allow_debug": "a guest that the host may debug",
    "allow_migration": "a guest with a migration agent",
    "allow_masked_chip_id": "a report that hides its chip",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add = parser.add_argument
    add(
        "evidence",
        metavar="EVIDENCE",
        help="JSON as a guest sends it, or an SNP report as hardware gives it; - for stdin",
    )
    add("--tee", metavar="NAME", help="the TEE that it is of, where the document does not tell")
    add("--json", action="store_true", help="print a JSON document")
    add("--at", metavar="TIME", help="verify as of this moment (RFC 3339) instead of now")

    bound = parser.add_argument_group("what the evidence must be bound to")
    data = bound.add_mutually_exclusive_group()
    data.add_argument("--report-data", metavar="HEX", help="the report data")
    data.add_argument("--runtime-data", metavar="FILE", help="the JSON object whose digest is the report data")
    bound.add_argument("--hash", metavar="NAME", default="sha384", help="the hash of the runtime data (sha384)")
    init = bound.add_mutually_exclusive_group()
    init.add_argument("--init-data", metavar="FILE", help="the init-data document (TOML)")
    init.add_argument("--init-data-digest", metavar="HEX", help="the digest of the init-data")

    lacking = parser.add_argument_group("certificates that the evidence lacks")
    lacking.add_argument("--offline-store", metavar="DIR", help="a folder laid out as a service's offline store")
    keys = lacking.add_mutually_exclusive_group()
    keys.add_argument("--vcek", metavar="FILE", help="the VCEK, DER or PEM")
    keys.add_argument("--vlek", metavar="FILE", help="the VLEK, DER or PEM")

    floors = parser.add_argument_group("floors, for SNP")
    floors.add_argument("--max-vmpl", type=int, metavar="N", help="accept privilege levels up to N (0)")
    for name, what in _ALLOWANCES.items():
        floors.add_argument(f"--{name.replace('_', '-')}", action="store_true", default=None, help=f"accept {what}")


def run(args: argparse.Namespace) -> int:
    """Verify, print, and return the exit status."""
    verifier, evidence = _evidence(args)
    at, expected = _moment(args.at), _expected(args)
    endorsements = _endorsements(verifier.requirements(evidence), args.offline_store)
    verdict = verifier.verify(evidence, endorsements, expected, _floors(verifier, args), at)
    if args.json:
        print(verdict_as_json(verifier.tee, verdict, at))
    else:
        print(verdict_as_text(verifier.tee, verdict, expected))
    return 1 if verdict.claims is None else 0


def _evidence(args: argparse.Namespace) -> tuple[Verifier[Any, Any], Any]:
    """Read the evidence, and find the verifier for it."""
    content = _read(args.evidence)
    named = Tee.parse(args.tee) if args.tee else None
    if content.lstrip()[:1] == b"{":
        document = parse_json(content)
        verifier = verifier_for(named or _tee_by_shape(document))
        evidence = verifier.parse(document)
    elif named in {None, Tee.SNP}:
        verifier, evidence = verifier_for(Tee.SNP), SnpEvidence.parse_binary(content)
    else:
        raise UsageError(f"{args.evidence} is not JSON, as {named} evidence is")
    for option, kind in (("vcek", CertificateType.VCEK), ("vlek", CertificateType.VLEK)):
        path = getattr(args, option)
        if path is not None:
            if not isinstance(evidence, SnpEvidence) or evidence.certificates is not None:
                raise UsageError(f"--{option} is for SNP evidence without certificates, and this is not")
            evidence = dataclasses.replace(evidence, certificates={kind: _certificate(path)})
    return verifier, evidence


def _tee_by_shape(document: dict[str, Any]) -> Tee:
    for member, tee in _SHAPES.items():
        if member in document:
            return tee
    raise UsageError("the document does not tell which TEE it is of", advice="name it with --tee")


def _endorsements(requests: tuple[EndorsementRequest, ...], store: str | None) -> dict[str, bytes]:
    """Look in the offline store for what is needed. Its paths are made by the verifier, of numbers."""
    found: dict[str, bytes] = {}
    for request in requests:
        places = [Path(store) / path for path in request.offline] if store else []
        existing = next((place for place in places if place.is_file()), None)
        if existing:
            found[request.name] = _read(str(existing))
    return found


def _expected(args: argparse.Namespace) -> Expected:
    bound = init = None
    if args.report_data is not None:
        bound = _hex("--report-data", args.report_data)
    elif args.runtime_data is not None:
        claims = parse_json(_read(args.runtime_data))
        if not isinstance(claims, dict):
            raise UsageError(f"the runtime data in {args.runtime_data} is not a JSON object")
        bound = report_data(claims, HashAlgorithm.parse(args.hash))
    if args.init_data_digest is not None:
        init = _hex("--init-data-digest", args.init_data_digest)
    elif args.init_data is not None:
        init = InitData.parse(_read(args.init_data)).digest
    return Expected(bound, init)


def _floors(verifier: Verifier[Any, Any], args: argparse.Namespace) -> Any:  # noqa: ANN401  # the verifier's own type
    """Build the verifier's floors of the options that were given."""
    given = {name: getattr(args, name) for name in ("max_vmpl", *_ALLOWANCES) if getattr(args, name) is not None}
    foreign = given.keys() - {each.name for each in dataclasses.fields(verifier.floors)}
    if foreign:
        raise UsageError(f"--{min(foreign).replace('_', '-')} means nothing for {verifier.tee}")
    return verifier.floors(**given)


def _moment(text: str | None) -> datetime:
    if text is None:
        return system_clock().replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(f"--at {text!r:.40} is not a moment", advice="write it as 2026-01-31T12:00:00Z")
    return moment.astimezone(UTC)


def _hex(option: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(f"{option} is not hexadecimal") from None


def _certificate(path: str) -> bytes:
    content = _read(path)
    if not content.startswith(b"-----BEGIN"):
        return content
    try:
        return ssl.PEM_cert_to_DER_cert(content.decode("ascii"))
    except ValueError:
        raise UsageError(f"{path} is not a PEM certificate") from None


def _read(path: str) -> bytes:
    try:
        with sys.stdin.buffer if path == "-" else Path(path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_FILE:
        raise UsageError(f"{path} is larger than {MAX_FILE} bytes")
    return content


VERB: Final = Verb("verify", "check evidence offline, and say what was found", add_arguments, run)
