.PHONY: wire-conformance
wire-conformance: $(STAMP) ## Replay every recorded exchange with the Rust programs; prints expected and got
	@$(BIN)/python -m tests.conformance
