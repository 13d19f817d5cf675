# Everything that a person or continuous integration runs. A fresh machine needs git, make and Python 3.11.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON := $(or $(PYTHON),$(shell command -v python3.11 || command -v python3))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export PATH := $(CURDIR)/$(BIN):$(PATH)
export MPLBACKEND := Agg
# Work is parallel over batches and tests; inside each, BLAS keeps to one thread so that sums repeat.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
# No tool reports usage to anybody.
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run lab test test-all check bench bench-endpoints reproduce trace schema pins clean

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What the pipeline does is recorded beside the project, unless the user has a trail of their own.
run: export PAT_TRAIL ?= $(CURDIR)/audit/trail.jsonl
run: $(INSTALLED)  ## Run the whole pipeline on data_samples/ and replay a held-out batch
	$(BIN)/python -m pipelines.run

lab: $(INSTALLED)  ## Open the notebooks in Jupyter
	$(BIN)/jupyter lab notebooks

test: check  ## Run the checks and the tests, except those marked slow
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs -m "not slow"
	@echo "Tests marked slow were left out: make test-all runs them too."

test-all: check  ## Run the checks and every test
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs

check: $(INSTALLED)  ## Lint, formatting, who imports whom, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

bench: $(INSTALLED)  ## Print side-by-side figures against peers
	$(BIN)/python -m benchmarks.run

bench-endpoints: $(INSTALLED)  ## Compare end-point rules on simulated blends
	$(BIN)/python -m benchmarks.comparison

# A released folder, or the artefact that `make run` has made.
ARTEFACT ?= models/demo/artefact

reproduce: $(INSTALLED)  ## Rebuild an artefact in a clean checkout and compare (ARTEFACT=models/demo/artefact)
	$(BIN)/python -m pat reproduce $(ARTEFACT)

trace: $(INSTALLED)  ## Make docs/trace.md again from docs/requirements.yaml and the marks of the tests
	$(BIN)/python -m tests.trace

schema: $(INSTALLED)  ## Make models/method.schema.json again from the types in pat/method.py
	$(BIN)/python -c "from pathlib import Path; from pat.files import readable_json, write_bytes; \
	  from pat.method import Method; \
	  write_bytes(Path('models/method.schema.json'), readable_json(Method.json_schema()).encode())"

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--no-emit-index-url --no-header --no-annotate pyproject.toml

pins: $(INSTALLED)  ## Pin again what pyproject.toml asks for (UPGRADE=--upgrade for the newest)
	$(COMPILE) $(UPGRADE) --extra lab --extra live --output-file requirements/lab.txt
	$(COMPILE) $(UPGRADE) --extra lab --extra live --extra dev --output-file requirements/dev.txt

clean:  ## Remove what the tools left behind; the environment, data and results stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -print0 | xargs -0 rm -rf

# uv is fast but knows nothing of pip's settings, so where it cannot reach its index, pip does the work.
# Bytecode is compiled here because the first import of the laboratory takes seconds without it.
$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned requirements into $(VENV) ..."
	@{ $(BIN)/python -m pip install --quiet uv \
	  && $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --requirement requirements/dev.txt \
	  && $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .; } \
	|| { echo "uv could not do it; pip does, which takes some minutes." \
	  && $(BIN)/python -m pip install --quiet --requirement requirements/dev.txt \
	  && $(BIN)/python -m pip install --quiet --no-deps --editable .; }
	@touch $@
