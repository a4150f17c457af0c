# What one does with a checkout. Needs Python 3.11 to 3.13, git and make; everything else is installed into .venv.
# `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
# Another interpreter: make setup PYTHON=python3.12. Without it the first of these that is 3.11 to 3.13.
PYTHON ?=
CANDIDATES := python3 python3.13 python3.12 python3.11
# Only `make lock` needs uv.
UV ?= uv
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate \
	--custom-compile-command "make lock"
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock clean distclean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/stamp.dev ## Install everything, the tools of the checks included, into .venv

demo: $(VENV)/stamp.runtime ## Play one school day of a trust of 48 academies, from its sources to the answer
	@$(BIN)/rollcall demo

# Three processes, each with a stack of its own (1.5 GB and more); a file's tests stay together. With two, a third of two cores idled; a
# fourth leaves nothing idle, and was not seen to be faster.
test: check ## Every check and every test
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 40

check: $(VENV)/stamp.dev ## The checks that read code: style, types, import rules, schema compatibility
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/rollcall schemas check

bench: $(VENV)/stamp.runtime ## Measure: rollcall bench --help tells what else can be measured
	@$(BIN)/rollcall bench e2e --shape registers --marks 3000000 --json

lock: ## Choose versions and write their hashes to requirements/ again (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv (pip install uv, or UV=path)" >&2; exit 2; }
	$(LOCK) $(LOCKFLAGS) --output-file requirements/runtime.txt pyproject.toml requirements/build.in
	$(LOCK) $(LOCKFLAGS) --output-file requirements/dev.txt --constraint requirements/runtime.txt \
		--group dev pyproject.toml requirements/build.in

clean: ## Stop the embedded stack of this folder and remove what was made here, .venv aside
	@if [ -f .rollcall/stack.json ] && [ -x $(BIN)/rollcall ]; then $(BIN)/rollcall down; fi
	rm -rf .rollcall build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache ./*.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## The same, and .venv
	rm -rf $(VENV)

# First the pins, every file checked against its hash, then the package itself: pip refuses an editable install in a list
# with hashes, and no isolation because the build backend is pinned as well.
$(VENV)/stamp.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --only-binary :all: --require-hashes --requirement requirements/runtime.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/stamp.dev: requirements/dev.txt $(VENV)/stamp.runtime
	$(PIP) install --quiet --only-binary :all: --require-hashes --requirement requirements/dev.txt
	@touch $@

$(BIN)/python:
	@for python in $(or $(PYTHON),$(CANDIDATES)); do \
		if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
			echo "$$($$python --version), into $(VENV)"; \
			$$python -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); echo "$$python cannot make a virtual environment (Debian, Ubuntu: apt install python3-venv)" >&2; \
			exit 2; \
		fi; \
	done; \
	echo "Rollcall needs Python 3.11, 3.12 or 3.13; none among: $(or $(PYTHON),$(CANDIDATES)). Say which: make PYTHON=/path/to/python3.12 ..." >&2; \
	exit 2
