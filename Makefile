# What there is to do here. `make` lists it; every target builds what it needs first.

SOURCE ?= postgres
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# The first Python that is new enough; or say `make setup PYTHON=/path/to/python`.
PYTHON ?= $(shell for it in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$it" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$it" && break; \
	done)

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check bench docs picture clean distclean lock

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv from requirements.lock (about a minute; again only when that changes)

demo: setup ## Start real servers, fill shards, run a view, show the rows. SOURCE=mysql for MySQL shards, files for files on S3, dynamodb for a table of DynamoDB Local; KEEP=1 leaves them up
	@$(BIN)/python -m demo $(SOURCE) $(if $(KEEP),--keep)

up: setup ## Keep it all up: a Prefect server with its UI, a worker, the demo's views published. SOURCE=mysql as above
	@$(BIN)/python -m demo.up $(SOURCE)

test: setup check ## Check, then run every test on real servers. ARGS="-k name" goes to pytest
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 $(ARGS)  # hundreds of processes would each compile it all

check: setup ## Lint, format, types, imports, views: what fails a review before any test runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shardlake check

bench: setup ## Time this project and its peers on the same rows, and print the ratios
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.lake
	@$(BIN)/python -m bench.files

docs: setup ## Build the manual into build/manual; a link that leads nowhere fails it
	@$(BIN)/python -m cli.reference > docs/reference/commands.md
	@$(BIN)/python -m zensical build --clean --strict

picture: setup ## Take docs/run.svg anew: the demo's first load, as a terminal shows it
	@$(BIN)/python -m demo.picture

clean: ## Remove what the demo, the bench, the tests and builds leave behind; .venv stays
	@rm -rf .demo .up .bench .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and .venv too
	@rm -rf $(VENV)

lock: ## Resolve pyproject.toml anew into requirements.lock, for every platform, with hashes
	@$(need_python)
	@tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && \
	"$(PYTHON)" -m venv "$$tool" && "$$tool/bin/pip" install -qq uv && \
	"$$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --extra dev --allow-unsafe pyproject.toml -o requirements.lock && \
	cp requirements.lock requirements.runtime.lock && \
	"$$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --allow-unsafe pyproject.toml -o requirements.runtime.lock

# -qq: errors only. pip would also print which package registries this machine uses. --no-deps: the lock is whole, and pip, which
# would resolve it anew, takes newer versions of what stands in it without an extra and is asked for with one.
$(STAMP): requirements.lock pyproject.toml
	@$(need_python)
	@echo "Installing $$(grep -c '^[a-z].*==' requirements.lock) locked packages into $(VENV): about a minute"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

define need_python
{ [ -n "$(PYTHON)" ] && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; } 2>/dev/null || { \
	echo "Shardlake needs Python 3.11 or newer, and found none. Install one, or name it:" >&2; \
	echo "    make setup PYTHON=/path/to/python3.11" >&2; exit 1; }; \
"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
endef
