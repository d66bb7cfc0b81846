# On a machine with Python 3.11+ and pip, two commands do everything:
#   make demo    plays the bundled recordings through an agent and an aggregator
#   make test    runs the tests
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PROTO  := .venv-proto/bin
QUIET  := --disable-pip-version-check --no-input --quiet

.PHONY: help demo install test bench-edge bench-width bench-ingest check dashboards format proto proto-check requirements clean soak aarch64

help:  ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 24

# An environment at $(1). pip 22.3+ fills it from outside, so that it needs no ensurepip, which some distributions leave
# out; with an older pip, or none, it gets a pip of its own.
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Clearway needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=python3.11 ..." >&2; exit 1; }
	@if $(PYTHON) -m pip --python $(PYTHON) --version >/dev/null 2>&1; then $(PYTHON) -m venv --without-pip $(1); \
	else $(PYTHON) -m venv $(1) || { rm -rf $(1); \
	  echo "$(PYTHON) has neither pip 22.3 or newer nor ensurepip: install one (Debian: python3-pip or python3-venv)" >&2; \
	  exit 1; }; fi
endef
# pip for the environment $(1), whichever way.
pip = $$(test -x $(1)/bin/pip && echo $(1)/bin/python -m pip || echo $(PYTHON) -m pip --python $(1)/bin/python) $(QUIET)
fill = $(call pip,$(1)) install --require-hashes -r $(2)

$(VENV)/pyvenv.cfg:
	$(call environment,$(VENV))

$(VENV)/.run: requirements/run.txt | $(VENV)/pyvenv.cfg
	@echo "installing what the programs need into $(VENV)"
	@$(call fill,$(VENV),requirements/run.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "installing what tests and checks need into $(VENV)"
	@$(call fill,$(VENV),requirements/dev.txt)
	@$(call pip,$(VENV)) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

.venv-proto/.done: requirements/proto.txt
	$(call environment,.venv-proto)
	@$(call fill,.venv-proto,requirements/proto.txt)
	@touch $@

demo: $(VENV)/.run  ## Play a recorded street through agent and aggregator (SOURCE=my.mp4, KEEP=1)
	@PYTHONPATH=.:protos $(BIN)/python config/demo/play.py $(if $(SOURCE),--source "$(SOURCE)") $(if $(KEEP),--keep)

install: $(VENV)/.dev  ## Put clearway-agent and clearway-aggregator into .venv/bin

test: $(VENV)/.dev  ## Run the tests (ARGS="-k footbridge")
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

.PHONY: faults
faults: $(VENV)/.dev  ## Kill, cut, fill, damage and attack for an hour: what docs/promises.md promises (ARGS="-k kill")
	CLEARWAY_FAULTS=long $(BIN)/python -m pytest tests/faults tests/hostile -s $(ARGS)

.venv-ingest/.done: requirements/bench-ingest.txt
	$(call environment,.venv-ingest)
	@$(call fill,.venv-ingest,requirements/bench-ingest.txt)
	@touch $@

bench-ingest: .venv-ingest/.done  ## Measure the aggregator's ingest beside HTTP and MQTT (AGENTS=5000)
	@PYTHONPATH=.:protos .venv-ingest/bin/python tests/benchmarks/ingest/bench.py $(if $(AGENTS),--agents $(AGENTS))

check: $(VENV)/.dev proto-check  ## Format, lint, types, proto lint, current stubs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd config/demo && MYPYPATH=../..:../../protos ../../$(BIN)/mypy --config-file ../../pyproject.toml play.py
	cd config/grafana/source && ../../../$(BIN)/mypy --config-file ../../../pyproject.toml generate.py
	$(BIN)/python config/grafana/source/generate.py --check

dashboards: $(VENV)/.dev  ## Generate the dashboards of config/grafana
	$(BIN)/python config/grafana/source/generate.py

format: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: .venv-proto/.done  ## Generate the stubs from protos/
	cd protos && ../$(PROTO)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. clearway/v1/*.proto

proto-check: .venv-proto/.done  ## Lint the protos and check that the stubs are current
	cd protos && ../$(PROTO)/buf lint && ../$(PROTO)/buf format --diff --exit-code
	@rm -rf build/stubs && mkdir -p build/stubs
	@cd protos && ../$(PROTO)/python -m grpc_tools.protoc -I. --python_out=../build/stubs --pyi_out=../build/stubs \
	  --grpc_python_out=../build/stubs clearway/v1/*.proto
	@for stub in build/stubs/clearway/v1/*; do \
	  cmp "$$stub" "protos/clearway/v1/$$(basename $$stub)" || { echo "stubs are not current: run make proto"; exit 1; }; \
	done

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --no-header
requirements: | $(VENV)/pyvenv.cfg  ## Pin the requirements anew from pyproject.toml
	$(call pip,$(VENV)) install uv
	$(UV_COMPILE) pyproject.toml --extra agent --extra aggregator --extra dev -o requirements/dev.txt
	$(UV_COMPILE) pyproject.toml --extra agent --extra aggregator -c requirements/dev.txt -o requirements/run.txt
	$(UV_COMPILE) pyproject.toml --extra agent -c requirements/dev.txt -o requirements/agent.txt
	$(UV_COMPILE) pyproject.toml --extra aggregator -c requirements/dev.txt -o requirements/aggregator.txt
	$(UV_COMPILE) pyproject.toml --extra aggregator --extra postgresql -c requirements/dev.txt -o requirements/aggregator-postgresql.txt
	$(UV_COMPILE) pyproject.toml --extra agent requirements/benchmarks.in -c requirements/dev.txt -o requirements/benchmarks.txt
	$(UV_COMPILE) pyproject.toml --extra aggregator requirements/bench-ingest.in -c requirements/dev.txt -o requirements/bench-ingest.txt
	$(UV_COMPILE) requirements/proto.in -o requirements/proto.txt

.venv-benchmarks/.done: requirements/benchmarks.txt
	$(call environment,.venv-benchmarks)
	@echo "installing what the benchmarks need into .venv-benchmarks"
	@$(call fill,.venv-benchmarks,requirements/benchmarks.txt)
	@touch $@

bench-edge: .venv-benchmarks/.done  ## What a camera costs on a small box (BENCH_SECONDS=0 without the live part)
	@PYTHONPATH=.:protos .venv-benchmarks/bin/python -m tests.benchmarks.edge.bench

bench-width: $(VENV)/.dev  ## What a clear width costs, beside a raster, and a passage's frame, beside the detector (SUITE=tests/suites/demo.yaml)
	@PYTHONPATH=.:protos $(BIN)/python -m tests.benchmarks.clear_width
	@PYTHONPATH=.:protos $(BIN)/python -m tests.benchmarks.passage_frame $(SUITE)

soak: $(VENV)/.dev  ## Eight hours of media time and a thousand reconnections (minutes)
	CLEARWAY_FAULTS=long $(BIN)/python -m pytest -s tests/soak

.PHONY: bench-recipe
bench-recipe: .venv-benchmarks/.done  ## Score the common recipe, a tracker and time in a polygon (SUITE=tests/suites/demo.yaml)
	@PYTHONPATH=.:protos .venv-benchmarks/bin/python tests/benchmarks/baseline_recipe.py $(or $(SUITE),tests/suites/demo.yaml)

.PHONY: bench-bridges
bench-bridges: $(VENV)/.dev  ## Score the agent on made footbridges that nobody tuned on (SEEDS=0-23, VIEW=along|beside|cut|recorded, minutes)
	@PYTHONPATH=.:protos $(BIN)/python -m tests.made_bridges $(or $(SEEDS),0-23) $(VIEW)

aarch64: $(VENV)/.dev  ## Install and replay on an emulated 64-bit ARM Debian (root, an hour at worst)
	PYTHON=$(BIN)/python PIP="$(PYTHON) -m pip" tests/aarch64/install_and_replay.sh

clean:  ## Remove what make has made
	rm -rf .venv .venv-proto .venv-ingest .venv-benchmarks build demo-output
