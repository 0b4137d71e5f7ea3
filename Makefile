# Each target ends with one readable line. The targets live in mk/, one file for each concern.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOTS := protocol common client guest/aa guest/cdh guest/rest host/core host/rvps host/as host/kbs lab cli

include mk/*.mk

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile mk/*.mk | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'
