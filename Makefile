# Two commands for everybody: `make run` serves Kith from a fresh clone, `make test` checks all of it.
# Needs Python 3.11 or later, make and the package registries; no node, database or Redis.

VENV := .venv/bin
TREE := gateway schema resolvers store providers tests benchmarks

.PHONY: help run install install-dev format check style types suite test bench proof audit web clean

help:
	@echo "make run      install into .venv, migrate, serve http://127.0.0.1:8000 and print a sign-in link"
	@echo "make test     every check and every test; says what it ran against"
	@echo "make check    format, lint, types, import contract, schema snapshot, docs"
	@echo "make format   rewrite what the formatter and the linter can mend"
	@echo "make bench    gateways side by side; the people page beside bare Strawberry, and as it grows (MOST=n); doubles beside splink (LISTS=folder)"
	@echo "make proof    each promised property in full size (LINE=n for one)"
	@echo "make audit    known vulnerabilities of the installed dependencies (asks PyPI)"
	@echo "make web      build the GraphiQL page again"

run: install
	@exec $(VENV)/kith serve

install:
	@.ci/environment demo

install-dev:
	@.ci/environment demo,dev

format: install-dev
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

check: install-dev style types
	$(VENV)/pytest -q tests/test_schema_snapshot.py tests/test_docs.py tests/test_dependencies.py

style:
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/lint-imports

types:
	$(VENV)/mypy

# A file's tests stay together, since they share its servers; the long ones (tests/chaos) come first. Half as many processes again as
# there are processors: tests wait for their servers a third of the time.
PROCESSES := $(shell python3 -c "import os; print(min(6, (3 * (os.cpu_count() or 2) + 1) // 2))")

suite:
	$(VENV)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# The types are checked while the tests run: by itself that takes one processor a minute.
test: install-dev style
	@$(MAKE) --no-print-directory --jobs=2 types suite

bench: install-dev
	$(VENV)/python -m benchmarks $(if $(MOST),--most $(MOST))

proof: install-dev
	$(VENV)/python -m benchmarks.proof $(LINE)

audit: install-dev
	$(VENV)/pip-audit --skip-editable

web: install
	@rm -rf gateway/static
	@.ci/environment demo --again

clean:
	rm -rf .venv gateway/static web/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
