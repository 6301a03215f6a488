# Each target makes .venv when it is absent; nothing else has to be prepared on a machine with Python >= 3.10.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SLICER := $(BIN)/python Testing/SlicerBench --no-main-window --no-splash --additional-module-paths WSPCirrhosis

.PHONY: venv demo demo-train demo-model test test-slow test-gpu bench bench-gpu lint format figures screenshots

venv: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "Python 3.10 or later is needed; $(PYTHON) is older. Try: make venv PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,test]'
	$(BIN)/python Testing/check_system.py
	@touch $@

# An unseen phantom CT through the Slicer module's Logic: probability, report, picture, scene. Every run keeps its own
# folder.
UNSEEN := demo/phantom/volumes/P2030-0000.nrrd
DEMO := $(SLICER) --python-script Resources/Demo/demo.py -- --volume $(UNSEEN) \
  --mask demo/phantom/masks/P2030-0000.seg.nrrd\#Liver --model Resources/Models/demo.onnx --output
demo: venv $(UNSEEN)
	@n=1; while [ -e demo/result-$$n ]; do n=$$((n + 1)); done; $(DEMO) demo/result-$$n

$(UNSEEN): | $(VENV)/ready
	@$(BIN)/python -m WSPCirrhosisLib phantom --output demo/phantom --patients 1 --seed 2030

# The whole method on phantoms: cohorts, pretraining, classifier, prediction of unseen patients.
demo-train: venv
	@$(BIN)/python Resources/Demo/train.py --output demo-train

# How Resources/Models/demo.onnx was made: the same at 512 px. Takes most of an hour on two cores; the new model lies in
# build/demo-model and is not put in the shipped one's place by itself.
demo-model: venv
	@$(BIN)/python Resources/Demo/train.py --preset shipped --output build/demo-model

# Two files at a time on two cores; a thread each, so that they do not get into each other's way. In alphabetical order: by
# their number of tests, the longest files come last, and one core waits for the other.
test: venv
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-slow: venv
	$(BIN)/python -m pytest -m slow

test-gpu: venv
	$(BIN)/python -m pytest -m gpu

# How fast, against the textbook and the machine's limit (Docs/Performance.md): a table, and JSON in build/. Some
# minutes on an otherwise idle machine; BENCH passes options on, as in make bench BENCH="--stages loss --rounds 9".
bench: venv
	$(BIN)/python Testing/Benchmarks $(BENCH)

bench-gpu: venv
	$(BIN)/python Testing/Benchmarks --device cuda $(BENCH)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The README's pictures.
figures: venv $(UNSEEN)
	$(BIN)/python Resources/Screenshots/phantoms.py
	rm -rf build/figures && $(DEMO) build/figures && cp build/figures/slice.png Resources/Screenshots/prediction.png

# The pictures of the panel in README and tutorial, on phantoms, in the bench or the Slicer of SLICER_EXECUTABLE.
screenshots: venv
	$(BIN)/python Resources/Screenshots/make_screenshots.py
