"""Addresses of gRPC peers."""

from __future__ import annotations

import pytest
from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import PeerAddress
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "target", "shown", "tls"),
    [
        ("127.0.0.1:50003", "ipv4:127.0.0.1:50003", "http://127.0.0.1:50003", False),
        ("http://127.0.0.1:50003", "ipv4:127.0.0.1:50003", "http://127.0.0.1:50003", False),
        ("http://rvps:50003/", "dns:///rvps:50003", "http://rvps:50003", False),
        ("http://as", "dns:///as:80", "http://as:80", False),
        ("HTTPS://As.Example", "dns:///as.example:443", "https://as.example:443", True),
        ("[::1]:50003", "ipv6:[::1]:50003", "http://[::1]:50003", False),
        ("https://[fe80::2]:1", "ipv6:[fe80::2]:1", "https://[fe80::2]:1", True),
        ("my_rvps.default.svc:50003", "dns:///my_rvps.default.svc:50003", "http://my_rvps.default.svc:50003", False),
        ("localhost:50003", "dns:///localhost:50003", "http://localhost:50003", False),
    ],
)
def test_addresses_are_read(text: str, target: str, shown: str, tls: bool) -> None:  # noqa: FBT001  # a column
    address = PeerAddress.parse(text)
    assert (address.target, str(address), address.tls) == (target, shown, tls)
    assert PeerAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":50003",
        "http://",
        "ftp://rvps:50003",
        "unix:///run/rvps.sock",
        "http://user:secret@rvps:50003",
        "http://rvps:50003/path",
        "http://rvps:50003?a=b",
        "http://rvps:50003#a",
        "rvps:0",
        "rvps:65536",
        "rvps:port",
        "rvps:-1",
        "http://rv ps:1",
        "http://rvps\n:1",
        "[::1%eth0]:1",
        "[::1:1",
        "-rvps:1",
        "a" * 2000,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PeerAddress.parse(text)
    assert caught.value.code == "GRPC-ADDRESS"
    assert len(caught.value.message) < 160


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = PeerAddress.parse(text)
    except ConfigError as error:
        assert error.code == "GRPC-ADDRESS"  # noqa: PT017  # either outcome is right
    else:
        assert 0 < address.port < 65536
        assert PeerAddress.parse(str(address)) == address
