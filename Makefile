# `make` alone lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
NEWS ?= ../shared/data/news_sample.csv.gz
PORT ?= 3000
SERVE_PORT ?= 3001
MONITOR_PORT ?= 3002

export DAGSTER_HOME := $(CURDIR)
export HF_HUB_OFFLINE ?= 1
export DO_NOT_TRACK ?= 1
export BENTOML_DO_NOT_TRACK ?= True

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# Installs are redone only when what they install has changed.
.venv/.installed: requirements.lock pyproject.toml
	@echo "Installing into .venv (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

.PHONY: install
install: .venv/.installed  ## Make .venv and install the locked versions

.PHONY: demo
demo: install  ## Run the whole graph on the generated sample (a second run skips what is done)
	@$(BIN)/fakenews demo

.PHONY: test
test: install lint  ## Lint, type-check and run all tests, offline
	@echo "Running the tests"
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

.PHONY: lint
lint: install  ## Check style, formatting, layers and types
	@echo "Checking style, layers and types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/zizmor --offline --quiet .
	@$(BIN)/pyright

.PHONY: format
format: install  ## Rewrite the sources in the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: ui
ui: install  ## Open the Dagster UI with its daemon on http://127.0.0.1:3000 (PORT=...)
	@echo "Dagster UI: http://127.0.0.1:$(PORT)"
	@env --default-signal=INT,TERM $(BIN)/dagster dev --workspace workspace.yaml --host 127.0.0.1 --port $(PORT)

.PHONY: serve
# The log of a service on this machine stays on it, and with titles in it drift is judged by what was asked.
serve: export FAKENEWS_LOG_CONTENT ?= text
serve: install  ## Serve the champion on http://127.0.0.1:3001 (SERVE_PORT=...); takes over new champions by itself
	@echo "Page: http://127.0.0.1:$(SERVE_PORT)   API: http://127.0.0.1:$(SERVE_PORT)/docs"
	@env --default-signal=INT,TERM $(BIN)/bentoml serve bentos.fakenews.service:FakeNews --host 127.0.0.1 --port $(SERVE_PORT)

.PHONY: monitor
monitor: install  ## Show traffic, drift and quality on http://127.0.0.1:3002 (MONITOR_PORT=...)
	@env --default-signal=INT,TERM $(BIN)/fakenews monitor --port $(MONITOR_PORT)

.PHONY: bench
bench: install  ## Measure against named peers; writes benchmarks/results.md (NEWS=file in WELFake's columns)
	@FAKENEWS_BENCH_NEWS=$(NEWS) $(BIN)/python -m benchmarks

.PHONY: docs
docs: install  ## Build the documentation into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Documentation: site/index.html"

.PHONY: welfake
welfake: install  ## Download the published WELFake data set and run the whole graph on it (needs the internet)
	@$(BIN)/fakenews ingest welfake: --batch welfake --train

# torch's CUDA libraries stay out of the lock: a CPU build needs none, and a CUDA build names its own exactly.
.PHONY: lock
lock: install  ## Write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	@sed -i -E '/^(cuda-|triton|nvidia-[^m])/d; s/^(torch==[0-9.]+)\+cpu/\1/; 1i # Every version that the tests ran with, for Python 3.11 and 3.12. Written by "make lock".' requirements.lock

.PHONY: clean
clean:  ## Remove everything that this folder's commands made: data, models, Dagster's state, .venv
	@rm -rf .venv .fakenews .dagster/* *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
