# Everything a checkout needs. `make demo` and `make test` start from a bare Debian machine.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := cli.py dtvideo pipelines poses tests benchmarks examples

.PHONY: help setup demo test test-slow check format bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## install everything into .venv

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	./scripts/setup.sh $(VENV)
	@touch $@

demo: setup  ## the main job on the pictures of examples/
	mkdir -p out
	$(BIN)/animate examples/hero.png examples/dance.mp4 -o out/hero_dance.mp4 --overwrite

test: setup  ## the tests, a process a core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 4

test-slow: setup  ## the tests that take minutes
	$(BIN)/python -m pytest -q -m slow

check: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## seconds and FLOPs per frame of the demo
	$(BIN)/python benchmarks/frame_cost.py

clean:  ## remove what was built
	rm -rf $(VENV) build dist out *.egg-info
