# Everything that this project does from a fresh clone. Needs python3 (3.11 or later) with pip; no python3-venv, no root.
# Settings go through the environment: `PORT=9000 make serve`, or `make serve PORT=9000`.

PYTHON ?= python3
VENV := .venv
# All tests run on every core, up to four,; some of them, in one process.
CORES = $(if $(strip $(ARGS)),,-n auto --maxprocesses 4 --dist worksteal)
RUN := $(VENV)/bin/python
# pip of the machine installs into the environment, which has none of its own.
PIP := $(PYTHON) -m pip --python $(RUN) --disable-pip-version-check --quiet
SOURCES := pyproject.toml

.PHONY: help serve cluster test check soak bench format pin clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/serve.stamp ## start the server on http://127.0.0.1:8088
	@exec $(RUN) -m dating serve

cluster: $(VENV)/dev.stamp ## start two workers on a PostgreSQL and a Valkey of their own
	@exec $(RUN) -m tests.cluster $(ARGS)

test: $(VENV)/dev.stamp ## run all tests; ARGS="-k swipe" narrows them
	@exec $(RUN) -m pytest $(CORES) $(ARGS)

check: $(VENV)/dev.stamp ## check format, style, types and layers
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

soak: $(VENV)/dev.stamp ## hurt a cluster for 30 minutes; ARGS="--seconds 60 --seed 7"
	@exec $(RUN) -m tests.faults.referee --kind cluster --seconds 1800 $(ARGS)

bench: $(VENV)/bench.stamp ## measure: messages, cluster, swipes, candidates, sockets
	@exec $(RUN) -m bench $(ARGS)

format: $(VENV)/dev.stamp ## put the code into its format
	$(RUN) -m ruff check --fix-only --quiet .
	$(RUN) -m ruff format .

pin: $(VENV)/dev.stamp ## write requirements/*.txt anew, with the newest versions
	$(PIP) install pip
	$(RUN) requirements/pin.py

clean: ## remove the environment and what the tools left
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*

$(RUN):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed; say which with PYTHON=...")'
	@$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/serve.stamp: requirements/serve.txt $(SOURCES) | $(RUN)
	@echo "Installing the pinned versions into $(VENV), once ..."
	@$(PIP) install --require-hashes -r $<
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp $(VENV)/bench.stamp: $(VENV)/%.stamp: requirements/%.txt $(VENV)/serve.stamp
	@echo "Installing what $* needs into $(VENV), once ..."
	@$(PIP) install --require-hashes -r $<
	@touch $@
