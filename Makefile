# One-word commands for every habit; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help
.PHONY: help demo test lint fix bench lock clean browser

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
# Tests run in as many processes as there are cores, from two to four.
WORKERS := $(shell nproc 2>/dev/null | awk '{print $$1 < 2 ? 2 : $$1 > 4 ? 4 : $$1}')
SIDE_BY_SIDE := -n $(or $(WORKERS),2) --dist loadfile
# Single tests shared out, not files: some browser tests are long.
SHARED_OUT := -n $(or $(WORKERS),2) --dist worksteal

help: ## list these commands
	grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' \
	  | while IFS='|' read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.installed ## install what is needed, start the app and print its address
	exec $(PYTHON) app.py

test: $(VENV)/.installed-dev lint browser ## format, lint, types, unit and browser tests
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -m "not bench and not browser" $(SIDE_BY_SIDE)
	if [ "$${MI_ARENA_NO_BROWSER:-}" = 1 ]; then
	  echo
	  echo "!!! BROWSER TESTS WERE NOT RUN, because MI_ARENA_NO_BROWSER=1. !!!"
	else
	  # Apart: Playwright leaves an event loop behind in its process, and others start their own.
	  OMP_NUM_THREADS=1 $(PYTHON) -m pytest -m browser $(SHARED_OUT)
	fi

lint: $(VENV)/.installed-dev ## format check, lint and types only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: $(VENV)/.installed-dev ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev ## measure speed and memory, as ratios with their baselines
	$(PYTHON) -m benchmarks
	$(PYTHON) -m benchmarks.load

lock: ## write requirements.lock anew, from a fresh install on Python 3.11
	fresh=$$(mktemp -d)
	trap 'rm -rf "$$fresh"' EXIT
	python3.11 -m venv "$$fresh"
	"$$fresh/bin/pip" install -r requirements.txt
	# No local versions (+cpu), and none of torch's GPU libraries, which torch itself pins.
	{ sed -n '/^#/p' requirements.lock
	  "$$fresh/bin/pip" freeze | sed -E 's/\+[A-Za-z0-9.]+$$//' | grep -vE '^(nvidia-|cuda-|triton==)'
	} > "$$fresh/lock"
	cp "$$fresh/lock" requirements.lock

clean: ## remove caches and the virtual environment; data and runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# --- behind the commands

# A stamp is touched only after a whole install, so an interrupted one is taken up again, and the
# second `make demo` asks nobody anything.
$(VENV)/.installed: requirements.txt | $(PYTHON)
	echo "Installing what MI Arena needs; the first time this takes some minutes."
	$(PYTHON) -m pip install -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt | $(PYTHON)
	$(PYTHON) -m pip install -r requirements-dev.txt
	touch $@ $(VENV)/.installed

$(PYTHON):
	found=""
	for candidate in python3.11 python3.12 python3; do
	  if command -v $$candidate >/dev/null && $$candidate -c \
	    'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'
	  then found=$$candidate; break; fi
	done
	if [ -z "$$found" ]; then
	  echo "MI Arena needs Python 3.11 or 3.12, and found neither." >&2
	  echo "On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2
	  exit 2
	fi
	if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then
	  # Debian keeps these two in a package of their own.
	  package=$$($$found -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	    apt-get update -qq
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package
	  else
	    echo "$$found cannot make virtual environments here." >&2
	    echo "On Debian or Ubuntu: sudo apt-get install $$package" >&2
	    exit 2
	  fi
	fi
	$$found -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

# Chromium for the browser tests, and a font so that Chinese is not drawn as boxes.
browser:
	if [ "$${MI_ARENA_NO_BROWSER:-}" = 1 ]; then exit 0; fi
	missing=()
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || command -v google-chrome >/dev/null || missing+=(chromium)
	fc-list :lang=zh 2>/dev/null | grep -q . || missing+=(fontconfig fonts-noto-cjk)
	if [ $${#missing[@]} = 0 ]; then exit 0; fi
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	  apt-get update -qq
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}"
	else
	  echo "!!! MISSING FOR THE BROWSER TESTS: $${missing[*]}" >&2
	  echo "!!! On Debian or Ubuntu: sudo apt-get install $${missing[*]}" >&2
	  echo "!!! The browser tests will fail. MI_ARENA_NO_BROWSER=1 make test leaves them out." >&2
	fi
