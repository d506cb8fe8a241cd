# Two commands matter: `make demo` and `make test`. Everything installs into .venv, wheels only.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all:
DEMO ?=
BENCH ?=
JOBS ?= 2
SEED ?=
SIM ?=

.PHONY: demo test check sim sim-long bench bench-quick format install lock clean

demo: .venv/run.stamp
	$(BIN)/hairpin demo $(DEMO)

test: .venv/test.stamp
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile $(TEST)

check: .venv/check.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports

# Whole nights in a simulated world: 200 of them, or one again, told in full, with SEED=n.
sim: .venv/test.stamp
	$(BIN)/python -m sim $(if $(SEED),--seed $(SEED),$(SIM))

sim-long: .venv/test.stamp
	$(BIN)/python -m sim --long 60 --json build/sim-long.json

# Everything against everything takes some 25 minutes; BENCH="--only counting" measures a part.
bench: .venv/bench.stamp
	$(BIN)/python -m bench $(BENCH)

bench-quick: .venv/bench.stamp
	$(BIN)/python -m bench --quick

format: .venv/check.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: .venv/run.stamp

.venv/run.stamp: requirements/run.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps --editable .
	$(BIN)/hairpin warm
	@touch $@

.venv/test.stamp: .venv/run.stamp requirements/test.txt
	$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

.venv/bench.stamp: .venv/run.stamp requirements/bench.txt
	$(PIP) --require-hashes -r requirements/bench.txt
	@touch $@

.venv/check.stamp: .venv/bench.stamp requirements/check.txt
	$(PIP) --require-hashes -r requirements/check.txt
	@touch $@

# Locks are made with uv (https://docs.astral.sh/uv/) for every Python from 3.11 on.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -c requirements/run.txt --group test -o requirements/test.txt pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -c requirements/run.txt --group check -o requirements/check.txt pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -c requirements/run.txt --group bench -o requirements/bench.txt pyproject.toml

clean:
	rm -rf .venv build dist demo-data
