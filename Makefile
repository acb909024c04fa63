# Every target does the set-up that it needs. `make setup` makes .venv; PYTHON names another 3.11+.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p) 2>/dev/null)))
BIN := .venv/bin
RUNS := .venv/.runs
TESTS := .venv/.tests

.PHONY: setup serve test test-live check bench bench-peers fuzz seed seed-large life npm format clean

setup: $(TESTS)

# What serving needs comes first and alone, so that a first `make serve` need not wait for the rest.
$(RUNS): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Headwater needs Python 3.11 or later; set PYTHON.")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded]'
	touch $(RUNS)

$(TESTS): $(RUNS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,test]'
	touch $(TESTS)

serve: $(RUNS)
	$(BIN)/headwater serve

# A file's tests stay together, and files keep their order: the long ones are not the last.
test: setup
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-live: setup
	@test -n "$$ANTHROPIC_API_KEY" || echo '*** NOTHING WAS RUN: `make test-live` asks the real Claude, and ANTHROPIC_API_KEY is not set. ***' >&2
	@test -z "$$ANTHROPIC_API_KEY" || HEADWATER_LIVE=1 $(BIN)/python -m pytest -m live

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.check_javascript

npm: setup
	$(BIN)/python -m scripts.npm_package

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m scripts.bench

bench-peers: setup
	$(BIN)/python -m scripts.peers

fuzz: setup
	HEADWATER_FUZZ=1 $(BIN)/python -m pytest -s -m fuzz

seed: $(RUNS)
	$(BIN)/python -m scripts.seed

seed-large: $(RUNS)
	$(BIN)/python -m scripts.seed --large

life: $(RUNS)
	$(BIN)/python -m scripts.life

clean:
	rm -rf .venv dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
