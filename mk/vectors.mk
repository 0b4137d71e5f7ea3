# The published vectors that conformance tests are held against are not part of this project: they are fetched from the
# repositories that tests/conformance/manifest.json names, and each is checked by its SHA-256.
.PHONY: vectors
vectors: $(STAMP) ## Fetch the published vectors into a cache, so that no conformance test is skipped for want of one
	@$(BIN)/python -m tests.conformance.fetch_vectors
