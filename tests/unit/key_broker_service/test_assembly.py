"""How a broker is put together: storages that are shared, trust, switches, and refusals that name file and key."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import AttestackError, ConfigError
from key_broker_service.resource_policy import default_policy
from trustee_core.storage.contract import StorageCorruptError
from trustee_core.storage.local_fs import open_backend

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import Guest, running

if TYPE_CHECKING:
    from pathlib import Path


def local_fs(folder: Path) -> dict[str, Any]:
    return {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": str(folder)}}}


def files(folder: Path) -> set[str]:
    """The files of namespaces; locks and the like lie beside them."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {str(path) for path in paths if not path.parts[0].startswith(".")}


async def refusal(**changes: Any) -> AttestackError:
    with pytest.raises(AttestackError) as caught:
        async with running(**changes):
            pass
    return caught.value


async def test_resources_and_policies_lie_where_upstream_puts_them(tmp_path: Path) -> None:
    async with running(storage_backend=local_fs(tmp_path)) as broker:
        await broker.set_resource("default/key/1", b"bytes")
        await Guest(broker).token()
    assert (tmp_path / "repository" / "default\\x2Fkey\\x2F1").read_bytes() == b"bytes"
    assert (tmp_path / "kbs" / "resource-policy.rego").read_text() == default_policy()
    assert (tmp_path / "kbs_protocol_session" / "session-key").stat().st_mode & 0o077 == 0


async def test_sessions_and_attestation_policies_may_have_a_store_of_their_own(tmp_path: Path) -> None:
    service = {"type": "coco_as_builtin", "storage_type": "memory"}
    storage = local_fs(tmp_path)
    async with running(storage_backend=storage, session_storage_type="Memory", attestation_service=service) as broker:
        await broker.set_resource()
        payload = base64.b64encode(b'{"svn": ["1"]}').decode()
        message = {"version": "0.1.0", "type": "sample", "payload": payload}
        assert (await broker.ask("POST", "reference-value", message)).status == 200
        assert await Guest(broker).token()
    assert files(tmp_path) == {"repository/default\\x2Fkey\\x2F1", "kbs/resource-policy.rego", "reference_value/svn"}


async def test_a_broker_that_was_restarted_goes_on_with_sessions_and_tokens(tmp_path: Path) -> None:
    storage = local_fs(tmp_path)
    async with running(storage_backend=storage) as broker:
        guest = await Guest(broker).auth()
    async with running(storage_backend=storage) as broker:
        guest.broker = broker
        assert (await guest.attest()).status == 200
    async with running(storage_backend=storage) as broker:
        guest.broker = broker
        response = await guest.by_cookie()
        assert (variant(response), code(response)) == ("PolicyDeny", "POLICY-DENY")  # the token is taken
    (tmp_path / "attestation_token_signer" / "signing-key.pem").unlink()
    async with running(storage_backend=storage) as broker:
        guest.broker = broker
        response = await guest.by_cookie()
        assert (variant(response), code(response)) == ("TokenVerifierError", "TOKEN-KEY")


async def test_a_stored_resource_policy_is_never_replaced_at_the_start(tmp_path: Path) -> None:
    backend = open_backend({"dir_path": str(tmp_path)})
    await backend.namespace("kbs").put("resource-policy.rego", b"package policy\n")
    await backend.close()
    async with running(storage_backend=local_fs(tmp_path)):
        pass
    assert (tmp_path / "kbs" / "resource-policy.rego").read_bytes() == b"package policy\n"


async def test_the_tokens_of_the_service_inside_are_trusted_without_a_word() -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        assert guest.open(await guest.by_cookie()) == b"the-secret-bytes"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"storage_backend": {"storage_type": "nosuch"}}, "storage_backend: unknown storage_type `nosuch`"),
        ({"storage_backend": {"storage_type": "Redis"}}, "storage_backend: storage_type Redis is not available"),
        ({"session_storage_type": "Redis"}, "session_storage_type: storage_type Redis is not available"),
        (
            {"attestation_service": {"type": "coco_as_builtin", "storage_type": "Postgres"}},
            "attestation_service.storage_type: storage_type Postgres is not available",
        ),
        (
            {
                "attestation_service": {
                    "type": "coco_as_builtin",
                    "rvps_config": {"type": "GrpcRemote", "address": "//"},
                }
            },
            "attestation_service.rvps_config.address: '//' is not the address of a gRPC peer",
        ),
        (
            {"attestation_service": {"type": "coco_as_grpc", "as_addr": "unix:///as.sock"}},
            "attestation_service.as_addr: 'unix:///as.sock' is not the address of a gRPC peer",
        ),
        (
            {"attestation_service": {"type": "coco_as_grpc"}},
            "[attestation_token] trusts no token at all",
        ),
        (
            {
                "attestation_service": {
                    "type": "coco_as_builtin",
                    "attestation_token_broker": {"signer": {"key_path": "/nosuch/key.pem"}},
                }
            },
            "attestation_service.attestation_token_broker.signer.key_path: /nosuch/key.pem: cannot be read",
        ),
        ({"attestation_token": {"trusted_certs_paths": ["/nosuch/ca.pem"]}}, "attestation_token: /nosuch/ca.pem"),
        ({"admin": {"authorization_mode": "AuthenticatedAuthorization"}}, "admin.authentication.bearer_jwt"),
        ({"plugins": [{"name": "nosuch"}]}, "plugins[0].name: 'nosuch' is not a plugin"),
    ],
)
async def test_what_cannot_be_taken_is_named_by_file_and_key(changes: dict[str, Any], text: str) -> None:
    error = await refusal(**changes)
    assert isinstance(error, ConfigError)
    assert error.message.startswith(f"kbs.toml: {text}"), error.message


async def test_a_sealing_key_that_is_none_stops_the_start(tmp_path: Path) -> None:
    backend = open_backend({"dir_path": str(tmp_path)})
    await backend.namespace("kbs_protocol_session").put("session-key", b"short")
    await backend.close()
    assert isinstance(await refusal(storage_backend=local_fs(tmp_path)), StorageCorruptError)
