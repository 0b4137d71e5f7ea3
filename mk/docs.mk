.PHONY: docs
docs: $(STAMP) ## Write docs/errors.md, docs/differences.md, docs/security.md and CHANGELOG.md from sources and fragments
	@$(BIN)/python -m tests.house
	@echo "docs: ok"
