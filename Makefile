# Needs Python 3.11 or later, make and a package index; `make` alone lists what there is.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help run demo test coverage lint bench soak guards

help: ## list these targets
	@sed -n 's/^\([a-z.]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
		do printf '  make %-8s %s\n' "$$name" "$$text"; done

run: .venv ## start everything here, with embedded servers; Ctrl-C stops it
	$(BIN)/gateway dev

demo: .venv ## the same, but end once an order has its PIN
	$(BIN)/gateway dev --demo

test: lint ## check the code, then run every test
	$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

coverage: .venv ## run every test and show the lines that no process has run
	$(BIN)/python -m tests.coverage $(ARGS)

lint: .venv ## style, types, import directions, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pip check

bench: .venv ## run the benchmarks and print their table
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: .venv ## run real processes with faults for a long time
	$(BIN)/python -m tests.acceptance.soak $(ARGS)

guards: .venv ## take each guard out of a copy and show which test falls
	$(BIN)/python -m tests.acceptance.guards $(ARGS)

.PHONY: .venv
.venv: $(INSTALLED) ## make the virtual environment, again when setup.cfg changes

$(INSTALLED): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
