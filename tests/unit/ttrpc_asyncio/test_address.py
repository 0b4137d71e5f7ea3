"""Addresses: the four forms of the Rust crate, and nothing near them."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ttrpc_asyncio import Address, AddressError


@pytest.mark.parametrize(
    ("text", "address", "for_socket"),
    [
        ("unix:///run/a.sock", Address("unix", "/run/a.sock"), (socket.AF_UNIX, "/run/a.sock")),
        ("unix://a.sock", Address("unix", "a.sock"), (socket.AF_UNIX, "a.sock")),
        ("unix://@agent", Address("unix", "@agent"), (socket.AF_UNIX, "\0agent")),
        ("vsock://3:1024", Address("vsock", "3", 1024), (socket.AF_VSOCK, (3, 1024))),
        ("vsock://-1:1024", Address("vsock", "-1", 1024), (socket.AF_VSOCK, (0xFFFF_FFFF, 1024))),
        ("tcp://127.0.0.1:80", Address("tcp", "127.0.0.1", 80), (socket.AF_INET, ("127.0.0.1", 80))),
        ("tcp://[::1]:80", Address("tcp", "::1", 80), (socket.AF_INET6, ("::1", 80))),
    ],
)
def test_addresses_are_read_and_written(text: str, address: Address, for_socket: object) -> None:
    assert Address.parse(text) == address
    assert str(address) == text
    assert address.for_socket() == for_socket


def test_kinds_of_unix_sockets() -> None:
    file, abstract, tcp = map(Address.parse, ("unix:///a", "unix://@a", "tcp://127.0.0.1:1"))
    assert (file.is_file, file.is_abstract) == (True, False)
    assert (abstract.is_file, abstract.is_abstract) == (False, True)
    assert (tcp.is_file, tcp.is_abstract) == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/run/a.sock",
        "unix:@x",
        "unix:/x",
        "UNIX:///x",
        "unix://",
        "unix://@",
        "unix:///a\0b",
        "unix:///\ud800",
        "http://127.0.0.1:80",
        "vsock://3",
        "vsock://3:",
        "vsock://:1",
        "vsock://3:x",
        "vsock://4294967296:1",
        "vsock://1:2:3",
        "vsock://-2:1",
        "vsock://٣:1",
        "tcp://127.0.0.1",
        "tcp://localhost:80",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:-1",
        "tcp://::1:80",
        "tcp://[127.0.0.1]:80",
        "tcp://[::1]",
        "tcp://127.0.0.1:80 ",
    ],
)
def test_what_is_no_address_is_refused_with_advice(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        Address.parse(text)
    assert caught.value.code == "TTRPC-ADDRESS"
    assert caught.value.advice == "write unix:///path, unix://@name, vsock://cid:port or tcp://ip:port"


def test_a_path_has_at_most_107_bytes() -> None:
    assert Address.parse("unix://" + "é" * 53 + "x").host == "é" * 53 + "x"
    with pytest.raises(AddressError, match="more than 107 bytes"):
        Address.parse("unix://" + "é" * 54)


@given(st.text() | st.sampled_from(["unix://", "vsock://", "tcp://"]).flatmap(lambda head: st.text().map(head.__add__)))
def test_any_text_is_an_address_or_the_one_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert Address.parse(str(address)) == address
