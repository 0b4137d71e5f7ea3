"""Logs: one line for each event on standard error, as text or JSON, filtered as `RUST_LOG` says."""

from __future__ import annotations

from attestack_common.logs.logger import Logger, configure, get_logger

__all__ = ["Logger", "configure", "get_logger"]
