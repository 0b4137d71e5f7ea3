.PHONY: docs
docs: $(STAMP) ## Write the documents that are made from sources and fragments
	@$(BIN)/python -m tests.house
	@echo "docs: ok"
