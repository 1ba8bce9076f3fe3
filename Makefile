# make run   environment, then the whole asset graph with the default model
# make test  environment, then lint, types and tests
# make ui    Dagster's UI on http://127.0.0.1:3000
# make rehearsal  a week of corrections, retraining, promotion and roll-back, for real, in three quarters of an hour
# make serve questions over HTTP and a page for people on http://127.0.0.1:8300

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME := $(CURDIR)

.PHONY: run test lint ui serve rehearsal clean

run: $(VENV)/.ready
	$(BIN)/dagster asset materialize --select '*' -m fit_assets.definitions
	$(BIN)/fit ask "wind sites over 100kw in berkshire"

test: lint
	# One thread a worker: two pools of spinning threads on two cores would slow each other down.
	OMP_NUM_THREADS=1 FIT_ASSETS_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: $(VENV)/.ready
	$(BIN)/dagster dev -h 127.0.0.1 -p 3000

rehearsal: $(VENV)/.ready
	$(BIN)/python -m benchmarks.rehearsal

serve: $(VENV)/.ready
	$(BIN)/fit serve

# torch first and by its exact version: a looser range would bring several GB of CUDA packages.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	@echo "installing the rest; llama-cpp-python compiles from source, which takes some minutes"
	CMAKE_BUILD_PARALLEL_LEVEL=2 $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) var
