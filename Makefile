# What a person or CI types. Needs Python 3.11 or later and access to packages, no more.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# As [dependency-groups] dev in pyproject.toml, which pip learned to read only in 25.1.
PIP_MIN := pip>=25.1
DATA_DIR_OPTION := $(if $(DATA_DIR),--data-dir '$(DATA_DIR)')

.DEFAULT_GOAL := help
.PHONY: help install up down test simulation fuzz check types house faults bench chaos chaos-mutations

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.installed ## Make .venv with every extra and the development tools

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one: make install PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade '$(PIP_MIN)'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@

up: install ## Run everything on this machine (DATA_DIR=... for another folder)
	$(BIN)/tailrace up --detach $(DATA_DIR_OPTION)

down: install ## Stop everything
	$(BIN)/tailrace down $(DATA_DIR_OPTION)

# Which tests stay together tests/conftest.py says. A third process saves little (the tests
# use 1.7 of two processors as it is) and starves agents in a storm. PYTEST_OPTIONS=... for more.
test: install ## Run every test, on real servers that it starts and stops itself
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup $(PYTEST_OPTIONS)

simulation: install ## Try 10,000 seeds of the whole pipeline in one process (SEEDS=... for fewer)
	TAILRACE_SIMULATION_SEEDS=$(or $(SEEDS),10000) $(BIN)/python -m pytest -q tests/simulation/test_simulation.py

fuzz: install ## Give every parser spoiled lines (MINUTES=... SEED=...)
	$(BIN)/python -m tests.stream.fuzz --minutes $(or $(MINUTES),5) --seed $(or $(SEED),0)

check: install ## What every change must pass: lint, format, types, rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory --jobs 2 types house

types: install
	$(BIN)/pyright

house: install
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_fault_table.py

faults: install ## Write docs/faults.md: which test and which mutation hold each case
	$(BIN)/python -m tests.support.fault_table

bench: install ## Measure the whole pipeline, and its ratio to Elasticsearch alone
	$(BIN)/tailrace bench pipeline

chaos: install ## Half an hour of faults at 2,000 lines/s on three of each server (SEED=...)
	$(BIN)/tailrace chaos --minutes 30 --lines-per-s 2000 --seed $(or $(SEED),1)

chaos-mutations: install ## Break each guarantee in real roles, and see chaos turn red
	$(BIN)/python -m tests.end_to_end.chaos.mutations
