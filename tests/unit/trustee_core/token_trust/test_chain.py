"""Whether `x5c` leads to a configured certificate."""

from __future__ import annotations

import base64
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st
from trustee_core.token_trust.chain import MAX_DEPTH, MAX_X5C, decode_x5c, require_endorsed
from trustee_core.token_trust.errors import TokenRefusedError

from tests.unit.trustee_core.token_trust.makers import (
    EC_KEY,
    ED_KEY,
    NOW,
    OTHER_EC_KEY,
    P384_KEY,
    RSA_KEY,
    Authority,
    authority,
)

if TYPE_CHECKING:
    from datetime import datetime

ROOT = authority("root", OTHER_EC_KEY)
LEAF = authority("leaf", EC_KEY, ROOT, ca=None)
DAY = timedelta(days=1)


def endorsed(chain: list[Authority], anchors: list[Authority], now: datetime = NOW) -> bool:
    try:
        found = require_endorsed([each.certificate for each in chain], [each.certificate for each in anchors], now)
    except TokenRefusedError as error:
        assert error.code == "TOKEN-CHAIN"  # noqa: PT017  # the code is asserted in every refusal
        return False
    assert found.leaf == chain[0].certificate
    assert found.not_before <= now <= found.not_after
    return True


def test_a_leaf_below_a_configured_root_is_endorsed() -> None:
    assert endorsed([LEAF], [ROOT])
    assert endorsed([LEAF, ROOT], [ROOT])


@pytest.mark.parametrize("key", [RSA_KEY, P384_KEY, ED_KEY, ec.derive_private_key(5, ec.SECP521R1())])
def test_roots_have_keys_of_several_kinds(key: Any) -> None:
    root = authority("root", key)
    assert endorsed([authority("leaf", EC_KEY, root, ca=None)], [root])


def test_a_self_signed_leaf_is_endorsed_where_it_is_configured() -> None:
    alone = authority("alone", EC_KEY, ca=None)
    assert endorsed([alone], [alone])
    assert not endorsed([alone], [ROOT])
    assert not endorsed([alone], [])


def test_a07_a_root_of_the_same_name_is_another_one() -> None:
    assert not endorsed([LEAF, ROOT], [authority("root", P384_KEY)])
    assert endorsed([LEAF], [authority("root", P384_KEY), ROOT])


def test_intermediates_come_in_any_order_with_others_among_them() -> None:
    one = authority("one", P384_KEY, ROOT)
    two = authority("two", RSA_KEY, one)
    leaf = authority("leaf", EC_KEY, two, ca=None)
    stray = authority("stray", ED_KEY)
    assert endorsed([leaf, one, stray, two], [ROOT])
    assert endorsed([leaf, two, one, ROOT], [stray, ROOT])
    assert not endorsed([leaf, two], [ROOT])
    assert not endorsed([leaf, one], [ROOT])


def test_a07_a_configured_intermediate_is_no_end() -> None:
    middle = authority("middle", P384_KEY, ROOT)
    leaf = authority("leaf", EC_KEY, middle, ca=None)
    assert not endorsed([leaf], [middle])
    assert not endorsed([leaf, ROOT], [middle])
    assert endorsed([leaf], [middle, ROOT])
    assert not endorsed([leaf], [leaf])


@pytest.mark.parametrize("ca", [None, False])
def test_a07_an_issuer_that_is_no_ca_endorses_nothing(ca: bool | None) -> None:  # noqa: FBT001
    middle = authority("middle", P384_KEY, ROOT, ca=ca)
    assert not endorsed([authority("leaf", EC_KEY, middle, ca=None), middle], [ROOT])
    root = authority("root", P384_KEY, ca=ca)
    assert not endorsed([authority("leaf", EC_KEY, root, ca=None)], [root])


def test_an_issuer_whose_key_usage_does_not_allow_to_sign_endorses_nothing() -> None:
    for allowed in (True, False):
        root = authority("root", P384_KEY, key_cert_sign=allowed)
        assert endorsed([authority("leaf", EC_KEY, root, ca=None)], [root]) is allowed


@pytest.mark.parametrize(("path_length", "good"), [(None, True), (1, True), (0, False)])
def test_path_lengths_are_kept(path_length: int | None, good: bool) -> None:  # noqa: FBT001
    root = authority("root", OTHER_EC_KEY, path_length=path_length)
    middle = authority("middle", P384_KEY, root, path_length=0)
    assert endorsed([authority("leaf", EC_KEY, middle, ca=None), middle], [root]) is good
    assert endorsed([authority("leaf", EC_KEY, root, ca=None)], [root])


@pytest.mark.parametrize("which", ["leaf", "middle", "root"])
def test_every_certificate_is_within_its_dates(which: str) -> None:
    def chain(**late: Any) -> tuple[list[Authority], list[Authority]]:
        root = authority("root", OTHER_EC_KEY, **late if which == "root" else {})
        middle = authority("middle", P384_KEY, root, **late if which == "middle" else {})
        leaf = authority("leaf", EC_KEY, middle, ca=None, **late if which == "leaf" else {})
        return [leaf, middle], [root]

    assert endorsed(*chain(not_after=NOW))
    assert not endorsed(*chain(not_after=NOW - timedelta(seconds=1)))
    assert endorsed(*chain(not_before=NOW))
    assert not endorsed(*chain(not_before=NOW + timedelta(seconds=1)))


def test_the_dates_of_a_chain_are_those_that_all_its_certificates_share() -> None:
    root = authority("root", OTHER_EC_KEY, not_before=NOW - DAY, not_after=NOW + 5 * DAY)
    leaf = authority("leaf", EC_KEY, root, ca=None, not_before=NOW - 2 * DAY, not_after=NOW + 2 * DAY)
    found = require_endorsed([leaf.certificate], [root.certificate], NOW)
    assert (found.not_before, found.not_after) == (NOW - DAY, NOW + 2 * DAY)


@pytest.mark.parametrize(
    ("last_of_oid", "digest", "good"),
    [(11, hashes.SHA256(), True), (5, hashes.SHA1(), False), (4, hashes.MD5(), False)],  # noqa: S303  # what is refused
)
def test_weak_digests_sign_nothing(last_of_oid: int, digest: hashes.HashAlgorithm, good: bool) -> None:  # noqa: FBT001
    """The library makes no such certificates, so the algorithm of a good one is changed and it is signed again."""
    root = authority("root", RSA_KEY)
    der = base64.b64decode(authority("leaf", EC_KEY, root, ca=None).x5c)
    sha256_with_rsa = bytes.fromhex("2a864886f70d01010b")
    der = der.replace(sha256_with_rsa, sha256_with_rsa[:-1] + bytes([last_of_oid]))
    signed = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    der = der[:-256] + RSA_KEY.sign(signed, padding.PKCS1v15(), digest)
    (leaf,) = decode_x5c([base64.b64encode(der).decode()])
    assert leaf.signature_hash_algorithm is not None
    assert leaf.signature_hash_algorithm.name == digest.name
    assert endorsed([Authority("leaf", EC_KEY, leaf)], [root]) is good


def test_short_rsa_keys_sign_nothing() -> None:
    root = authority("root", rsa.generate_private_key(65537, 1024))  # noqa: S505  # what is refused
    assert not endorsed([authority("leaf", EC_KEY, root, ca=None)], [root])


def test_a_critical_extension_that_is_not_known_refuses() -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    names = x509.NameConstraints([x509.DNSName("example.com")], None)
    for extension in (odd, names):
        assert not endorsed([authority("leaf", EC_KEY, ROOT, ca=None, extension=extension)], [ROOT])
        root = authority("root", OTHER_EC_KEY, extension=extension)
        assert not endorsed([authority("leaf", EC_KEY, root, ca=None)], [root])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    assert endorsed([authority("leaf", EC_KEY, ROOT, ca=None, extension=usage)], [ROOT])


def test_a_certificate_that_names_an_issuer_it_was_not_signed_by_is_refused() -> None:
    forged = authority("leaf", EC_KEY, authority("mallory", P384_KEY), ca=None, issuer_name="root")
    assert not endorsed([forged, ROOT], [ROOT])


def test_chains_have_a_bounded_length() -> None:
    def chain(length: int) -> list[Authority]:
        issuers = [ROOT]
        for number in range(length - 2):
            issuers.append(authority(f"ca{number}", ec.derive_private_key(20 + number, ec.SECP256R1()), issuers[-1]))
        return [authority("leaf", EC_KEY, issuers[-1], ca=None), *issuers[1:]]

    assert endorsed(chain(MAX_DEPTH), [ROOT])
    assert not endorsed(chain(MAX_DEPTH + 1), [ROOT])


def test_a24_certificates_of_one_name_do_not_multiply_the_work() -> None:
    """Each is signed by the next, which is looked for among all: the right one comes last."""
    keys = [ec.derive_private_key(50 + number, ec.SECP256R1()) for number in range(MAX_X5C)]
    chain = [authority("same", key, Authority("same", signer, LEAF.certificate)) for key, signer in pairwise(keys)]
    leaf = authority("leaf", EC_KEY, chain[0], ca=None)
    with pytest.raises(TokenRefusedError, match="too many ways") as caught:
        require_endorsed([each.certificate for each in [leaf, *reversed(chain)]], [ROOT.certificate], NOW)
    assert caught.value.code == "TOKEN-CHAIN"


def test_an_extension_that_cannot_be_read_refuses() -> None:
    odd = x509.UnrecognizedExtension(x509.BasicConstraints.oid, b"\5\0")
    assert not endorsed([authority("leaf", EC_KEY, ROOT, ca=None, extension=odd)], [ROOT])


@pytest.mark.parametrize(
    "entries", [None, [], {}, "x", [None], [1], [""], ["AAAA"], ["!!"], [LEAF.x5c, "AAAA"], [LEAF.x5c] * (MAX_X5C + 1)]
)
def test_what_is_no_list_of_certificates_is_refused(entries: Any) -> None:
    with pytest.raises(TokenRefusedError) as caught:
        decode_x5c(entries)
    assert caught.value.code == "TOKEN-CHAIN"


def test_a_certificate_of_an_unknown_version_is_refused() -> None:
    der = base64.b64decode(LEAF.x5c)
    version = der.index(bytes.fromhex("a003020102"))
    odd = der[: version + 4] + b"\x32" + der[version + 5 :]
    with pytest.raises(TokenRefusedError) as caught:
        decode_x5c([base64.b64encode(odd).decode()])
    assert caught.value.code == "TOKEN-CHAIN"


def test_entries_are_base64_in_both_alphabets_with_line_breaks() -> None:
    der = base64.b64decode(LEAF.x5c)
    wrapped = "\n".join(LEAF.x5c[at : at + 64] for at in range(0, len(LEAF.x5c), 64)) + "\n"
    url = base64.urlsafe_b64encode(der).rstrip(b"=").decode()
    assert decode_x5c([LEAF.x5c, wrapped, f" {LEAF.x5c} ", url]) == [LEAF.certificate] * 4


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")  # the library still reads those
@given(st.binary(max_size=200), st.integers(0, 400))
@example(b"\x80", 14)
def test_a24_any_bytes_are_a_certificate_or_refused(junk: bytes, at: int) -> None:
    der = base64.b64decode(LEAF.x5c)
    for data in (junk, der[:at] + junk + der[at + len(junk) :]):
        try:
            (certificate,) = decode_x5c([base64.b64encode(data).decode()])
            require_endorsed([certificate], [ROOT.certificate], NOW)
        except TokenRefusedError as error:
            assert error.code == "TOKEN-CHAIN"  # noqa: PT017  # either outcome is right
