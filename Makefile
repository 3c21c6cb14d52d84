# Needs python >= 3.11 (with venv) and make; everything else is installed into .venv.

.DEFAULT_GOAL := help
.SILENT:
.DELETE_ON_ERROR:
.PHONY: help render test bench lab clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The newest Python that really runs and can make a virtual environment; `make PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo "$$python" && break; done)

help: ## Show this list
	awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

render: $(VENV)/.installed ## Render overlays/ into output/
	$(BIN)/sidecert render

test: $(VENV)/.installed-test $(VENV)/.installed-tools ## Check the style and the types, run every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 3 --dist worksteal

lab: $(VENV)/.installed-test $(VENV)/.installed-tools ## Keep a mesh and its Prometheus up: make lab ENV=prod/eu-1
	$(BIN)/python -m tests.e2e $(ENV)

bench: $(VENV)/.installed-test $(VENV)/.installed-tools $(VENV)/.installed-kapitan ## Measure against helm, kustomize and kapitan
	$(BIN)/python -m tests.bench

clean: ## Remove what these commands installed and cached
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Stamps: each is newer than what it was made from, so a second call does nothing.

$(BIN)/python:
	test -n "$(PYTHON)" || { echo "No Python >= 3.11 with the venv module was found: install it" \
		"(on Debian: python3 and python3-venv), or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	echo "Creating $(VENV) with $(PYTHON)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	echo "Installing sidecert into $(VENV)"
	$(PIP) install --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	echo "Installing sidecert and its test tools into $(VENV)"
	$(PIP) install --editable '.[test]'
	touch $(VENV)/.installed $@

$(VENV)/.installed-tools: tests/tools.py | $(BIN)/python
	echo "Fetching kubectl, helm, prometheus and victoria-metrics into $(VENV)/tools"
	$(BIN)/python -m tests.tools
	touch $@

# Of its own, so that what it asks for stays out of the way of what sidecert asks for.
$(VENV)/.installed-kapitan: tests/bench/kapitan.txt | $(BIN)/python
	echo "Installing kapitan into $(VENV)/kapitan"
	$(BIN)/python -m venv --clear $(VENV)/kapitan
	$(VENV)/kapitan/bin/python -m pip --disable-pip-version-check --quiet install --requirement $<
	touch $@
