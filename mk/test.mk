.PHONY: test
test: $(STAMP) ## Unit, integration, conformance, attack and property tests, with coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report
	@echo "test: ok"
