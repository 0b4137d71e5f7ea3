# The suite runs in parallel. Coverage is taken in the pytest-xdist workers and in every program that a test starts
# (coverage's subprocess patch), each into a file of its own; `combine` puts them together.
WORKERS ?= auto
FUZZ_SECONDS ?= 60
BENCH_SECONDS ?= 2
export COVERAGE_FILE := $(CURDIR)/.coverage

.PHONY: test coverage fuzz bench bench-smoke demo clean
test: $(STAMP) ## Unit, integration, conformance, attack and property tests, with coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -n $(WORKERS) --dist worksteal
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report --format total > .coverage-total || { $(BIN)/coverage report; exit 1; }
	@echo "test: ok (coverage $$(cat .coverage-total) %, branches counted)"

coverage: $(STAMP) ## What the last `make test` covered, line by line
	@$(BIN)/coverage report
	@echo "coverage: ok"

fuzz: $(STAMP) ## Fuzz every parser of outside bytes, FUZZ_SECONDS (60) each
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

bench: $(STAMP) ## Benchmarks; fails when a stated ratio is missed
	@$(BIN)/python -m tests.bench --seconds $(BENCH_SECONDS)

bench-smoke: $(STAMP) ## Every benchmark for a moment, judging nothing
	@$(BIN)/python -m tests.bench --smoke

demo: $(STAMP) ## A workload gets its secret through attestation; SNP evidence of a real machine is appraised
	@$(BIN)/python -m deploy.demo

clean: ## Remove what the targets made, the environment too
	@rm -rf $(VENV) .coverage .coverage.* .coverage-total .work build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean: ok"
