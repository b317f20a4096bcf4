# Everything runs in a virtual environment of its own, which the first target to need it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo serve test check clean

demo: $(STAMP)  ## restore a sample photo: demo/before-after.png
	$(BIN)/pellucid demo

serve: $(STAMP)  ## open the page at http://127.0.0.1:7860
	$(BIN)/pellucid serve

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
