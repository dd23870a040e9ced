#!/usr/bin/env bash
# Measures training and scoring on this machine's GPU in a few minutes; writes benchmarks/results/gpu.json.
# Arguments go to `python -m benchmarks.gpu`, for example `--news FILE`. PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m benchmarks.gpu "$@"
