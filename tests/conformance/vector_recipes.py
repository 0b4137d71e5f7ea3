"""How vectors are made that stand in no repository as they are: from files that do, by what the manifest's note says.

A recipe gives all that could be meant; the SHA-256 of the manifest says which of them it is, and so whether what was
fetched is right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from attestation_protocol.errors import ProtocolError
from attestation_protocol.evidence.snp_evidence import report_bytes
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_HEADER: Final = re.compile(rb'"([^"\n]{1,65536}%[^"\n]{1,65536})"')
"""A text in the source that has an escape of URLs in it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a file is made. `beside` names more files in the folder of the one that the manifest names."""

    make: Callable[..., Iterable[bytes]]
    beside: tuple[str, ...] = ()

    def made(self, sources: Sequence[bytes], sha256: str) -> bytes | None:
        """Make what has this SHA-256 from the sources, or return None."""
        try:
            candidates = list(self.make(*sources))
        except (ValueError, KeyError, IndexError, TypeError, binascii.Error, ProtocolError):
            return None  # what was fetched is something else
        return next((data for data in candidates if hashlib.sha256(data).hexdigest() == sha256), None)


def certificates(source: bytes) -> Iterable[bytes]:
    """Give each certificate of a PEM or DER file, as PEM."""
    if b"-----BEGIN " in source:
        found = x509.load_pem_x509_certificates(source)
    else:
        found = [x509.load_der_x509_certificate(source)]
    return [certificate.public_bytes(Encoding.PEM) for certificate in found]


def chain(*sources: bytes) -> Iterable[bytes]:
    """Give the certificates of several files, in their order, as one PEM file."""
    yield b"".join(data for source in sources for data in certificates(source))


def header_values(source: bytes) -> Iterable[bytes]:
    """Give each text of a program that has escapes of URLs, without them."""
    return [unquote_to_bytes(text) for text in _HEADER.findall(source)]


def evidence(source: bytes) -> Iterable[bytes]:
    """Give the evidence of each request in the body of a `POST /attestation`."""
    for request in json.loads(source)["verification_requests"]:
        text = request["evidence"]
        yield base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def report(source: bytes) -> Iterable[bytes]:
    """Give the SNP report of evidence in JSON, in its binary layout."""
    yield report_bytes(json.loads(source)["attestation_report"])


RECIPES: Final[Mapping[str, Recipe]] = {
    "one certificate of it, as PEM": Recipe(certificates),
    "with root.der beside it, as PEM": Recipe(chain, beside=("root.der",)),
    "a header value, URL-decoded": Recipe(header_values),
    "its evidence, decoded": Recipe(evidence),
}
"""By the note of an entry whose file stands in a repository in another form."""

REPORT_OF: Final = re.compile(r"the report of (?P<vector>\S+) in its binary layout")
"""The note of a vector that is made from another vector, by `REPORT`."""
REPORT: Final = Recipe(report)
