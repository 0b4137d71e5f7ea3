"""The TLS side of a server, by the profiles and keys of the Rust key broker service (from Mozilla's intermediate v5).

    profile       intermediate, old, custom: TLS 1.2 and 1.3; modern: TLS 1.3 alone
    min, max      "1.2" or "1.3"; win over the profile
    ciphers       OpenSSL's names with colons between; the names of TLS 1.2 are applied
    groups        names of key exchange groups with colons between

Python's `ssl` cannot choose the suites of TLS 1.3 nor offer a list of groups. All suites of TLS 1.3 stay offered: a
list that leaves some out is logged. Of a list of groups the first that this OpenSSL knows is the only one offered:
narrower than was asked for, never wider, and logged. Without a list OpenSSL's own order holds (X25519 first).
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    from pathlib import Path

PROFILES: Final = ("intermediate", "old", "modern", "custom")

_LOG: Final = get_logger("tls")
_MAX_PEM: Final = 1024 * 1024
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_INTERMEDIATE: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
_CURVE_NAMES: Final = {"P-256": "prime256v1", "secp256r1": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1"}


def server_context(
    certificate: Path,
    private_key: Path,
    *,
    profile: str = "intermediate",
    min_version: str | None = None,
    max_version: str | None = None,
    ciphers: str | None = None,
    groups: str | None = None,
    section: str = "http_server",
) -> ssl.SSLContext:
    """Make the context of a server from PEM files: a certificate with its chain, and its key without a passphrase.

    Offers HTTP/1.1 by ALPN. Raises ConfigError that names the key of `section` at fault.
    """
    keys = _Keys(section)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _set_versions(context, keys, profile, min_version, max_version)
    if not (ciphers is None and groups is None and min_version is None and max_version is None):
        _LOG.warning("explicit TLS settings win over the profile", section=section, profile=profile)
    _set_ciphers(context, keys, ciphers)
    if groups is not None:
        _set_group(context, keys, groups)
    _load(context, keys, certificate, private_key)
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Keys:
    """Refuses by the name of a key."""

    def __init__(self, section: str) -> None:
        self.section = section

    def refusal(self, name: str, reason: str, advice: str = "") -> ConfigError:
        return ConfigError(f"{self.section}.{name}: {reason}", code="TLS-CONFIG", advice=advice)


def _set_versions(
    context: ssl.SSLContext, keys: _Keys, profile: str, min_version: str | None, max_version: str | None
) -> None:
    if profile not in PROFILES:
        raise keys.refusal("tls_profile", f"wanted one of {', '.join(PROFILES)}")
    for name, version in (("tls_min_version", min_version), ("tls_max_version", max_version)):
        if version is not None and version not in _VERSIONS:
            raise keys.refusal(name, f"wanted one of {', '.join(_VERSIONS)}")
    lowest = _VERSIONS[min_version or ("1.3" if profile == "modern" else "1.2")]
    highest = _VERSIONS[max_version or "1.3"]
    if lowest > highest:
        raise keys.refusal("tls_max_version", "is below the lowest version", "raise it, or lower tls_min_version")
    context.minimum_version, context.maximum_version = lowest, highest


def _set_ciphers(context: ssl.SSLContext, keys: _Keys, ciphers: str | None) -> None:
    names = (ciphers or _INTERMEDIATE).split(":")
    older = [name for name in names if not name.startswith("TLS_")]
    newer = {name for name in names if name.startswith("TLS_")}
    if ciphers is not None and not older and context.minimum_version is ssl.TLSVersion.TLSv1_2:
        if context.maximum_version is ssl.TLSVersion.TLSv1_2:
            raise keys.refusal("tls_ciphers", "names no suite of TLS 1.2")
        context.minimum_version = ssl.TLSVersion.TLSv1_3  # suites of TLS 1.3 alone were asked for
    if older:
        try:
            context.set_ciphers(":".join(older))
        except ssl.SSLError:
            raise keys.refusal("tls_ciphers", "OpenSSL knows none of these suites") from None
    offered = {str(suite["name"]) for suite in context.get_ciphers() if str(suite["name"]).startswith("TLS_")}
    if newer and offered - newer and context.maximum_version is ssl.TLSVersion.TLSv1_3:
        _LOG.warning("suites of TLS 1.3 cannot be left out and stay offered", suites=":".join(sorted(offered - newer)))


def _set_group(context: ssl.SSLContext, keys: _Keys, groups: str) -> None:
    names = groups.split(":")
    for name in names:
        try:
            context.set_ecdh_curve(_CURVE_NAMES.get(name, name))
        except (ValueError, ssl.SSLError):
            continue
        if len(names) > 1:
            _LOG.warning("only one key exchange group can be offered", key=f"{keys.section}.tls_groups", group=name)
        return
    raise keys.refusal(
        "tls_groups", "OpenSSL knows none of these groups", "add X25519 or secp384r1, or leave the key out"
    )


def _load(context: ssl.SSLContext, keys: _Keys, certificate: Path, private_key: Path) -> None:
    for name, path in (("certificate", certificate), ("private_key", private_key)):
        try:
            read_bounded(path, _MAX_PEM)
        except ConfigError as error:
            raise keys.refusal(name, error.message, "check the path and who may read the file") from None

    def passphrase() -> str:
        raise keys.refusal("private_key", f"{private_key} is encrypted", "write the key without a passphrase")

    try:
        context.load_cert_chain(certificate, private_key, password=passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise keys.refusal("private_key", f"{private_key} is not the key of {certificate}") from None
        raise keys.refusal(
            "certificate", f"{certificate} and {private_key} are not a certificate and its key"
        ) from None
