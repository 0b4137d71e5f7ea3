"""The resource policies that ship with the broker: which tokens they let through."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

import key_broker_service
import pytest
from key_broker_service.resource_policy import default_policy
from trustee_core.policy.regorus import RegorusEngine

from tests.unit.trustee_core.policy.evaluation import ALLOW, decide

STATUS: Final = "ear.status"
RESOURCE: Final = {"plugin": "resource", "resource-path": ["default", "key", "1"], "query": {}}
OTHER_PLUGIN: Final = RESOURCE | {"plugin": "sample"}


def policy(name: str) -> str:
    return resources.files(key_broker_service).joinpath("policies", f"{name}.rego").read_text()


def token(*statuses: Any) -> dict[str, Any]:
    return {"submods": {f"cpu{number}": {STATUS: status} for number, status in enumerate(statuses)}}


def allows(name: str, claims: Any, data: dict[str, Any] | None = None) -> bool:
    value = decide(policy(name), ALLOW, claims=claims, data=RESOURCE if data is None else data)
    assert isinstance(value, bool), "a policy of ours is never undefined"
    return value


MALFORMED: Final = [
    {},
    {"submods": None},
    {"submods": ""},
    {"submods": "cpu0"},
    {"submods": []},
    {"submods": [{STATUS: "affirming"}]},
    {"submods": {}},
    {"submods": {"cpu0": None}},
    {"submods": {"cpu0": "affirming"}},
    {"submods": {"cpu0": ["affirming"]}},
    {"submods": {"cpu0": {}}},
    {"submods": {"cpu0": {"status": "affirming"}}},
    {"submods": {"cpu0": {STATUS: "affirming"}, "gpu0": {}}},
    {"submods": {"cpu0": {STATUS: "affirming"}, "gpu0": None}},
    {STATUS: "affirming"},
    [],
    "affirming",
]
BAD_STATUSES: Final[list[Any]] = [
    None,
    "",
    "none",
    "contraindicated",
    "Affirming",
    "affirming ",
    True,
    2,
    ["affirming"],
    {},
]


def test_the_default_is_the_one_that_is_installed() -> None:
    assert default_policy() == policy("default")


@pytest.mark.parametrize("name", ["default", "allow_all", "deny_all", "affirming"])
async def test_the_policies_pass_their_own_upload(name: str) -> None:
    await RegorusEngine().check(policy(name), [ALLOW])


@pytest.mark.parametrize(
    ("statuses", "default", "affirming"),
    [
        (["affirming"], True, True),
        (["warning"], True, False),
        (["affirming", "warning"], True, False),
        (["affirming", "affirming", "affirming"], True, True),
        (["affirming", "contraindicated"], False, False),
        (["contraindicated", "affirming"], False, False),
        (["none"], False, False),
        (["contraindicated"], False, False),
    ],
)
def test_every_submodule_counts(statuses: list[str], default: bool, affirming: bool) -> None:  # noqa: FBT001
    assert allows("default", token(*statuses)) is default
    assert allows("affirming", token(*statuses)) is affirming
    assert allows("allow_all", token(*statuses)) is True
    assert allows("deny_all", token(*statuses)) is False


@pytest.mark.parametrize("name", ["default", "affirming", "deny_all"])
@pytest.mark.parametrize("claims", MALFORMED)
def test_a20_a_token_that_says_nothing_is_denied(name: str, claims: Any) -> None:
    assert allows(name, claims) is False


@pytest.mark.parametrize("name", ["default", "affirming"])
@pytest.mark.parametrize("status", BAD_STATUSES)
def test_a20_a_status_that_is_not_one_is_denied(name: str, status: Any) -> None:
    assert allows(name, token(status)) is False
    assert allows(name, token("affirming", status)) is False


@pytest.mark.parametrize("data", [{}, {"plugin": None}, {"plugin": ""}, {"plugin": ["resource"]}, OTHER_PLUGIN])
def test_a32_other_plugins_are_closed_unless_the_policy_says_otherwise(data: dict[str, Any]) -> None:
    assert allows("default", token("affirming"), data) is False
    assert allows("allow_all", token("affirming"), data) is False
    assert allows("affirming", token("affirming"), data) is True


def test_the_default_asks_for_at_least_one_submodule() -> None:
    assert allows("default", token()) is False
    assert allows("affirming", token()) is False
    assert allows("allow_all", token()) is True
