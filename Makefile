# From a bare clone, with Python 3.11+ and make: `make demo`, `make test`, `make check`, `make bench`,
# `make digests` (10,000 seeds, each in two processes), `make views` (compiles the views that ship; takes npm), `make clean`.

# The first of these that runs and is new enough makes the environment; `make PYTHON=/path/to/python` names another.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check bench digests views clean

demo: $(VENV)/installed
	@$(BIN)/billsim compare dunning/late_failed_after_paid; status=$$?; \
	printf '\nNext:\n'; \
	printf '  %s\n' \
	  '$(BIN)/billsim scenarios' \
	  '$(BIN)/billsim run dunning/pay_bad_debt_vs_webhook --engine legacy --out my-run' \
	  '$(BIN)/billsim replay my-run --engine recompute'; \
	exit $$status

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 -q

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(MAKE) --no-print-directory test

bench: $(VENV)/installed-dev
	$(BIN)/python -m pytest benchmarks -q
	$(BIN)/python -m benchmarks.day recompute
	$(BIN)/python -m benchmarks.day legacy
	$(BIN)/python -m benchmarks.stripe_calls
	$(BIN)/python -m benchmarks.serving

digests: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.digests 10000

views: $(VENV)/dataform/installed
	$(BIN)/python -c "from pathlib import Path; from billsim.warehouse.dataform import ship; print(ship(Path('$(VENV)/dataform/node_modules')))"

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml
	@for python in $(PYTHON); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "billsim needs Python 3.11 or newer; none of these is: $(PYTHON) (name one with: make PYTHON=/path/to/python)" >&2; exit 1; fi; \
	echo "setting up $(VENV) with $$("$$found" --version), once ..."; \
	"$$found" -m venv $(VENV) || { echo "$$found cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(PIP) install --editable '.[dev]'
	@touch $@

# Dataform's own packages, as the views pin them. Tests that hold us against them fetch them themselves, where npm is there.
$(VENV)/dataform/installed: src/billsim/warehouse/views/package-lock.json $(VENV)/installed-dev
	@$(BIN)/python -m tests.warehouse.npm
	@touch $@
