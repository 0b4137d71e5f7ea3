"""The deployments that `make …-kbs` sets up run as they are written, and keep their keys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.integration.independent_rcar_client import Guest, new_key
from tests.integration.kbs_config import policy_document
from tests.integration.processes import Program, Tcp, environment, free_port

if TYPE_CHECKING:
    import pytest

from deploy.setups import __main__ as setups

PATH: Final = "/kbs/v0/resource/default/key/1"
ROOT: Final = Path(__file__).parents[2]


def running(config: Path, port: int) -> Program:
    env = {"ATTESTACK_INSECURE_SAMPLE_EVIDENCE": "1"}
    return Program("kbs", "--strict-config", "-c", config, ready=Tcp(port), env=env)


def test_a_passport_is_issued_and_spent_by_the_two_that_are_set_up(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    issuer = setups.set_up("passport-issuer", tmp_path / "passport-issuer", first)
    resource = setups.set_up("passport-resource", tmp_path / "passport-resource", second)
    with running(issuer, first), running(resource, second):
        guest = Guest(f"http://127.0.0.1:{first}", new_key("P-256"))
        passport = guest.token(guest.auth())
        guest.close()
        admin = {"Authorization": f"Bearer {(resource.parent / 'admin-token').read_text().strip()}"}
        shop = Guest(f"http://127.0.0.1:{second}", guest.key)
        assert shop.send("POST", PATH, b"secret").status == 401
        assert shop.send("POST", PATH, b"secret", **admin).status == 200
        assert shop.send("POST", "/kbs/v0/resource-policy", policy_document(), **admin).status == 200
        assert shop.open(shop.resource("default/key/1", Authorization=f"Bearer {passport}")) == b"secret"
        shop.close()


def test_background_check_is_one_broker_for_both(tmp_path: Path) -> None:
    port = free_port()
    config = setups.set_up("background-check", tmp_path / "kbs", port)
    with running(config, port):
        guest = Guest(f"http://127.0.0.1:{port}", new_key("P-256"))
        challenge = guest.auth()
        guest.token(challenge)
        answer = guest.resource("default/key/1", Cookie=challenge.cookie)
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (401, "PolicyDeny")
        guest.close()


def test_keys_are_kept_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "passport-issuer"
    names = ("key", "key.pub", "token-key", "ca.key", "ca.pem", "chain.pem")
    setups.set_up("passport-issuer", folder, 1)
    before = [(folder / name).read_bytes() for name in names]
    setups.set_up("passport-issuer", folder, 1)
    assert [(folder / name).read_bytes() for name in names] == before
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}


def test_a_broker_of_resources_needs_an_issuer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert setups.main(["passport-resource", str(tmp_path / "passport-resource")]) == 1
    assert "[SETUP-ISSUER]" in capsys.readouterr().err


def test_it_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.setups", "background-check", str(tmp_path / "kbs"), "--port", "8181"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{tmp_path}/kbs/kbs.toml\n"
    assert '"127.0.0.1:8181"' in (tmp_path / "kbs" / "kbs.toml").read_text()
