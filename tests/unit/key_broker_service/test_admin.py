"""Administrators through the routes of a whole broker: the recorded tokens, and what they may reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.conformance import wire_table
from tests.conformance.recordings import Step, http_recording
from tests.unit.key_broker_service.fakes import request
from tests.unit.key_broker_service.inprocess import running

if TYPE_CHECKING:
    from pathlib import Path

RECORDING = http_recording("passport/admin-authentication")
WHEN: Final = datetime(2026, 11, 22, 11, 12, 33, tzinfo=UTC)
STEPS: Final = RECORDING.steps
NOT_YET: Final = "not valid yet"


def authenticated(folder: Path) -> dict[str, Any]:
    """`[admin]` as it was when the recording was made."""
    (folder / "admin.pem").write_text(RECORDING.members["admin_public_pem"])
    settings = RECORDING.members["config"]
    provider = settings["identity_provider"] | {"public_key_uri": str(folder / "admin.pem")}
    return {
        "authorization_mode": "AuthenticatedAuthorization",
        "authentication": {"bearer_jwt": {"identity_providers": [provider]}},
        "authorization": {"regex_acl": {"acls": settings["acls"]}},
    }


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.note.replace(" ", "-"))
async def test_administrators_are_let_in_and_refused_as_recorded(step: Step, tmp_path: Path) -> None:
    async with running(admin=authenticated(tmp_path)) as broker:
        broker.now.time = WHEN
        headers = {name: value for name, value in step.request.headers.items if name == "authorization"}
        response = await broker.ask(
            step.request.method, step.request.target.removeprefix("/kbs/v0/"), step.request.body, **headers
        )
        if step.note == NOT_YET:  # upstream does not look at `nbf`: a row of docs/differences.md
            assert (step.response.status, response.status) == (200, 401)
            assert response.body.endswith(b'[ADMIN-TOKEN-NOT-YET]"}')
            on_the_table(step, difference="status 200 -> 401", allowed_by="administrators: `nbf` is not looked at")
            return
        assert response.status == step.response.status
        assert response.content_type == step.response.headers.get("content-type")
        assert response.body.startswith(step.response.body.removesuffix(b'"}'))
        on_the_table(step)


def on_the_table(step: Step, *, difference: str = "", allowed_by: str = "") -> None:
    place = ("passport/admin-authentication", STEPS.index(step))
    wire_table.add(*place, "our server", str(step), difference=difference, allowed_by=allowed_by)


async def test_deny_all_denies_whoever_comes() -> None:
    async with running(admin={"authorization_mode": "DenyAll"}) as broker:
        for target, kind in (("resource/a/b/c", "AdminAuthInitialization"), ("resource-policy", "AdminAuthAccess")):
            response = await broker.ask("POST", target, b"x", authorization="Bearer abc")
            assert response.status == 401
            assert f'/{kind}"'.encode() in response.body
            assert b"Admin access denied as DenyAll authorization_mode is enabled" in response.body
            assert response.body.endswith(b'[ADMIN-DENY-ALL]"}')


async def test_a_granted_administrator_stands_in_the_record(tmp_path: Path) -> None:
    async with running(admin=authenticated(tmp_path)) as broker:
        broker.now.time = WHEN + timedelta(seconds=1)
        records: list[Any] = []
        broker.api._plugins._record = records.append
        [step] = [step for step in STEPS if step.note == "admin"]
        token = step.request.headers.get("authorization") or ""
        await broker.ask("POST", "resource/default/key/1", b"x", authorization=token)
        assert [(record.granted, record.identity) for record in records] == [(True, "admin")]


async def test_access_rules_see_the_target_as_it_was_sent(tmp_path: Path) -> None:
    async with running(admin=authenticated(tmp_path)) as broker:
        broker.now.time = WHEN
        [step] = [step for step in STEPS if step.note == "resource-writer"]
        headers = {"authorization": step.request.headers.get("authorization") or ""}
        for target in ("/kbs/v0/%72esource/a/b/c", "/kbs/v0/resource%2Fa/b/c"):
            response = await broker.api(request("POST", target, b"x", **headers))
            assert response.body.endswith(b'[ADMIN-ROLE]"}')
            assert target.encode() in response.body
