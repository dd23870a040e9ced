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
PYTEST := $(BIN)/python -m pytest --dist worksteal --numprocesses

export DAGSTER_HOME := $(CURDIR)/.dagster
export HF_HUB_OFFLINE ?= 1
export DO_NOT_TRACK ?= 1
export BENTOML_DO_NOT_TRACK ?= True
# Else each of the many processes of a demo, a service or the tests would compile torch and Dagster again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# The interpreter that makes .venv, in words that every Python understands.
define REFUSE_OTHER_PYTHONS
import shutil, sys
fitting = ("python3.12", "python3.11")
found = [name for name in fitting if shutil.which(name)] or ["python3.12   (after installing Python 3.12)"]
if "python%d.%d" % sys.version_info[:2] not in fitting:
    sys.exit("fakenews needs Python 3.11 or 3.12, this is %d.%d. Run: make install PYTHON=%s" % (sys.version_info[:2] + (found[0],)))
endef
export REFUSE_OTHER_PYTHONS

# uv reads no settings of pip's. These say where packages come from; pip takes the best version of all indexes.
PIP_TO_UV := s/\\n/ /g; s/=(.) +/=\1/; \
	s/^.*\.index-url=/UV_DEFAULT_INDEX=/p; \
	s/^.*\.extra-index-url=/UV_INDEX_STRATEGY=unsafe-best-match UV_INDEX=/p; \
	/\.find-links=/ y/ /,/; s/^.*\.find-links=/UV_FIND_LINKS=/p; \
	s/^.*\.constraint=/UV_CONSTRAINT=/p; \
	s/^.*\.cert=/SSL_CERT_FILE=/p
UV = set -a; eval "$$($(BIN)/python -m pip config list | sort -r | sed -nE '$(PIP_TO_UV)')"; $(BIN)/uv

# Installs are redone only when what they install has changed.
.venv/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || { $(PYTHON) -c "$$REFUSE_OTHER_PYTHONS" && $(PYTHON) -m venv .venv; }
	@echo "Installing into .venv (half a minute, and what the downloads take)"
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet "$$(grep ^uv== requirements.lock)"
	@$(UV) pip install --quiet --python $(BIN)/python --requirement requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.PHONY: install
install: .venv/.installed  ## Make .venv and install the locked versions

.PHONY: demo
demo: install  ## Run the whole graph on the generated sample (a second run skips what is done)
	@$(BIN)/fakenews demo

.PHONY: check
check: install  ## Check style, layers and the types of changed files, and run the fast tests: before each commit
	@$(MAKE) --no-print-directory --jobs 2 lint-changes fast

.PHONY: fast
fast: install
	@$(PYTEST) $(or $(WORKERS),2) -m "not slow"

.PHONY: test
test: install  ## Check style, layers and types, and run all tests, offline
	@$(MAKE) --no-print-directory --jobs 2 lint suite

.PHONY: suite
suite: install
	@echo "Running the tests"
	@# Slow tests wait for servers and daemons half of their time: three workers keep two processors busy.
	@$(PYTEST) $(or $(WORKERS),3)

.PHONY: style
style: install
	@echo "Checking style, layers, dependencies, workflows and types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/deptry --no-ansi fakenews_assets fakenews_resources bentos
	@$(BIN)/zizmor --offline --quiet .

.PHONY: lint
lint: style  ## Check style, formatting, layers, workflows and types
	@$(BIN)/pyright

# The types of all files take a minute. A changed file can break another one's, which `make lint` finds.
.PHONY: lint-changes
lint-changes: style
	@base=$$(git merge-base HEAD '@{upstream}' 2>/dev/null || git rev-parse HEAD); \
	files=$$(git diff --name-only --diff-filter=d "$$base" -- '*.py'; git ls-files --others --exclude-standard -- '*.py'); \
	test -z "$$files" || $(BIN)/pyright $$files

.PHONY: format
format: install  ## Rewrite the sources in the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# A port that another server has would end in a traceback, or in silence.
define REFUSE_USED_PORT
import socket, sys
target, variable, port = sys.argv[1:]
with socket.socket() as one:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind(("127.0.0.1", int(port)))
    except OSError as error:
        sys.exit(f"Port {port}: {error.strerror}. Stop the server that has it, or take another port: make {target} {variable}={int(port) + 10}")
endef
export REFUSE_USED_PORT

.PHONY: ui
ui: install  ## Open the Dagster UI with its daemon on http://127.0.0.1:3000 (PORT=...)
	@$(BIN)/python -c "$$REFUSE_USED_PORT" ui PORT $(PORT)
	@echo "Dagster UI: http://127.0.0.1:$(PORT)"
	@# From the folder of the instance: elsewhere Dagster warns of a dagster.yaml that it does not read.
	@cd $(DAGSTER_HOME) && env --default-signal=INT,TERM $(CURDIR)/$(BIN)/dg dev --workspace $(CURDIR)/workspace.yaml --host 127.0.0.1 --port $(PORT)

.PHONY: serve
# The log of a service on this machine stays on it, and with titles in it drift is judged by what was asked.
serve: export FAKENEWS_LOG_CONTENT ?= text
serve: export FAKENEWS_SHOW_CORPUS ?= true
serve: install  ## Serve the champion on http://127.0.0.1:3001 (SERVE_PORT=...); takes over new champions by itself
	@$(BIN)/python -c "$$REFUSE_USED_PORT" serve SERVE_PORT $(SERVE_PORT)
	@echo "Page: http://127.0.0.1:$(SERVE_PORT)   API: http://127.0.0.1:$(SERVE_PORT)/docs"
	@env --default-signal=INT,TERM $(BIN)/bentoml serve bentos.fakenews.service:FakeNews --host 127.0.0.1 --port $(SERVE_PORT)

.PHONY: monitor
monitor: install  ## Show traffic, drift and quality on http://127.0.0.1:3002 (MONITOR_PORT=...)
	@$(BIN)/python -c "$$REFUSE_USED_PORT" monitor MONITOR_PORT $(MONITOR_PORT)
	@env --default-signal=INT,TERM $(BIN)/fakenews monitor --port $(MONITOR_PORT)

.PHONY: bench
bench: install  ## Measure against named peers; writes benchmarks/results.md (NEWS=file in WELFake's columns)
	@FAKENEWS_BENCH_NEWS=$(NEWS) $(BIN)/python -m benchmarks

.PHONY: docs
docs: install  ## Build the documentation into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Documentation: site/index.html"

.PHONY: notebook
notebook: install  ## Execute docs/explore.ipynb anew on the store of FAKENEWS_STORAGE (.fakenews, which make demo fills)
	@$(BIN)/python docs/execute_notebook.py

.PHONY: welfake
welfake: install  ## Download the published WELFake data set and run the whole graph on it (needs the internet)
	@$(BIN)/fakenews ingest welfake: --batch welfake --train

# torch's CUDA libraries stay out of the locks: a CPU build needs none, and a CUDA build names its own exactly.
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links
CPU_ALONE := /^(cuda-|triton|nvidia-[^m])/
.PHONY: lock
lock: install  ## Write requirements.lock and the service's part of it, with hashes, anew from pyproject.toml
	@$(LOCK) --all-extras --output-file requirements.lock pyproject.toml
	@sed -i -E '$(CPU_ALONE)d; s/^(torch==[0-9.]+)\+cpu/\1/; 1i # Every version that the tests ran with, for Python 3.11 and 3.12. Written by "make lock".' requirements.lock
	@$(BIN)/python -c 'from fakenews_assets.serving.bento import SERVED; print(*SERVED, sep="\n")' | \
		{ $(LOCK) --generate-hashes --constraint requirements.lock -; } | \
		sed -E '$(CPU_ALONE),/[^\]$$/d; s/^(torch==[0-9.]+)\+cpu/\1/; 1i # What images of the service install: a part of requirements.lock, with hashes. Written by "make lock".' \
		> fakenews_assets/serving/service.lock

.PHONY: clean
clean:  ## Remove .venv and caches, and after asking also data, models and Dagster's state (YES=1 does not ask)
	@rm -rf .venv site *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@made="$(filter-out .dagster/dagster.yaml,$(wildcard .fakenews .dagster/*))"; answer="$(YES)"; test -n "$$made" || exit 0; \
	test -n "$$answer" || read -rp "Remove all batches, models, logs and runs ($$made)? [y/N] " answer || echo; \
	case "$$answer" in \
		[yY1]*) rm -rf $$made ;; \
		*) echo "Kept $$made. To remove without a question: make clean YES=1" ;; \
	esac
