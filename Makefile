# `make demo` and `make test` do all their own set-up; they need Python >= 3.10 with pip, and make.
#
#   VENV=.venv      where the virtual environment goes
#   PYTHON=python3  which interpreter makes it
#   WORKERS=2       test processes
#   ARGS=...        more arguments for pytest or the demo
#   LIVE=1          make demo: the real API (needs PARALLEL_API_KEY, costs money)

.DEFAULT_GOAL := help
.PHONY: help demo test test-oldest crash-matrix docs lint format types clean

VENV    ?= .venv
WORKERS ?= 2
BIN     := $(VENV)/bin
SUPPORTED := import sys; sys.exit(sys.version_info < (3, 10))
PYTHON  ?= $(shell for p in python3 python python3.13 python3.12 python3.11 python3.10; do \
             "$$p" -c '$(SUPPORTED)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
COMMA   := ,
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet

help: ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

demo: $(VENV)/demo.stamp ## a research conversation against the simulator (LIVE=1: the real API)
	$(BIN)/python -m langchain_parallel demo $(if $(LIVE),--live) $(ARGS)

test: $(VENV)/test.stamp ## the whole suite, README, docs and notebooks included
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

docs: $(VENV)/test.stamp ## run every block of README and docs, and every notebook
	$(BIN)/python -m pytest -n $(WORKERS) tests/test_docs.py tests/test_notebooks.py $(ARGS)

crash-matrix: $(VENV)/test.stamp ## kill real processes everywhere, several hundred times (ARGS=--help)
	$(BIN)/python -m tests.crash.matrix --promised $(ARGS)

test-oldest: ## the suite with the oldest versions pyproject.toml claims
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=.venv-oldest/floors.txt

lint: $(VENV)/dev.stamp ## ruff and the import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/dev.stamp ## mypy --strict
	$(BIN)/mypy --strict langchain_parallel tests

clean: ## remove what the targets above made
	rm -rf .venv .venv-* .ci/out build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems ship Python without ensurepip; there the pip they do have fills the environment.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python >= 3.10 found; name one: make PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c '$(SUPPORTED)' || { echo "$(PYTHON) is older than Python 3.10"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) (once; a minute or so)"
	@"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 || { \
	  rm -rf $(VENV) && "$(PYTHON)" -m venv --without-pip $(VENV) && \
	  "$(PYTHON)" -m pip --python $(BIN)/python install --quiet pip; }

$(VENV)/%.stamp: EXTRAS = $*$(if $(CONSTRAINTS)$(filter demo,$*),,$(COMMA)newest)
$(VENV)/%.stamp: pyproject.toml | $(BIN)/python
	@$(if $(CONSTRAINTS),$(BIN)/python .ci/floors.py > $(CONSTRAINTS))
	$(PIP) install $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable '.[$(EXTRAS)]'
	@touch $@
