# Every target sets up what it needs by itself; none needs another one first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SWEEPS := build/sweeps
PARALLEL := --numprocesses=2 --dist=worksteal
ARGS ?=

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

train: $(READY) ## train the default job; more with ARGS="model=transformer heads=1,2,4 -m"
	$(BIN)/python train.py $(ARGS)

test: $(READY) ## run the tests but the slow ones, in two processes; some of them with ARGS="tests/models -k attention"
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(ARGS)

test-all: $(READY) ## run every test
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

publish: $(READY) ## write docs/results.md and the table of README.md; keep studies in results/ first with ARGS="STUDY ..."
	$(BIN)/python -m audio_cls.cli.publish $(ARGS)

bench: $(READY) ## measure and write docs/benchmarks.md; some sections with ARGS="step loop"
	$(BIN)/python -m benchmarks $(ARGS)

sweeps-check: ## step the W&B sweep files with W&B's own engine, in an environment of its own
	test -x $(SWEEPS)/bin/python || $(PYTHON) -m venv $(SWEEPS)
	$(SWEEPS)/bin/python -m pip install --quiet --disable-pip-version-check "sweeps==0.3.0" "numpy<2" pyyaml
	$(SWEEPS)/bin/python -W ignore tests/support/step_sweeps.py --check

lint: $(READY) ## check style with ruff and types with mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(READY) ## put the code into shape with ruff
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean: ## remove the environment; results in outputs/ stay
	rm -rf $(VENV) build *.egg-info

# Made again when the dependencies change. The stamp comes last: an installation that was cut off is repeated.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	@touch $(READY)

.PHONY: help train test test-all publish bench sweeps-check lint format clean
