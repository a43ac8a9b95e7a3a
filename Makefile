# The commands a newcomer types. Each sets up what it needs first; running one twice does the work once.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO ?=
WORKERS ?= logical

.PHONY: help setup demo serve test check lint types imports lock clean

help:  ## What can be typed here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.ready  ## Make .venv with all that the default needs

demo: setup  ## Route real questions over real local models (up to 10 minutes); DEMO="--seed 1" passes options
	$(BIN)/antroute demo $(DEMO)

serve: setup  ## Serve the OpenAI-compatible API on loopback
	$(BIN)/antroute serve

# One thread for each matrix product: more of them wait for each other longer than they calculate.
test: export OMP_NUM_THREADS ?= 1
test: $(VENV)/.ready-dev  ## Run all tests, a worker a core; WORKERS=0 runs them one by one
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(TESTS)

check: lint types imports test  ## Format, lint, types, imports, tests

lint: $(VENV)/.ready-dev
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(VENV)/.ready-dev
	$(BIN)/mypy

imports: $(VENV)/.ready-dev
	$(BIN)/lint-imports

lock: $(VENV)/.ready-dev  ## Write the exact versions of .venv to constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:  ## Remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; say which with PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "Python's venv is missing; on Debian: apt-get install python3-venv"; exit 1; }

# torch goes first and alone: no other package may choose its build.
$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[local]'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
