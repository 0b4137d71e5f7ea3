"""Configuration files: read by their extension, decoded into `msgspec.Struct` types, refused by file and key."""

from __future__ import annotations

from attestack_common.config.decoding import decode, load
from attestack_common.config.documents import load_document

__all__ = ["decode", "load", "load_document"]
