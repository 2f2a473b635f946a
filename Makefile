# `make demo` and `make test` need Python 3.11 or newer, git and make; they install the rest into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPEECH ?= ../shared/speech
DEVICE ?= cpu
MODEL ?= english
STREAMS ?= 4 16 32 64
MINUTES ?= 30
SERVER ?= localhost:50051
RECIPE ?= models/training/recipes/english.toml
RUN ?= runs/english

.PHONY: fuzz soak chaos audit docker demo demo-remote test serve check bench protos train evaluate format clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo ## start the server, stream a recording with live captions, stop (AUDIO=file.wav for your own)
	$(BIN)/python clients/samples/demo.py $(if $(AUDIO),"$(AUDIO)")

demo-remote: $(VENV)/.demo ## the same with a server that runs already (SERVER=localhost:50051 AUDIO=file.wav)
	$(BIN)/python clients/samples/demo.py --server $(SERVER) $(if $(AUTHORITY),--root-certificates "$(AUTHORITY)") $(if $(AUDIO),"$(AUDIO)")

test: $(VENV)/.dev ## the whole test suite
	$(BIN)/python -m pytest

serve: $(VENV)/.demo ## the server in the foreground, 127.0.0.1:50051
	$(BIN)/python -m service

check: $(VENV)/.dev ## formatting, lint, types, import contracts, fresh stubs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/protos

soak: $(VENV)/.dev ## mixed load for MINUTES against a server of its own; see docs/reliability.md
	$(BIN)/python tests/reliability/soak.py --minutes $(MINUTES)

chaos: $(VENV)/.dev ## faults one after the other against a server of its own, 20 minutes; see docs/reliability.md
	$(BIN)/python tests/reliability/chaos.py

audit: $(VENV)/.dev ## known weaknesses of the packages in constraints.txt; needs the internet
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'pip-audit>=2.7,<3'
	$(BIN)/python -m pip_audit --requirement constraints.txt --no-deps --disable-pip

bench: $(VENV)/.dev ## streams in real time and the throughput of recordings, on a server of its own (STREAMS="4 16 64" DEVICE=cpu)
	$(BIN)/python tests/benchmarks/bench.py --streams "$(STREAMS)" --device $(DEVICE) $(if $(RECORDINGS),--speech $(RECORDINGS))

fuzz: $(VENV)/.dev ## look for bytes that break the decoders or the converters, for MINUTES
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

protos: $(VENV)/.dev ## generate the gRPC stubs
	$(BIN)/python protos/generate.py

train: $(VENV)/.dev ## train by RECIPE on the corpora in SPEECH into RUN; resumes
	$(BIN)/python -m models.training.train $(RECIPE) --data $(SPEECH) --output $(RUN) --device $(DEVICE)

evaluate: $(VENV)/.dev ## word error rates of MODEL on SPEECH/test-clean
	$(BIN)/python -m models.evaluation.evaluate --model $(MODEL) --data $(SPEECH)/test-clean --device $(DEVICE)

docker: ## build the images and try the compose file; needs a container engine
	deploy/verify.sh $(COMPOSE_FILES)

format: $(VENV)/.dev ## rewrite the sources in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what make has installed
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Hearken needs Python 3.11 or newer; say which with PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml clients/python/pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e 'clients/python[cli]' -e '.[google,riva]'
	@touch $@

$(VENV)/.dev: pyproject.toml clients/python/pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e 'clients/python[cli]' -e '.[train,dev]'
	@touch $@ $(VENV)/.demo
