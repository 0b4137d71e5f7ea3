"""A37: a verdict is written once and never turns: not by a race, a restart, or a record that was tampered with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import SECRET, Broker, Guest, running

if TYPE_CHECKING:
    from pathlib import Path


def local_fs(folder: Path) -> dict[str, Any]:
    return {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": str(folder)}}}


def record(folder: Path) -> Path:
    [path] = [path for path in (folder / "kbs_protocol_session").iterdir() if path.name != "session-key"]
    return path


async def test_a37_a_refused_attestation_leaves_nothing_that_could_pass_later(tmp_path: Path) -> None:
    async with running(storage_backend=local_fs(tmp_path)) as broker:
        guest = await Guest(broker).auth()
        bad = guest.evidence()
        bad["tee-evidence"]["primary_evidence"]["report_data"] = "AAAA"
        assert code(await guest.attest(bad)) == "SAMPLE-REPORT-DATA"
    assert [path.name for path in (tmp_path / "kbs_protocol_session").iterdir()] == ["session-key"]
    async with running(storage_backend=local_fs(tmp_path)) as broker:
        guest.broker = broker
        assert code(await guest.by_cookie()) == "TOKEN-MISSING"
        assert code(await guest.attest(bad)) == "SAMPLE-REPORT-DATA"


async def test_a37_a_token_put_into_a_record_is_verified_like_any_other(tmp_path: Path) -> None:
    async with running(storage_backend=local_fs(tmp_path)) as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        path = record(tmp_path)
        stored = json.loads(path.read_text())
        head, claims, signature = stored["Attested"]["token"].split(".")
        for token, expected in (
            (f"{head}.{claims}.{'A' * len(signature)}", "TOKEN-SIGNATURE"),
            ("", "TOKEN-FORMAT"),
        ):
            stored["Attested"]["token"] = token
            path.write_text(json.dumps(stored))
            response = await guest.by_cookie()
            assert (variant(response), code(response)) == ("TokenVerifierError", expected)


async def test_a37_a_record_that_is_damaged_is_never_served(tmp_path: Path) -> None:
    async with running(storage_backend=local_fs(tmp_path)) as broker:
        await broker.ready()
        guest = Guest(broker)
        body = (await guest.auth()).evidence()
        await guest.attest(body)
        for damage in (b"", b"{}", b'{"Authed": {}}', b"\xff"):
            record(tmp_path).write_bytes(damage)
            assert code(await guest.by_cookie()) == "STORAGE-CORRUPT"
            assert code(await guest.attest(body)) == "STORAGE-CORRUPT"


async def test_a37_a_change_of_policy_holds_for_tokens_that_are_out(tmp_path: Path) -> None:
    async def denied(broker: Broker, guest: Guest) -> bool:
        guest.broker = broker
        response = await guest.by_cookie()
        return (response.status, SECRET in response.body) == (401, False)

    async with running(storage_backend=local_fs(tmp_path)) as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        assert guest.open(await guest.by_cookie()) == SECRET
        await broker.set_policy("package policy\nallow := false\n")
        assert await denied(broker, guest)
    async with running(storage_backend=local_fs(tmp_path)) as broker:
        assert await denied(broker, guest)
