"""The form of an address picks the transport; what others can reach is none."""

from __future__ import annotations

import pytest
from key_broker_client.guest_rpc import GrpcAddress, serving_address
from ttrpc_asyncio import Address, AddressError


@pytest.mark.parametrize("text", ["127.0.0.1:50002", "127.8.9.10:1", "[::1]:50000", "127.0.0.1:0"])
def test_an_ip_of_this_machine_is_grpc(text: str) -> None:
    assert serving_address(text) == GrpcAddress(text)
    assert str(serving_address(text)) == text


@pytest.mark.parametrize("text", ["unix:///run/aa.sock", "unix://@aa"])
def test_a_unix_socket_is_ttrpc(text: str) -> None:
    assert serving_address(text) == Address.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.0.0.0:50002",
        "[::]:50002",
        "10.0.0.1:50002",
        "localhost:50002",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:\u0661",
        "127.1:50002",
        "http://127.0.0.1:50002",
        "tcp://127.0.0.1:50002",
        "vsock://-1:1",
        "unix:x",
        "127.0.0.1:50002\n",
    ],
)
def test_anything_else_is_not_listened_on(text: str) -> None:
    assert serving_address(text) is None


def test_a_unix_address_without_a_path_is_ttrpcs_own_error() -> None:
    with pytest.raises(AddressError):
        serving_address("unix://")
