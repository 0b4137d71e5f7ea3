.PHONY: lint format typecheck
lint: $(STAMP) ## Style, format, import layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports > /dev/null || $(BIN)/lint-imports
	@echo "lint: ok"

format: $(STAMP) ## Write the format, and fix what can be fixed
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .
	@echo "format: ok"

typecheck: $(STAMP) ## mypy strict, tests included
	@$(BIN)/mypy $(ROOTS) tests deploy | tail -n 20
	@echo "typecheck: ok"
