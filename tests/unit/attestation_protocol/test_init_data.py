"""Init-data: the digest is over exact bytes, and claims come from what the document says."""

from __future__ import annotations

import hashlib

import pytest
from attestation_protocol.errors import InitDataError
from attestation_protocol.init_data import MAX_INIT_DATA, InitData, parse_digest_algorithm
from hypothesis import given
from hypothesis import strategies as st

DOCUMENT = '''version = "0.1.0"
algorithm = "sha384"
[data]
"aa.toml" = """
[token_configs.kbs]
url = "http://127.0.0.1:8080"
"""
"cdh.toml" = "not = toml = at all"
"policy.rego" = """
package agent_policy
policy_data := {
  "containers": [{"OCI": {"Process": {"User": {"UID": 65535}}}}]
}
"""
"other" = "kept"
'''


def test_a_document_and_its_claims() -> None:
    init_data = InitData.parse(DOCUMENT)
    assert init_data.version == "0.1.0"
    assert init_data.digest == hashlib.sha384(DOCUMENT.encode()).digest()
    assert init_data.claims() == {
        "aa.toml": {"token_configs": {"kbs": {"url": "http://127.0.0.1:8080"}}},
        "cdh.toml": "not = toml = at all",
        "agent_policy_claims": {"containers": [{"OCI": {"Process": {"User": {"UID": 65535}}}}]},
        "other": "kept",
    }


def test_a47_one_byte_more_is_another_digest() -> None:
    assert InitData.parse(DOCUMENT).digest != InitData.parse(DOCUMENT + "\n").digest


@pytest.mark.parametrize(
    "policy", ["package p", "policy_data := {", "policy_data := {} trailing", "policy_data := {'a':1}"]
)
def test_a_policy_without_readable_data_stays_text(policy: str) -> None:
    text = f'version = "1"\nalgorithm = "sha256"\n[data]\n"policy.rego" = "{policy}"\n'
    assert InitData.parse(text).claims() == {"policy.rego": policy}


@pytest.mark.parametrize("algorithm", ["sha-384", "SHA384", "md5", ""])
def test_a22_algorithm_names_are_taken_to_the_letter(algorithm: str) -> None:
    with pytest.raises(InitDataError) as caught:
        InitData.parse(DOCUMENT.replace("sha384", algorithm))
    assert caught.value.code == "INIT-DATA"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        'version = "1"',
        'algorithm = "sha256"\n[data]\n',
        'version = 1\nalgorithm = "sha256"\n[data]\n',
        'version = "1"\nalgorithm = "sha256"\ndata = "x"',
        'version = "1"\nalgorithm = "sha256"\n[data]\na = 1\n',
        'version = "1"\nversion = "1"\nalgorithm = "sha256"\n[data]\n',
        b"\xff",
        "a" * (MAX_INIT_DATA + 1),
    ],
)
def test_a24_other_documents_are_refused(text: str | bytes) -> None:
    with pytest.raises(InitDataError):
        InitData.parse(text)


@pytest.mark.parametrize("key", ["z" + ".a" * 100_000, "[z" + ".a" * 100_000 + "]\nx"])
def test_a24_a_document_that_would_take_hours_to_read_is_refused(key: str) -> None:
    with pytest.raises(InitDataError) as caught:
        InitData.parse(f"{key} = 1\n{DOCUMENT}")
    assert caught.value.code == "INIT-DATA"


def test_a24_an_inner_document_that_would_take_hours_to_read_stays_a_text() -> None:
    inner = "z" + ".a" * 100_000 + " = 1"
    document = f'version = "1"\nalgorithm = "sha256"\n[data]\n"aa.toml" = "{inner}"\n"cdh.toml" = "x = 1"\n'
    assert InitData.parse(document).claims() == {"aa.toml": inner, "cdh.toml": {"x": 1}}


def test_the_digest_algorithm_of_older_requests() -> None:
    assert parse_digest_algorithm("SHA512") == "sha512"
    with pytest.raises(InitDataError):
        parse_digest_algorithm("sha1")


@given(st.text(max_size=100) | st.binary(max_size=100))
def test_a24_any_text_is_a_document_or_the_one_error(text: str | bytes) -> None:
    try:
        InitData.parse(text)
    except InitDataError as error:
        assert error.code == "INIT-DATA"  # noqa: PT017  # either outcome is right


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='"\\'), max_size=60))
def test_any_data_becomes_claims(value: str) -> None:
    text = (
        f'version = "1"\nalgorithm = "sm3"\n[data]\n"aa.toml" = "{value}"\n"policy.rego" = "policy_data := {{{value}"\n'
    )
    assert InitData.parse(text).claims()
