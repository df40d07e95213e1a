# `make demo` and `make test` do all their own set-up; they need Python >= 3.10 with pip, make and git.
#
#   VENV=.venv      where the virtual environment goes
#   PYTHON=python3  which interpreter makes it
#   WORKERS=3       test processes: of two cores, a third uses what the others leave while they wait
#   ARGS=...        more arguments for pytest or the demo
#   LIVE=1          make demo: the real API (needs PARALLEL_API_KEY, costs money)
#   SET=oldest      which versions are installed: the oldest that pyproject.toml claims (constraints-oldest.txt),
#   SET=newest      or the newest there are today; unless set, those of constraints.txt
#   WHEEL=1         test the wheel that `make dist` built, not this checkout
#   PART=2/3        make test-rest: the second of three equal parts of it
#   COVERAGE=1      measure what the tests reach (`make coverage` does both, and reports)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-exhaustive test-rest test-oldest test-newest test-wheel coverage crash-matrix docs outputs site \
        environment drift real-clients engines mutants install-lines lint format types public-types bench dist \
        constraints clean

VENV    ?= .venv$(addprefix -,$(SET))$(if $(WHEEL),-wheel)
WORKERS ?= 3
BIN     := $(abspath $(VENV))/bin
SUPPORTED := import sys; sys.exit(sys.version_info < (3, 10))
# Of those that constraints.txt has been tried with; a later one has to be named.
TRIED   := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))
PYTHON  ?= $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11 python3.10; do \
             "$$p" -c '$(TRIED)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
COMMA   := ,

# pip reads these from the environment, so that they also hold for what it fetches to build a package:
# before pip 25.3 the first does that, since then the second.
PINS_        := constraints.txt
PINS_oldest  := constraints-oldest.txt
PINS         := $(PINS_$(SET))
PIP          = $(if $(PINS),PIP_CONSTRAINT=$(PINS) PIP_BUILD_CONSTRAINT=$(PINS)) \
               $(BIN)/python -m pip --disable-pip-version-check --quiet

# The wheel is tested from a tree that has the tests, but not the package: no process that a test starts
# can import the checkout's copy by accident. `tests/test_installed.py` proves it.
TREE    := $(if $(WHEEL),build/tree,.)
RUN      = cd $(TREE) && env $(if $(WHEEL),-u PYTHONPATH) WHEEL=$(WHEEL) $(BIN)/python
PYTEST   = $(RUN) -m $(if $(COVERAGE),coverage run -m) pytest -n $(WORKERS)

help: ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

setup: $(VENV)/dev.stamp ## an environment with all tools; the other targets make what they need, too

environment: $(VENV)/test.stamp

demo: $(VENV)/demo.stamp ## a research conversation against the simulator (LIVE=1: the real API)
	$(BIN)/python -m langchain_parallel demo $(if $(LIVE),--live) $(ARGS)

test: $(VENV)/test.stamp ## every property on one case at least; README, docs and notebooks included
	$(PYTEST) $(ARGS)

test-exhaustive: $(VENV)/test.stamp ## the same with all cases: every database, kill, fault and way
	$(PYTEST) --exhaustive $(ARGS)

test-rest: $(VENV)/test.stamp ## what `make test` leaves out: with it, all that test-exhaustive runs
	$(PYTEST) --rest $(addprefix --part ,$(PART)) $(ARGS)

docs: $(VENV)/test.stamp ## run every block of README and docs, and every notebook
	$(PYTEST) tests/test_docs.py tests/test_notebooks.py $(ARGS)

site: $(VENV)/docs.stamp ## build the documentation site into build/site/html, strictly
	$(RUN) docs/site/build.py build/site

outputs: $(VENV)/test.stamp ## write what blocks and cells print (ARGS=docs/guides/tool.md), and the pages made from code
	$(RUN) -m tests.reference_pages
	$(RUN) -m tests.shown_outputs $(ARGS)

crash-matrix: $(VENV)/test.stamp ## kill real processes everywhere, several hundred times (ARGS=--help)
	$(RUN) -m tests.crash.matrix --promised $(ARGS)

mutants: $(VENV)/test.stamp ## change the package in small ways, and print what no test sees (ARGS=--help)
	$(RUN) -m tests.mutants $(ARGS)

test-oldest: ## the suite with the oldest versions pyproject.toml claims
	$(MAKE) test SET=oldest

test-newest: ## the suite with the newest versions there are today
	rm -f .venv-newest*/*.stamp
	$(MAKE) test SET=newest

test-wheel: dist ## the suite against the wheel, installed into an environment of its own
	$(MAKE) test WHEEL=1

coverage: dist ## the same, with what it reaches, in the processes that tests start, too
	rm -f build/tree/.coverage*
	$(MAKE) test WHEEL=1 COVERAGE=1
	.venv-wheel/bin/python -m coverage combine --quiet build/tree
	.venv-wheel/bin/python -m coverage report

bench: $(VENV)/test.stamp ## measure, ten minutes at the most, and write docs/explain/benchmarks.md (NAME=batch, ARGS=--full)
	$(RUN) -m benchmarks $(NAME) $(ARGS)

drift: $(VENV)/test.stamp ## what differs from an OpenAPI document of the API: make drift ARGS=openapi.json
	$(RUN) -m tests.drift $(ARGS)

real-clients: $(VENV)/test.stamp ## the official SDKs, LangChain package and command line against the simulator
	$(RUN) -m tests.real_clients $(ARGS)

engines: $(VENV)/test.stamp ## rows on Dask, Ray, Spark, Prefect and DBOS, each with a process killed
	$(RUN) -m tests.real_clients 'rows on' $(ARGS)

install-lines: ## run every `pip install` of README, docs and Compose files in a bare environment
	$(PYTHON) .ci/install_lines.py $(ARGS)

lint: $(VENV)/dev.stamp ## ruff and the import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/dev.stamp ## mypy --strict
	$(BIN)/mypy --strict langchain_parallel tests

public-types: $(VENV)/dev.stamp ## whether every public name has a type for those who install the wheel
	@test -d .venv-wheel || { echo "There is no wheel installed: run make test-wheel first"; exit 1; }
	env -u PYTHONPATH PATH="$(abspath .venv-wheel/bin):$$PATH" \
	  $(BIN)/pyright --verifytypes langchain_parallel --ignoreexternal

dist: $(VENV)/dev.stamp ## build sdist and wheel into dist/, and look into them
	rm -rf dist build
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python .ci/contents.py dist build/tree

# uv resolves for every Python and platform at once, which pip cannot; nothing else needs it.
constraints: $(BIN)/python ## pin today's newest versions, and the oldest with what goes with them
	$(BIN)/python -m pip --disable-pip-version-check install --quiet uv
	echo "--editable ." | $(COMPILE) --group newest --group docs --output-file constraints.txt
	$(BIN)/python .ci/floors.py > $(VENV)/floors.txt
	echo "--editable ." | $(COMPILE) --constraint $(VENV)/floors.txt --output-file constraints-oldest.txt

# The groups ask for extras of this package: they are this checkout's, not those of its name on the index.
COMPILE = $(BIN)/uv pip compile - --universal --python-version 3.10 --upgrade --group test --group dev \
          --no-emit-package langchain-parallel --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

clean: ## remove what the targets above made
	rm -rf .venv .venv-* .ci/out build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems ship Python without ensurepip; there the pip they do have fills the environment.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 to 3.14 found; name one: make PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c '$(SUPPORTED)' || { echo "$(PYTHON) is older than Python 3.10"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) (once; a minute or so)"
	@"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 || { \
	  rm -rf $(VENV) && "$(PYTHON)" -m venv --without-pip $(VENV) && \
	  "$(PYTHON)" -m pip --python $(BIN)/python install --quiet pip; }

# An extra for the demo, groups of pyproject.toml for all else. The oldest versions go without what is only tested
# beside the newest. The pip that comes with a Python may be too old to read groups.
$(VENV)/demo.stamp: EXTRA = [demo]
$(VENV)/%.stamp: GROUPS = $* $(if $(filter oldest,$(SET)),,newest)
$(VENV)/demo.stamp: GROUPS =
$(VENV)/%.stamp: pyproject.toml $(PINS) $(if $(WHEEL),$(TREE)/pyproject.toml) | $(BIN)/python
	@$(if $(WHEEL),$(PIP) uninstall --yes langchain-parallel)
	$(if $(GROUPS),$(PIP) install $(if $(filter newest,$(SET)),--upgrade) 'pip>=25.1')
	$(PIP) install $(if $(filter newest,$(SET)),--upgrade --upgrade-strategy eager) $(addprefix --group ,$(GROUPS)) \
	  $(if $(WHEEL),"$$(ls dist/*.whl)$(EXTRA)",--editable '.$(EXTRA)')
	@touch $@

build/tree/pyproject.toml:
	@echo "There is no wheel to test: run make dist first"; exit 1
