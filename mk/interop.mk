# ttRPC against containerd's Go implementation, the Rust crate, and a kernel with vsock. The peers are built once for a
# state of their sources, into a cache outside the tree; `make test` runs the same tests, and builds them if it has to.
.PHONY: interop interop-build interop-pin vsock
interop: $(STAMP) interop-build ## ttRPC against its Go and Rust implementations, in both directions
	@$(BIN)/python -m pytest -q tests/interop
	@echo "interop: ok"

interop-build: $(STAMP) ## Build the Go and Rust peers of the tests, where go and cargo are installed
	@$(BIN)/python -m tests.interop

interop-pin: $(STAMP) ## Pin the crates of the Rust peer again
	@$(BIN)/python -m tests.interop pin
	@echo "interop-pin: ok"

vsock: $(STAMP) ## ttRPC over vsock, on a user-mode Linux kernel (Debian's user-mode-linux)
	@$(BIN)/python -m tests.interop.user_mode
	@echo "vsock: ok"
