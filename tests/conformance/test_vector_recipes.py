"""Vectors that are made from files of another form."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.vector_recipes import RECIPES, REPORT, REPORT_OF, Recipe
from tests.conformance.vectors import manifest, vector

ONE_OF = RECIPES["one certificate of it, as PEM"]
CHAIN = RECIPES["with root.der beside it, as PEM"]
HEADER = RECIPES["a header value, URL-decoded"]
EVIDENCE = RECIPES["its evidence, decoded"]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_note_of_a_file_in_a_repository_has_a_recipe() -> None:
    notes = {origin["note"] for origin in manifest().values() if origin["repository"] and "note" in origin}
    assert notes == RECIPES.keys()


@given(st.sampled_from([*RECIPES.values(), REPORT]), st.binary())
def test_any_source_gives_what_was_meant_or_nothing(recipe: Recipe, source: bytes) -> None:
    sources = [source] * (1 + len(recipe.beside))
    assert recipe.made(sources, sha256(b"meant")) is None


def test_a_header_value_is_found_among_others() -> None:
    source = b'a := "x%20y"\nb := "no escape"\nc := "%C3%A4"\n'
    assert HEADER.made([source], sha256(b"x y")) == b"x y"
    assert HEADER.made([source], sha256("ä".encode())) == "ä".encode()
    assert HEADER.made([source], sha256(b"no escape")) is None


@pytest.mark.parametrize("size", range(4))
def test_evidence_is_found_in_a_request(size: int) -> None:
    data = b"\xff" * size
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    source = json.dumps({"verification_requests": [{"evidence": ""}, {"evidence": text}]}).encode()
    assert EVIDENCE.made([source], sha256(data)) == data


@pytest.mark.vectors
def test_certificates_are_found_in_a_bundle_and_put_together() -> None:
    bundle = vector("trust-anchors/amd/bundles/genoa_ask_ark_asvk.pem").read_bytes()
    blocks = [block + b"-----END CERTIFICATE-----\n" for block in bundle.split(b"-----END CERTIFICATE-----\n")[:-1]]
    assert len(blocks) == 3
    for block in blocks:
        assert ONE_OF.made([bundle], sha256(block)) == block
    der = base64.b64decode(b"".join(blocks[0].splitlines()[1:-1]))
    assert ONE_OF.made([der], sha256(blocks[0])) == blocks[0]
    assert CHAIN.made([der, blocks[1]], sha256(blocks[0] + blocks[1])) == blocks[0] + blocks[1]


@pytest.mark.vectors
def test_a_report_is_made_of_its_evidence() -> None:
    name = "snp/upstream/e2e-report-genoa-v3.bin"
    source = REPORT_OF.match(manifest()[name].get("note", ""))
    assert source is not None
    evidence = vector(source["vector"]).read_bytes()
    assert REPORT.made([evidence], manifest()[name]["sha256"]) == vector(name).read_bytes()
