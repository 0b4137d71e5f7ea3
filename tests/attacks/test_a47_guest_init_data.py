"""A22, A47: init-data that the agent is started with is checked before anything is served, and is one document.

The program as a process: a start that is refused leaves no socket behind, and says which rule was broken.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.guest_machine import Trustee
from tests.integration.independent_ttrpc_client import TtrpcClient, fields, first, text
from tests.integration.processes import Program, Unix, run

if TYPE_CHECKING:
    from pathlib import Path

AGENT = "attestation_agent.AttestationAgentService"
DOCUMENT = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\n"aa.toml" = "x = 1"\n'


def refused(folder: Path, *flags: str) -> str:
    """Start the agent, which must end by itself; what it said."""
    socket = folder / "run" / "aa.sock"
    done = run("attestation-agent", "-a", f"unix://{socket}", *flags, cwd=folder, seconds=20)
    assert done.status == 1
    assert not socket.exists()
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "document",
    [
        "",
        "not = [toml",
        DOCUMENT + DOCUMENT,
        DOCUMENT.replace('"aa.toml"', '"aa.toml" = "y = 2"\n"aa.toml"'),
        DOCUMENT.replace("[data]", "[data]\n[data]"),
        DOCUMENT.replace("sha384", "sha-384"),
        DOCUMENT.replace("sha384", "SHA384"),
        DOCUMENT.replace("sha384", "none"),
        DOCUMENT.replace('"x = 1"', "1"),
        "\ufeff" + DOCUMENT,
        DOCUMENT + "z" + ".a" * 100_000 + " = 1\n",
        DOCUMENT + "# " + "x" * 1024 * 1024,
    ],
    ids=lambda document: repr(document[-24:]),
)
def test_a47_another_document_ends_the_start(tmp_path: Path, document: str) -> None:
    (tmp_path / "init.toml").write_text(document)
    said = refused(tmp_path, "-t", "init.toml")
    assert "[AGENT-INIT-DATA]" in said or "[FILE-SIZE]" in said


@pytest.mark.parametrize("size", [0, 1, 31, 33, 47, 49, 63, 65])
def test_a22_a_digest_of_no_known_size_ends_the_start(tmp_path: Path, size: int) -> None:
    digest = base64.b64encode(b"\x00" * size).decode()
    assert "[AGENT-INIT-DATA]" in refused(tmp_path, f"--initdata-digest={digest}")


@pytest.mark.parametrize("digest", ["=", "AAAA", "a" * 63, base64.urlsafe_b64encode(b"\xff" * 48).decode(), " "])
def test_a22_what_is_no_digest_ends_the_start(tmp_path: Path, digest: str) -> None:
    assert "[AGENT-INIT-DATA]" in refused(tmp_path, f"--initdata-digest={digest}")


def test_a47_the_document_that_was_checked_is_the_one_that_is_appraised(tmp_path: Path) -> None:
    """It is read once: a file that is changed later changes nothing."""
    with Trustee(tmp_path / "trustee") as trustee:
        (tmp_path / "init.toml").write_text(DOCUMENT)
        (tmp_path / "aa.toml").write_text(f'[token_configs.kbs]\nurl = "{trustee.url}"\ntoken_cache = false\n')
        socket = tmp_path / "aa.sock"
        flags = ("-a", f"unix://{socket}", "-c", tmp_path / "aa.toml", "-t", tmp_path / "init.toml")
        with Program("attestation-agent", *flags, ready=Unix(socket)):
            client = TtrpcClient(str(socket))
            for changed in (DOCUMENT, "something else"):
                (tmp_path / "init.toml").write_text(changed)
                document = json.loads(first(fields(client.call(AGENT, "GetToken", text(1, b"kbs")).payload), 1))
                claims = json.loads(base64.urlsafe_b64decode(document["token"].split(".")[1] + "=="))
                evidence = claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
                assert evidence["init_data"] == base64.b64encode(hashlib.sha384(DOCUMENT.encode()).digest()).decode()
                assert evidence["init_data_claims"] == {"aa.toml": {"x": 1}}
            client.close()
