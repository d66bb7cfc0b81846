# Two commands do everything on a machine with Python 3.11+ and pip:
#   make demo    plays the bundled recordings through an agent and an aggregator
#   make test    runs the tests
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PROTO  := .venv-proto/bin
# An environment without its own pip needs no ensurepip, which some distributions leave out; pip fills it from outside.
fill    = $(PYTHON) -m pip --python $(1)/bin/python --disable-pip-version-check install --quiet --require-hashes -r $(2)

.PHONY: help demo test check format proto proto-check requirements clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 24

$(VENV)/pyvenv.cfg:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Clearway needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.run: requirements/run.txt | $(VENV)/pyvenv.cfg
	$(call fill,$(VENV),requirements/run.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/pyvenv.cfg
	$(call fill,$(VENV),requirements/dev.txt)
	$(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

.venv-proto/.done: requirements/proto.txt
	$(PYTHON) -m venv --without-pip .venv-proto
	$(call fill,.venv-proto,requirements/proto.txt)
	@touch $@

demo: $(VENV)/.run  ## Play a recorded street through agent and aggregator (SOURCE=my.mp4, KEEP=1)
	@PYTHONPATH=.:protos $(BIN)/python -m edge_agent.demo $(if $(SOURCE),--source "$(SOURCE)") $(if $(KEEP),--keep)

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev proto-check  ## Format, lint, types, proto lint, current stubs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: .venv-proto/.done  ## Generate the stubs from protos/
	cd protos && ../$(PROTO)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. clearway/v1/*.proto

proto-check: .venv-proto/.done  ## Lint the protos and check that the stubs are current
	cd protos && ../$(PROTO)/buf lint && ../$(PROTO)/buf format --diff --exit-code
	rm -rf build/stubs && mkdir -p build/stubs
	cd protos && ../$(PROTO)/python -m grpc_tools.protoc -I. --python_out=../build/stubs --pyi_out=../build/stubs \
	  --grpc_python_out=../build/stubs clearway/v1/*.proto
	@for stub in build/stubs/clearway/v1/*; do \
	  cmp "$$stub" "protos/clearway/v1/$$(basename $$stub)" || { echo "stubs are not current: run make proto"; exit 1; }; \
	done

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --no-header
requirements: | $(VENV)/pyvenv.cfg  ## Pin the requirements anew from pyproject.toml
	$(PYTHON) -m pip --python $(BIN)/python install --quiet uv
	$(UV_COMPILE) pyproject.toml --extra agent --extra aggregator --extra dev -o requirements/dev.txt
	$(UV_COMPILE) pyproject.toml --extra agent --extra aggregator -c requirements/dev.txt -o requirements/run.txt
	$(UV_COMPILE) pyproject.toml --extra agent -c requirements/dev.txt -o requirements/agent.txt
	$(UV_COMPILE) pyproject.toml --extra aggregator -c requirements/dev.txt -o requirements/aggregator.txt
	$(UV_COMPILE) requirements/proto.in -o requirements/proto.txt

clean:  ## Remove what make has made
	rm -rf .venv .venv-proto build demo-output
