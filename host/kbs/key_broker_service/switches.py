"""The switches of a configuration that weaken the broker: each is off unless set, and each start says what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trustee_core.token_trust import AuthorizationMode

from key_broker_service.sample_gate import ENVIRONMENT, SWITCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from key_broker_service.config import KbsConfig


def sample_evidence_allowed(config: KbsConfig, environment: Mapping[str, str]) -> bool:
    """Whether the sample gate is open: by its key, or by the environment."""
    return config.insecure_sample_evidence or environment.get(ENVIRONMENT) == "1"


def everyone_is_administrator(config: KbsConfig) -> bool:
    """Whether nobody has to prove to be an administrator."""
    return config.admin.authorization_mode is AuthorizationMode.INSECURE_ALLOW_ALL


def sample_reference_values_allowed(config: KbsConfig) -> bool:
    """Whether the `sample` extractor may be used: by an authenticated administrator, on loopback, or by its switch."""
    on_loopback = config.http_server.on_loopback
    return config.insecure_sample_reference_values or on_loopback or not everyone_is_administrator(config)


def in_force(config: KbsConfig, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the switches that are set, each with what it means."""
    wide = not config.http_server.on_loopback
    reach = "who can reach this broker" if wide else "on this machine"
    meanings = {
        SWITCH: (
            sample_evidence_allowed(config, environment),
            "secrets are released on sample evidence, which proves nothing",
        ),
        "insecure_sample_reference_values": (
            config.insecure_sample_reference_values,
            f"everyone {reach} may say which values are good",
        ),
        "insecure_metrics_resource_names": (
            config.insecure_metrics_resource_names,
            "/metrics shows the names of resources to everyone",
        ),
        "insecure_rsa1_5": (
            config.insecure_rsa1_5,
            "secrets are encrypted with RSA1_5 for guests that ask for it, whose way of opening it can give them away",
        ),
        "attestation_token.insecure_header_jwk": (
            config.attestation_token.insecure_header_jwk,
            "every token is trusted that its own key has signed",
        ),
        "admin.authorization_mode": (
            everyone_is_administrator(config),
            f"everyone {reach} may change secrets and policies",
        ),
        "http_server.insecure_http": (
            config.http_server.insecure_http and wide,
            "administrators' tokens and what they store travel in the clear",
        ),
    }
    return {switch: meaning for switch, (is_set, meaning) in meanings.items() if is_set}
