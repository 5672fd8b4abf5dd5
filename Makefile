# make demo   quantize the embedded model without data and segment the embedded CT slab (results in demo-output/)
# make test   run the tests
# make docs   build the site into site/, without a connection
# make reproduce   make the embedded packed model again from the embedded float one, and compare (some minutes)
# make test-research   run the tests of the training and the studies (research/)
# make test-slicer   run the tests on Slicer's real scene (PyPI's slicer-core), in Python 3.12 with Slicer 5.12's versions
# make test-packaging   install the extension and its packages as Slicer does, beside the versions that Slicer 5.12 brings
# make test-panel   run the tests of the module's panel: its own .ui file and Widget under PySide6, on the same scene
# make test-host   run module and effect under an event loop that keeps Python's lock, and end them in mid-work, as Slicer does
# make test-views   run the tests in Slicer's own slice views, drawn offscreen, with real mouse events (PyPI's trame-slicer)
# make test-browser   run the tests of the browser viewer in the system's Chromium
PYTHON ?= python3
VENV ?= .venv
# A plain `torch` brings gigabytes of CUDA libraries that nothing here needs; 2.13.0 resolves to a CPU build where one is
# offered. Any torch >= 2.4 works: make env TORCH="torch --index-url ..."
TORCH ?= torch==2.13.0
OUTPUT ?= demo-output
# Slicer 5.12 runs Python 3.12; another one that slicer-core has wheels for (3.10 to 3.13) serves where that is absent.
SLICER_PYTHON ?= $(shell for p in python3.12 $(HOME)/.pyenv/versions/3.12*/bin/python $(PYTHON); do \
	$$p -c "" 2>/dev/null && echo $$p && break; done)
SLICER_VENV ?= .venv-slicer
# An environment of its own: trame-slicer is made for another version of slicer-core.
VIEWS_VENV ?= .venv-views
# pytest-xdist workers; one thread each, so that workers do not fight for the cores.
WORKERS ?= auto

BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date
RESEARCH_STAMP := $(VENV)/.research-up-to-date
SLICER_STAMP := $(SLICER_VENV)/.up-to-date
PANEL_STAMP := $(SLICER_VENV)/.panel-up-to-date
VIEWS_STAMP := $(VIEWS_VENV)/.up-to-date
BROWSER_STAMP := $(VIEWS_VENV)/.browser-up-to-date
CONSTRAINTS := Resources/slicer-5.12-constraints.txt

.PHONY: demo docs reproduce test test-research test-slicer test-panel test-host test-views test-browser test-packaging lint env environments clean

demo: env
	$(BIN)/dfqsam demo --output $(OUTPUT) --force

docs: env
	$(BIN)/mkdocs build --strict --quiet

reproduce: env
	$(BIN)/python tools/embedded_models.py check

test: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --durations=15

test-research: $(RESEARCH_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) research/tests

test-slicer: $(SLICER_STAMP)
	OMP_NUM_THREADS=1 $(SLICER_VENV)/bin/python -m pytest Testing/mrml

# A process of its own: here the module is imported with Slicer's base classes, in Testing/mrml without them. Slicer's
# Python has no torch; what quantizes in a child process takes the one of `make env`, where that is there.
test-panel: $(PANEL_STAMP)
	OMP_NUM_THREADS=1 DFQSAM_TORCH_PYTHON=$(abspath $(BIN))/python $(SLICER_VENV)/bin/python -m pytest Testing/panel

# A process of its own again. DFQSAM_EXITS=20: each kind is ended at 20 random moments instead of 2.
test-host: $(PANEL_STAMP)
	OMP_NUM_THREADS=1 $(SLICER_VENV)/bin/python -m pytest Testing/host

test-views: $(VIEWS_STAMP)
	OMP_NUM_THREADS=1 $(VIEWS_VENV)/bin/python -m pytest Testing/views

# What quantizes in a child process takes the Python of `make env`, where that is there: the viewer itself has no torch.
# Each test starts a viewer and mostly waits for it, so two side by side take half the time. PICTURES=1 renews the
# screenshots of the pages.
test-browser: $(BROWSER_STAMP)
	OMP_NUM_THREADS=1 DFQSAM_TORCH_PYTHON=$(abspath $(BIN))/python $(VIEWS_VENV)/bin/python -m pytest -n $(WORKERS) Testing/browser

# Needs a package index: a fresh Python with Slicer's packages is made, and ours are installed into it.
test-packaging: env
	OMP_NUM_THREADS=1 DFQSAM_SLICER_PYTHON=$(SLICER_PYTHON) $(BIN)/python -m pytest Testing/packaging

lint: env
	$(BIN)/pre-commit run --all-files

env: $(STAMP)

# All of them at once, where all tests are run.
environments: $(RESEARCH_STAMP) $(PANEL_STAMP) $(BROWSER_STAMP)

# Installing again only when the list of dependencies changed keeps `make test` instant and usable without a network.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 10) <= v <= (3, 13) and "Python 3.10 to 3.13 is needed; name one with PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[quantize,test]'
	touch $@

$(RESEARCH_STAMP): $(STAMP) research/pyproject.toml
	$(BIN)/python -m pip install --quiet ./research
	touch $@

# No torch here, as in Slicer. The import proves that the tests below will run and not be skipped.
$(SLICER_STAMP): pyproject.toml $(CONSTRAINTS)
	test -x $(SLICER_VENV)/bin/python || $(SLICER_PYTHON) -m venv $(SLICER_VENV)
	$(SLICER_VENV)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[slicer-test]'
	$(SLICER_VENV)/bin/python -c 'import slicer; slicer.vtkMRMLScene()'
	touch $@

$(PANEL_STAMP): $(SLICER_STAMP)
	$(SLICER_VENV)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[slicer-panel-test]'
	QT_QPA_PLATFORM=offscreen $(SLICER_VENV)/bin/python -c 'from PySide6.QtWidgets import QApplication; QApplication([])'
	touch $@

# The import proves that the tests below will run and not be skipped.
$(VIEWS_STAMP): pyproject.toml $(CONSTRAINTS)
	test -x $(VIEWS_VENV)/bin/python || $(SLICER_PYTHON) -m venv $(VIEWS_VENV)
	$(VIEWS_VENV)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[slicer-views-test]'
	$(VIEWS_VENV)/bin/python -c 'import trame_slicer.core'
	touch $@

$(BROWSER_STAMP): $(VIEWS_STAMP)
	$(VIEWS_VENV)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[browser-test]'
	$(VIEWS_VENV)/bin/python -c 'import trame_slicer.core, playwright'
	touch $@

clean:
	rm -rf site $(VENV) $(SLICER_VENV) $(VIEWS_VENV) $(OUTPUT) .mypy_cache .pytest_cache .ruff_cache
