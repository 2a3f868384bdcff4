# make            this list
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak headers clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

# The packages that work with ours are in constraints.txt; torch first, alone, for it is most of the download.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e . $$($(BIN)/python -c \
	  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"])')
	touch $(STAMP)

demo: $(STAMP) ## install into .venv, train on the digits, predict a picture, say where the report is
	$(BIN)/convscope demo

test: $(STAMP) ## the tests that take seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not soak"

check: $(STAMP) ## format, lint, types, the order of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The peers install themselves below .bench, once: some GB. QUICK=1 is under ten minutes without that.
bench: $(STAMP) ## the benchmarks against other frameworks, in turn (hours; make bench QUICK=1: minutes), then their table
	$(BIN)/python benchmarks/all.py $(if $(QUICK),--quick)

soak: $(STAMP) ## the long tests: full counts of kills, flips and runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m soak

headers: $(STAMP) ## make the scores in the bundled recipes' headers anew: hours, nothing else should run
	$(BIN)/python scripts/headers.py

clean: ## remove .venv and what tools left
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
