# Every verb sets up what it needs first; `make help` lists them.
PYTHON ?=
export PYTHON
# Programs unpacked for tests only (scripts/test-parts) stand behind the installed ones.
export PATH := $(PATH):$(CURDIR)/.setup/parts/usr/bin

# Tests start hundreds of processes, each of which would compile all modules where this is set.
unexport PYTHONDONTWRITEBYTECODE

bin := .venv/bin
# The order of the files is that of tests/conftest.py, and not by how many tests each has.
pytest := $(bin)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test test-quick lint format format-check types check openapi bench bench-quick lock clean \
	setup-runtime setup-dev test-parts

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

run: setup-runtime ## Start the registry on 127.0.0.1:5000, storing under ./data
	$(bin)/moorage serve

test: setup-dev test-parts ## Run every test
	$(pytest)

test-quick: setup-dev ## Run the tests without the slow ones and those with real clients
	$(pytest) -m "not slow and not clients"

lint: setup-dev ## Check the code with ruff
	$(bin)/ruff check .

format: setup-dev ## Format the code, and fix what ruff can fix
	$(bin)/ruff check --fix-only .
	$(bin)/ruff format .

format-check: setup-dev ## Check that the code is formatted
	$(bin)/ruff format --check .

types: setup-dev ## Check the types with mypy
	$(bin)/mypy

check: lint format-check types test ## Everything that CI checks

openapi: setup-dev ## Write openapi/openapi.json from the code
	$(bin)/python -m api.openapi

bench: setup-dev test-parts ## Measure Moorage beside docker-registry
	$(bin)/python -m bench
	$(bin)/python -m bench.access

bench-quick: setup-dev test-parts ## The same in under a minute, and rougher
	$(bin)/python -m bench --quick
	$(bin)/python -m bench.access --seconds 0.5 --slices 3

lock: setup-dev ## Pin the dependencies again (scripts/lock --upgrade to renew them)
	scripts/lock

clean: ## Remove what these commands made, except the data of the registry
	rm -rf .venv .setup build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find api core tests -name __pycache__ -prune -exec rm -rf {} +

setup-runtime:
	@scripts/setup runtime

setup-dev:
	@scripts/setup dev

test-parts:
	@scripts/test-parts
