REQUIREMENTS := requirements/all.txt
STAMP := $(VENV)/.installed

.PHONY: install requirements
install: $(STAMP) ## Create .venv with the hash-pinned requirements and this project in it
	@echo "install: ok ($$($(BIN)/python --version), $(VENV))"

$(STAMP): $(REQUIREMENTS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "install: $(PYTHON) is $$($(PYTHON) --version); 3.11 or later is needed: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
	  { echo "install: $(PYTHON) cannot make environments: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(REQUIREMENTS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

requirements: ## Pin the requirements again, with hashes and without URLs (run with Python 3.11)
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
	  --extra guest --extra guest-grpc --extra host --extra dev --output-file requirements/all.txt pyproject.toml
	@echo "requirements: ok"
