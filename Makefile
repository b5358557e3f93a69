# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
SUBITIZE := $(BIN)/subitize
# Halve the time to compile AIR, and use one core, since tests use all; of the locked version: others may not
# know them, and tests need them not.
QUICK := --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1
# Tests start many processes: without bytecode, each would compile all packages anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test laws lint pages docs lock clean

# Both ways to count: digits one after the other, and a folder of drawn cells at a glance. The digits are
# learned in fewer steps than usual.
demo: .venv/base
	$(SUBITIZE) train --scenes digits --steps 800 --out demo/run --resume auto
	rm -rf demo/pictures demo/counts
	$(BIN)/python examples/write_pictures.py demo/pictures
	$(SUBITIZE) count demo/pictures --model demo/run --out demo/counts
	rm -rf demo/cells demo/cells.csv demo/cell-counts
	$(BIN)/python examples/write_fields.py demo/cells --number 4
	$(SUBITIZE) count demo/cells --out demo/cell-counts
	@echo "Open $(CURDIR)/demo/cell-counts/report.html and $(CURDIR)/demo/counts/report.html, and look at"
	@echo "$(CURDIR)/demo/run/pictures/board.png. What the pictures of cells hold is in demo/cells.csv."

# At once, since types and pages keep only one core busy.
test: .venv/dev
	$(MAKE) --jobs laws lint pages

laws: .venv/dev
	XLA_FLAGS='$(QUICK)' $(BIN)/python -m pytest --numprocesses auto

pages: .venv/dev
	$(BIN)/mkdocs build --quiet --strict

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: .venv/dev
	$(BIN)/mkdocs serve

# The exact versions that continuous integration uses; `make lock` renews them.
lock: .venv/dev
	$(BIN)/pip freeze --exclude-editable > requirements.lock

# By uv, which takes seconds where pip takes more than a minute.
.venv/base: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable .
	@touch $@

.venv/dev: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint requirements.lock uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable ".[dev,docs]"
	@touch $@ .venv/base

clean:
	rm -rf .venv demo site
