# One door: every target is one line over the tools in .venv. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test contract check attacks e2e bench docs lock clean
PYTHON ?= python3
BIN := .venv/bin
# The machine's certificates, where it has any: a company's registry is often signed by its own.
UV := $(BIN)/uv $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),--system-certs)
TESTS ?= tests

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | column -t -s "$$(printf '\t')"

setup: .venv/.runtime ## install casemate and its locked dependencies into .venv

setup-dev: .venv/.dev ## the same, with the tools of tests and checks

.venv/.uv: requirements/setup.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/setup.txt
	@touch $@

.venv/.runtime: .venv/.uv requirements/runtime.txt pyproject.toml
	$(UV) pip install --quiet --require-hashes --python $(BIN)/python -r requirements/runtime.txt
	$(UV) pip install --quiet --no-deps --python $(BIN)/python --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	$(UV) pip install --quiet --require-hashes --python $(BIN)/python -r requirements/dev.txt
	@touch $@

run: setup ## install everything and run the examples: the product's main job
	$(BIN)/casemate run examples/ --tour

test: setup-dev ## all tests: unit, golden, conformance, contract, attacks, end to end
	$(BIN)/python -m pytest $(TESTS)

contract: setup-dev ## only the suite that a real kube-apiserver and ours must pass alike
	$(BIN)/python -m pytest tests/contract

check: setup-dev ## format, lint, types, import contracts, spelling, generated files
	sh scripts/check

attacks: setup-dev ## only the attacks from inside the sandbox
	$(BIN)/python -m pytest tests/attacks

e2e: setup-dev ## only the commands as a user types them
	$(BIN)/python -m pytest tests/e2e

bench: setup-dev ## measure against named baselines; writes benchmarks/results
	$(BIN)/python -m benchmarks

docs: setup-dev ## write docs/reference from the code
	$(BIN)/python scripts/reference.py

lock: ## resolve requirements/*.txt with hashes (one week of cool-down)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url requirements/setup.in -o requirements/setup.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url pyproject.toml -o requirements/runtime.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url pyproject.toml requirements/dev.in -o requirements/dev.txt

clean: ## remove what setup made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
