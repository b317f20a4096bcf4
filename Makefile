# Everything runs in a virtual environment of its own, which the first target to need it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check clean

demo: $(STAMP)  ## restore a sample photo: demo/before-after.png
	$(BIN)/pellucid demo

test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(STAMP)  ## lint, types, layering
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/pyright
	$(BIN)/lint-imports

# constraints.txt names versions that are known to work together
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch $@

clean:
	rm -rf $(VENV) demo dist build
