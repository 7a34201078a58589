# make env | demo | test | check | docs | science | mutants | bench | live | chaos | soak | fuzz | kafka: each makes the environment first, from the hashed lock.
PYTHON ?= python3
DATA ?= .kymograph
BIN := .venv/bin

.PHONY: env demo test check docs science mutants bench live chaos soak fuzz kafka lock

env: .venv/made

.venv/made: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kymograph needs Python 3.11 or newer: make env PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: env
	$(BIN)/kymograph demo --data $(DATA) $(if $(BART),--bart $(BART))

# Real people are read from ../shared/data or from KYMOGRAPH_REAL_DATA; the last lines say what ran.
test: env
	$(BIN)/coverage erase
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report=
	$(BIN)/coverage report --skip-covered --skip-empty --fail-under=90 | tail -40
	$(BIN)/coverage report --include='science/*' --fail-under=100 > /dev/null || { $(BIN)/coverage report -m --include='science/*'; exit 1; }
	@cat .test-summary

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/kymograph schemas check
	$(BIN)/kymograph mappings check

# The tables of the pages, from the registries.
docs: env
	KYMOGRAPH_WRITE_DOCS=1 $(BIN)/python -m pytest -q tests/house/test_docs.py tests/telemetry/test_metrics.py

# Whether the numbers can be signed: recovery of known traits, coverage of every interval; about 15 minutes on 2 cores.
science: env
	$(BIN)/python -m benchmarks.acceptance --write

# Whether the tests notice small faults in the fold and the kernel; about half an hour on one core.
mutants: env
	$(BIN)/python -m benchmarks.mutation > .mutants.jsonl

bench: env
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.columns

# The worker beside naive Faust, Quix Streams and Bytewax, on a broker of its own; the peers' environments are made in .peers/.
live: env
	$(BIN)/python -m benchmarks.live

# 100,000 events under 30 random faults, judged from outside; about 12 minutes. LONG=1: a million under 200 on three brokers, about 45.
chaos: env
	$(BIN)/python -m benchmarks.chaos $(if $(LONG),--long)

# Ten minutes at 70 % of the worker's capacity for the slope of its memory, two at 200 % for its lag; takes about 15 GB of disk meanwhile.
soak: env
	$(BIN)/python -m benchmarks.soak

# Ten minutes of bytes that no schema has, into the decoders.
fuzz: env
	$(BIN)/python -m benchmarks.fuzz --seconds 600 --without-atheris

kafka: env
	infra/kafka/broker start --dir $(DATA)/kafka --port 9092

lock: env
	$(BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-header --universal --group dev pyproject.toml -o requirements.lock
