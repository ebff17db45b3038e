# Every verb of this repository; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

help:  ## list the verbs
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.stamp  ## virtual environment from the hash-checked lock file

$(VENV)/.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import ensurepip, sys; assert sys.version_info >= (3, 11)' 2>/dev/null || $(MAKE) --no-print-directory python
	@echo "virtual environment: installing $$(grep -c '==' requirements.lock) locked packages"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Debian splits venv from Python; elsewhere the reader is told what is missing.
python:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update --quiet --quiet && apt-get install --yes --quiet --quiet python3-venv; \
	else echo "Python 3.11 or newer with venv is needed"; exit 1; fi

# Test hosts, a small package repository and Prometheus come from Debian; other systems do without.
packages: venv
	@$(BIN)/python -m tests.rig.base --install

tools: venv
	@$(BIN)/python -m control_plane.tools
	@$(BIN)/python -m tests.rig.features
	@$(BIN)/python -m tests.rig.language_server

demo: packages  ## five minutes: a centre, three booted hosts, a cooling alarm; nothing is compiled
	@$(BIN)/python -m tests.rehearsal demo

rehearse: packages tools  ## the same with a real Kubernetes control plane and queued jobs
	@$(BIN)/python -m tests.rehearsal rehearse

RIG := hosts or cluster or rehearsal

# What boots hosts or a control plane mostly waits, so three files of it share two cores; each file has a network, hosts
# and a control plane of its own.
test: packages tools  ## every test; compiles the control plane once
	@$(BIN)/python -m pytest -n auto -m "not ($(RIG))"
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "$(RIG)"

lint: venv  ## ruff, mypy, yamllint, ansible-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .
	@ANSIBLE_LIBRARY=playbooks/library $(BIN)/ansible-lint --offline --profile production --strict playbooks

check: venv  ## are generated files what the code makes of them?
	@$(BIN)/center render starter --check --out tests/centers/starter/expected
	@$(BIN)/center render duo --check --out tests/centers/duo/expected
	@for plant in twelve refused; do \
	  $(BIN)/center -q show cooling tests/centers/$$plant --format svg 2>/dev/null | diff tests/centers/$$plant/cooling.svg - || exit 2; \
	done
	@for page in spec rules catalog; do $(BIN)/center docs $$page | diff docs/$$page.md - || exit 2; done

golden: venv  ## rewrite the generated files
	@$(BIN)/python -m tests.golden

bench: venv  ## measure the budgets
	@$(BIN)/python -m bench

MINUTES ?= 30
CAMPAIGN := tests/campaign

campaign: venv  ## the long proofs, resumed where they were stopped: make campaign MINUTES=5 SHARD=1/2
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(CAMPAIGN)/requirements.lock
	@nice $(BIN)/python -m tests.campaign --minutes $(MINUTES) --shard $(or $(SHARD),1/1)

PACKAGING := packaging/cooling-exporter

exporter-package: venv  ## the exporter as a Debian package for this Python, in dist/
	@$(BIN)/python $(PACKAGING)/build.py --output dist

BASE := pydantic jinja2 pyyaml click
COMPILE := uv pip compile --quiet pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header

# What the generator needs and the exporter does not.
UNUSED := jinja2 markupsafe pyyaml click colorama

lock: venv  ## resolve the dependencies anew (needs uv)
	@$(COMPILE) --extra apply --extra exporter --extra test --extra lint --output-file requirements.lock
	@$(COMPILE) --extra campaign --no-deps $(BASE:%=--no-emit-package %) --output-file $(CAMPAIGN)/requirements.lock
	@$(COMPILE) --extra exporter --constraint requirements.lock $(UNUSED:%=--no-emit-package %) --output-file $(PACKAGING)/requirements.lock

.PHONY: help venv python packages tools demo rehearse test lint check golden bench exporter-package campaign lock
