# make demo   quantize the embedded model without data and segment the embedded CT slab (results in demo-output/)
# make test   run the tests
PYTHON ?= python3
VENV ?= .venv
# A plain `torch` brings gigabytes of CUDA libraries that nothing here needs; 2.13.0 resolves to a CPU build where one is
# offered. Any torch >= 2.4 works: make env TORCH="torch --index-url ..."
TORCH ?= torch==2.13.0
OUTPUT ?= demo-output
# pytest-xdist workers; one thread each, so that workers do not fight for the cores.
WORKERS ?= auto

BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date

.PHONY: demo test lint env clean

demo: env
	$(BIN)/dfqsam demo --output $(OUTPUT) --force

test: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

lint: env
	$(BIN)/pre-commit run --all-files

env: $(STAMP)

# Installing again only when the list of dependencies changed keeps `make test` instant and usable without a network.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 10) <= v <= (3, 13) and "Python 3.10 to 3.13 is needed; name one with PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[quantize,test]'
	touch $@

clean:
	rm -rf $(VENV) $(OUTPUT) .mypy_cache .pytest_cache .ruff_cache
