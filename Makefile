# `make search` and `make test` need Python 3.11+ and nothing else; each makes .venv if there is none.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# CIFAR-10 where $NAS_DATA says it is, else the built-in image set. DATA=cifar10 without it downloads CIFAR-10.
DATA ?= $(if $(NAS_DATA),cifar10,shapes2)
ARGS ?= --budget 10m --workers 2 --max-macs $(if $(filter shapes2,$(DATA)),4M,8M)

.PHONY: search test slow check lint types docs wheel release clean

search: $(VENV)/.runs
	$(VENV)/bin/nas search --space compact --data $(DATA) $(ARGS)

test: $(VENV)/.tests
	$(VENV)/bin/pytest -n auto

slow: $(VENV)/.tests
	$(VENV)/bin/pytest -m slow

lint: $(VENV)/.tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.tests
	$(VENV)/bin/mypy

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

wheel: $(VENV)/.tests
	$(VENV)/bin/python -m build --outdir dist

release: $(VENV)/.tests
	$(VENV)/bin/pytest -m "slow or not slow" tests/nas/test_release.py

check: lint types docs release test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[ray]'
	touch $@

$(VENV)/.tests: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/.docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) site build dist *.egg-info
