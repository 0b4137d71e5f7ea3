"""Addresses to listen on, and how many connections there is room for."""

from __future__ import annotations

import resource
import socket

import pytest
from attestack_common.errors import ConfigError
from attestack_common.listening import bind, connections, is_loopback, name_of


@pytest.mark.parametrize(("address", "family"), [("127.0.0.1:0", socket.AF_INET), ("[::1]:0", socket.AF_INET6)])
def test_a_port_is_bound_and_named(address: str, family: int) -> None:
    with bind(address) as listener:
        assert listener.family == family
        assert not listener.getblocking()
        port = listener.getsockname()[1]
        assert name_of(listener) == address.replace(":0", f":{port}")


def test_a_port_that_is_taken_is_said_so() -> None:
    with bind("127.0.0.1:0") as listener:
        listener.listen()
        with pytest.raises(ConfigError, match="cannot listen on 127") as caught:
            bind(name_of(listener))
    assert caught.value.code == "LISTEN"
    assert "another program has this port" in caught.value.advice


@pytest.mark.parametrize(
    "address",
    ["", "8080", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:80", "[::1"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bind(address)
    assert caught.value.code == "LISTEN-ADDRESS"


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "127.9.9.9:1", "[::1]:8080", "[::ffff:127.0.0.1]:1"])
def test_addresses_of_this_machine_alone(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "localhost:80", "", "[::ffff:8.8.8.8]:1"]
)
def test_addresses_that_others_reach(address: str) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize(
    ("descriptors", "each", "room"),
    [(1024, 1, 768), (1024, 3, 256), (100_000, 1, 4096), (2, 3, 1), (resource.RLIM_INFINITY, 3, 4096)],
)
def test_a_quarter_of_the_descriptors_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, each: int, room: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connections(4096, descriptors_each=each) == room
