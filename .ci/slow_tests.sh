#!/usr/bin/env bash
# Print the slow tests of a change for pytest: those of every day, and those of the folders that changed. .ci/nightly
# runs all. Usage: .ci/slow_tests.sh [CHANGED_FILE...]; without files, git names them.
set -euo pipefail
cd "$(dirname "$0")/.."

# What users do from end to end, what must never go wrong, and what holds for the whole code.
every_day=(
  "tests/test_docs.py::test_every_posezoo_command_of_the_readme_runs_as_pasted"
  "tests/test_docs.py::test_the_python_of_the_readme_runs_as_pasted"
  "tests/test_docs.py::test_the_first_command_of_a_tutorial_finds_the_people_whom_run_finds"
  tests/test_architecture.py
  tests/test_hints.py
  tests/test_packaging.py
  tests/test_public_api.py
  tests/test_public_face.py
  tests/test_what_is_said.py
  tests/cli/test_own_weights.py::test_open_model_zoos_converter_converts_custom_weights
  tests/core/convert/test_reader_process.py
  tests/core/convert/test_real_models.py
  tests/core/download/test_kills.py
  tests/core/pipeline/test_kills_of_get.py
  tests/networks/test_hostile_checkpoints.py
  tests/omz/test_omz_commands.py
  tests/omz/verbs/test_shims.py
  tests/run/verbs/test_run.py
)

# On a branch: what it changed since it left main. On main: what the last commit changed, or the branch that it merges,
# since git does not know which commits arrived together.
changed_files() {
  local base="" upstream
  for upstream in origin/main main HEAD^; do
    base=$(git merge-base HEAD "$upstream" 2>/dev/null) || continue
    [ "$base" = "$(git rev-parse HEAD)" ] || break
  done
  if [ -z "$base" ]; then
    echo "== not tested here: the slow tests of a change, whose base is not in this clone" >&2
    return
  fi
  echo "== slow tests: those of every day, and of what changed since ${base:0:12}" >&2
  git diff --name-only --no-renames "$base"
  git ls-files --others --exclude-standard
}

tests_of() {
  local part=${1#src/posezoo/}
  case $1 in
    # Decoders run in pipelines, and INT8 is compared by what pipelines find.
    src/posezoo/poses/*) printf '%s\n' tests/poses tests/run tests/test_second_opinion.py ;;
    src/posezoo/media/*) printf '%s\n' tests/media tests/run ;;
    src/posezoo/run/*) printf '%s\n' tests/run tests/quantize tests/test_second_opinion.py ;;
    src/posezoo/*/*) echo "tests/${part%%/*}" ;;
    tests/test_*.py | tests/*/test_*.py) echo "$1" ;;
    models/*) printf '%s\n' tests/lint tests/pages ;;
    benchmarks/*) echo tests/test_measure.py ;;
    tools/*) echo tests/omz ;;
    docs/*.md) # some pages have a file of tests, most have a case in the tests of all pages
      printf '%s\n' tests/test_site.py "tests/test_$(basename "$1" .md).py"
      .venv/bin/python -m pytest --collect-only -qm 'not quick' tests/test_docs.py | grep -F "[$1]" || true
      ;;
  esac
}

# A change of such a folder would run no test of its own.
require_tests_of_each_folder() {
  local package part status=0
  shopt -s nullglob
  for package in src/posezoo/*/__init__.py; do
    part=$(basename "$(dirname "$package")")
    if [ -z "$(find "tests/$part" -name 'test_*.py' -print -quit 2>/dev/null)" ]; then
      echo "$package: error: tests/$part has no tests; move the tests of this folder there" >&2
      status=1
    fi
  done
  return $status
}

require_tests_of_each_folder
if [ $# = 0 ]; then mapfile -t changed < <(changed_files); else changed=("$@"); fi
{
  printf '%s\n' "${every_day[@]}"
  for file in "${changed[@]}"; do tests_of "$file"; done |
    while read -r test; do [ ! -e "${test%%::*}" ] || echo "$test"; done
} | sort -u
