"""The switches that weaken the broker: what sets them, and what each start says of them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from key_broker_service import switches

from tests.unit.key_broker_service.inprocess import config, running

ENVIRONMENT = "ATTESTACK_INSECURE_SAMPLE_EVIDENCE"
WIDE: dict[str, Any] = {"insecure_http": True, "sockets": ["127.0.0.1:8080", "0.0.0.0:8080"]}  # never bound
SAFE: dict[str, Any] = {"insecure_sample_evidence": False, "admin": {"authorization_mode": "DenyAll"}}


@pytest.mark.parametrize(
    ("switch", "environment", "allowed"),
    [
        (False, {}, False),
        (False, {ENVIRONMENT: ""}, False),
        (False, {ENVIRONMENT: "true"}, False),
        (False, {ENVIRONMENT: "0"}, False),
        (False, {ENVIRONMENT: "1"}, True),
        (True, {}, True),
        (True, {ENVIRONMENT: "0"}, True),
    ],
)
def test_a11_the_sample_gate_opens_by_its_switch_alone(
    environment: dict[str, str], *, switch: bool, allowed: bool
) -> None:
    chosen = config(insecure_sample_evidence=switch)
    assert switches.sample_evidence_allowed(chosen, environment) is allowed
    assert ("insecure_sample_evidence" in switches.in_force(chosen, environment)) is allowed


@pytest.mark.parametrize(
    ("mode", "socket", "switch", "allowed"),
    [
        ("InsecureAllowAll", "127.0.0.1:8080", False, True),
        ("InsecureAllowAll", "0.0.0.0:8080", False, False),
        ("InsecureAllowAll", "0.0.0.0:8080", True, True),
        ("DenyAll", "0.0.0.0:8080", False, True),
    ],
)
def test_a28_the_sample_extractor_needs_an_administrator_loopback_or_its_switch(
    mode: str, socket: str, *, switch: bool, allowed: bool
) -> None:
    chosen = config(
        http_server={"insecure_http": True, "sockets": [socket]},
        admin={"authorization_mode": mode},
        insecure_sample_reference_values=switch,
    )
    assert switches.sample_reference_values_allowed(chosen) is allowed


def test_a_broker_that_nothing_weakens_says_nothing() -> None:
    assert switches.in_force(config(**SAFE), {}) == {}


@pytest.mark.parametrize(
    ("changes", "switch", "meaning"),
    [
        (
            {"insecure_sample_reference_values": True},
            "insecure_sample_reference_values",
            "everyone on this machine may say which values are good",
        ),
        (
            {"insecure_metrics_resource_names": True},
            "insecure_metrics_resource_names",
            "/metrics shows the names of resources to everyone",
        ),
        (
            {"attestation_token": {"insecure_header_jwk": True}},
            "attestation_token.insecure_header_jwk",
            "every token is trusted that its own key has signed",
        ),
        (
            {"admin": {"authorization_mode": "InsecureAllowAll"}},
            "admin.authorization_mode",
            "everyone on this machine may change secrets and policies",
        ),
        (
            {"http_server": WIDE},
            "http_server.insecure_http",
            "administrators' tokens and what they store travel in the clear",
        ),
    ],
)
def test_each_switch_says_what_it_means(changes: dict[str, Any], switch: str, meaning: str) -> None:
    assert switches.in_force(config(**SAFE | changes), {}) == {switch: meaning}


def test_it_is_said_who_can_reach_the_broker() -> None:
    meanings = switches.in_force(config(http_server=WIDE), {})
    assert meanings["admin.authorization_mode"] == "everyone who can reach this broker may change secrets and policies"


async def test_each_start_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with running():
            pass
    assert [record.message for record in caplog.records if "INSECURE" in record.message] == [
        "INSECURE: secrets are released on sample evidence, which proves nothing (insecure_sample_evidence)",
        "INSECURE: everyone on this machine may change secrets and policies (admin.authorization_mode)",
    ]
