# Needs Python 3.11 or later, make and a package index; `make` alone lists the targets.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := -m pip --disable-pip-version-check --quiet
# Tests start hundreds of processes: none shall compile our code again.
COMPILED := env -u PYTHONDONTWRITEBYTECODE
# For what is seldom done, in an environment of their own.
TOOLS := $(VENV)/tools
PIN := $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make requirements'

# The protocol of the simulated provider.
PROVIDED := $(if $(PROVIDER),--provider $(PROVIDER))

.DEFAULT_GOAL := help
.PHONY: help run demo test coverage lint check audit bench soak floods fuzz guards requirements sbom

help: ## list these targets
	@sed -n 's/^\([a-z.]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
		do printf '  make %-12s %s\n' "$$name" "$$text"; done

# `exec` and `--parent`: when make ends, however it does, so does everything that it started.
run: .venv ## start everything on this machine, with servers of its own; Ctrl-C stops it
	@exec $(BIN)/gateway dev $(PROVIDED) --parent $$PPID

demo: .venv ## the same, but exit once an order has its PIN; PROVIDER=zdk shows another protocol
	@exec $(BIN)/gateway dev --demo $(PROVIDED) --parent $$PPID

test: check ## check the code, then run every test
	$(COMPILED) $(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

coverage: .venv ## run every test and show the lines that no process has run
	REFERANS_LONG_TESTS=1 $(BIN)/python -m tests.coverage $(ARGS)

lint: check audit ## check the code and its dependencies

check: .venv ## check style, types, import directions and what is installed; needs no network
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pip check

audit: $(TOOLS)/.installed ## look for known vulnerabilities of what is pinned, if their database can be reached
	@.ci/audit $(TOOLS)/bin/pip-audit requirements.txt .ci/requirements-dev.txt

requirements: $(TOOLS)/.installed ## pin what setup.cfg asks for; ARGS=--upgrade takes the newest releases
	$(PIN) $(ARGS) setup.cfg --extra deploy --output-file requirements.txt
	$(PIN) $(ARGS) setup.cfg --extra deploy --extra dev --constraints requirements.txt --output-file .ci/requirements-dev.txt
	$(PIN) $(ARGS) setup.cfg --extra deploy --extra dev --extra bench --constraints .ci/requirements-dev.txt \
		--output-file .ci/requirements-bench.txt
	$(PIN) $(ARGS) .ci/requirements-tools.in --output-file .ci/requirements-tools.txt

sbom: $(TOOLS)/.installed ## write what is pinned for deployment to sbom.json, in the form of CycloneDX
	@$(TOOLS)/bin/cyclonedx-py requirements requirements.txt --output-reproducible --of JSON -o sbom.json
	@echo "Wrote sbom.json."

bench: .venv ## run the benchmarks and print their table
	$(BIN)/python $(PIP) install --require-hashes --requirement .ci/requirements-bench.txt
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: .venv ## run real processes with faults for a long time
	REFERANS_LONG_TESTS=1 $(BIN)/python -m pytest tests/acceptance/test_demo.py tests/gateway/dev/test_servers.py \
		tests/browser/test_ops_page.py tests/gateway/test_log.py tests/gateway/test_signatures.py tests/gateway/providers \
		tests/models/test_codes.py tests/models/test_texts.py tests/models/test_balance_chain.py \
		tests/acceptance/test_killed_at_each_step.py tests/models/test_lifecycle.py tests/models/test_races.py \
		tests/acceptance/test_night.py
	REFERANS_LONG_TESTS=1 REFERANS_FILLED=$(DATA) $(BIN)/python -m pytest -s tests/acceptance/test_among_millions.py
	$(BIN)/python -m pytest tests/acceptance/buildpack.py
	$(BIN)/python -m tests.acceptance.soak $(ARGS)
	$(BIN)/python -m tests.acceptance.soak --protocol zdk --protocol digiflazz --protocol smm_v2 --protocol only_callbacks
	$(BIN)/python -m tests.acceptance.sharing
	$(BIN)/python -m tests.acceptance.stall
	$(BIN)/python -m tests.acceptance.demos
	$(BIN)/python -m tests.acceptance.account_run
	$(BIN)/python -m tests.acceptance.upgrade
	$(BIN)/python -m tests.acceptance.beside
	$(BIN)/python -m tests.acceptance.floods
	$(BIN)/python -m tests.acceptance.fuzz
	$(BIN)/python -m tests.acceptance.described

floods: .venv ## let crowds of slow and greedy clients come over the web, beside others
	$(BIN)/python -m tests.acceptance.floods $(ARGS)

fuzz: .venv ## give every parser and the web inputs that were changed at random
	$(BIN)/python -m tests.acceptance.fuzz $(ARGS)

guards: .venv ## remove each guard from a copy of the code and show which test fails
	$(BIN)/python -m tests.acceptance.guards $(ARGS)

.PHONY: .venv
.venv: $(INSTALLED) ## make the virtual environment, again when its requirements change

# Checks PYTHON itself: with an older one, pip searches long for packages that do not exist.
$(INSTALLED): setup.cfg pyproject.toml .ci/requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later found: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("error: $(PYTHON) is Python %d.%d;'\
	' Referans needs 3.11 or later: make PYTHON=/path/to/python" % v)'
	@echo "Installing into $(VENV), which takes about a minute …"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python $(PIP) install --require-hashes --requirement .ci/requirements-dev.txt
	$(BIN)/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS)/.installed: $(INSTALLED) .ci/requirements-tools.txt
	@$(BIN)/python -m venv --clear $(TOOLS)
	@$(TOOLS)/bin/python $(PIP) install --require-hashes --requirement .ci/requirements-tools.txt
	@touch $@
