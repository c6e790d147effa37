# Everything runs from here; `make` alone lists it. Needs Python 3.11+ and nothing else: set-up installs the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
SETUP_LOG := build/setup.log

# Knobs of `make demo`, and of `make soak`.
export ITEMS SEGMENTS WRITES_PER_SECOND SEED FAULTS MINUTES

.DEFAULT_GOAL := help
.PHONY: help setup demo local synth bootstrap deploy destroy test sfn-image simulate bench guards soak graph documents lint check format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## install Python packages and the local engines (once; the other targets do it by themselves)

$(READY): requirements.lock infra/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tableferry needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing Python packages into $(VENV)"
	@mkdir -p $(dir $(SETUP_LOG))
	@{ $(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.lock; } >$(SETUP_LOG) 2>&1 || \
		{ tail -n 20 $(SETUP_LOG); echo "set-up failed; all that it said is in $(SETUP_LOG)"; exit 1; }
	@$(BIN)/python -m infra.install
	@touch $@

demo: $(READY) ## migrate a real table under live writes on this machine (ITEMS= SEGMENTS= WRITES_PER_SECOND= SEED=)
	@$(BIN)/python -m infra.local.rehearsal.demo

local: $(READY) ## keep a local AWS up with a migration deployed, and print how to use it
	@$(BIN)/python -m infra.local.rehearsal.playground

synth: $(READY) ## write the CloudFormation template to build/cdk.out; needs no AWS account (SETTINGS= a file)
	@$(BIN)/python -m infra.aws.cdk synth $(if $(SETTINGS),--settings "$(SETTINGS)")

bootstrap: $(READY) wanted-settings ## prepare the account and Region for CDK, once (SETTINGS= a file)
	@$(BIN)/python -m infra.aws.cdk bootstrap --settings "$(SETTINGS)"

deploy: $(READY) wanted-settings ## deploy a migration to AWS (SETTINGS= a file)
	@$(BIN)/python -m infra.aws.cdk deploy --settings "$(SETTINGS)"

destroy: $(READY) wanted-settings ## remove a migration's stack from AWS; both tables stay (SETTINGS= a file)
	@$(BIN)/python -m infra.aws.cdk destroy --settings "$(SETTINGS)"

.PHONY: wanted-settings
wanted-settings:
	@test -n "$(SETTINGS)" || { echo "which migration? copy infra/aws/migration.example.yaml, fill it in, and give it as SETTINGS=FILE"; exit 2; }

test: $(READY) ## run all tests
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)

sfn-image: $(READY) ## build a container image of the embedded Step Functions, for where Amazon's cannot be pulled
	@$(BIN)/python -m tests.step_functions_local.build_image

simulate: $(READY) ## migrate 10 GB, 1 TB and 100 TB in virtual time, where tables throttle; draws docs/scale.svg
	@$(BIN)/python -m tests.simulation

bench: $(READY) ## copy by tableferry, the article's design, boto3 and two peers, in turn; writes docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks

guards: $(READY) ## take each guard of the design away, and see a test fail (WORDS="late" chooses)
	@$(BIN)/python -m tests.guards $(WORDS)

soak: $(READY) ## migrate under each fault at each step, for hours (FAULTS= a part of a name, MINUTES=)
	@$(BIN)/python -m tests.faults.soak

lint: $(READY) ## check style, types and the one direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## all that CI runs

format: $(READY) ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

graph: $(READY) ## draw docs/migration.svg anew, after a change of the state machine
	@$(BIN)/python -m infra.graph

documents: $(READY) ## write the documents that are tables of the code anew: docs/errors.md, docs/states.md
	@$(BIN)/python -m infra.documents

lock: ## pin every package anew, from pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check ".[local,deploy,dev]"
	build/lock/bin/python -m pip freeze --exclude tableferry > requirements.lock

clean: ## remove what set-up and the tools made
	rm -rf $(VENV) .engines build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
