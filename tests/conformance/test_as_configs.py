"""Configuration files of the field for `grpc-as`, `restful-as` and `rvps`: taken, or stopped for a named reason.

What the Rust programs do with each is in the README of the vectors. `/opt` and `/etc` of the files are not touched:
storage is put into memory, or into the test's folder. An RVPS is looked for on a port of loopback where nobody listens.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from attestack_common.errors import ConfigError
from attestation_service.assembly import standalone
from attestation_service.command_line import read_config
from attestation_service.config import RemoteRvps, StorageConfig
from reference_value_provider import client
from reference_value_provider.config import RvpsConfig, load

from tests.conformance.vectors import vector
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.vectors

STARTS: Final = ("kubernetes/as-config.json", "as/example1.json")
STOPS: Final = {
    # upstream asks for the RVPS before it reads the certificate, which is not there either
    "compose/as-config.json": ("FILE-READ", "attestation_token_broker.signer.cert_path: /opt/confidential-"),
    "as/config.json": ("STORAGE-TABLE", "Local FS configuration is required"),
    "as/example2.json": ("FILE-READ", "attestation_token_broker.signer.cert_path: /etc/cert.pem"),
    "as/example_with_tpm_verifier.json": ("STORAGE-TABLE", "Local FS configuration is required"),
}


async def start(name: str, **changes: Any) -> None:
    """Start on the file; storage that only says where data is kept is put into memory."""
    path = vector(f"configs/{name}")
    config = read_config(path)
    if "backends" in json.loads(path.read_text()).get("storage_backend", {}):
        changes["storage_backend"] = StorageConfig()
    async with standalone(msgspec.structs.replace(config, **changes), source=str(path)) as service:
        assert len(await service.policies()) == 4


@pytest.mark.parametrize("name", STARTS)
async def test_a_file_of_the_field_starts(name: str) -> None:
    await start(name)


@pytest.mark.parametrize("name", STOPS)
async def test_a_file_of_the_field_stops_with_its_reason(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await start(name)
    assert (caught.value.code, STOPS[name][1] in caught.value.message) == (STOPS[name][0], True), caught.value


async def test_the_file_of_the_published_cluster_stops_for_an_rvps_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.3)
    config = read_config(vector("configs/compose/as-config.json"))
    assert config.rvps_config == RemoteRvps(address="http://rvps:50003")
    broker = msgspec.structs.replace(config.attestation_token_broker, signer=None)
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ConfigError) as caught:
        await start("compose/as-config.json", attestation_token_broker=broker, rvps_config=RemoteRvps(address=nobody))
    assert caught.value.code == "RVPS-UNREACHABLE"
    assert f"as-config.json: rvps_config.address: the RVPS {nobody} cannot be reached" in caught.value.message


def test_the_rvps_file_of_the_published_cluster_is_taken() -> None:
    older = load(vector("configs/compose/rvps.json"), strict=True)
    folder = "/opt/confidential-containers/attestation-service/reference_values"
    assert older.storage.storage_type == "LocalFs"
    assert older.storage.backends == {"local_fs": {"dir_path": folder}}
    assert older == RvpsConfig(storage=older.storage)


def test_rvps_starts_on_the_file_of_the_published_cluster(tmp_path: Path) -> None:
    document = json.loads(vector("configs/compose/rvps.json").read_text())
    document["storage"]["file_path"] = str(tmp_path / "reference_values")
    config, port = tmp_path / "rvps.json", free_port()
    config.write_text(json.dumps(document))
    with Program("rvps", "-c", config, "-a", f"127.0.0.1:{port}", ready=Tcp(port)) as program:
        assert "have to be registered again" in program.log
    assert (tmp_path / "reference_values" / "reference_value").is_dir()
