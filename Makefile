# The two commands: `make demo` and `make test`. Both set up `.venv` first (see docs/install.md).

ROOT := $(shell cd "$$(dirname '$(strip $(MAKEFILE_LIST))')" && pwd)
AT_ROOT := cd "$(ROOT)" &&
PY := .venv/bin/python
PATHS := projects tools tests demo configs benchmarks docs/figures setup.py

.PHONY: help setup demo demo-train proof gallery tour test lint format clean clean-env
.DEFAULT_GOAL := help

help:  ## say what can be made
	@echo 'EPro-PnP-Det for MMDetection3D'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' "$(ROOT)/Makefile" | \
		while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

setup:  ## make .venv with everything in it (once; 10 to 25 minutes on 2 cores)
	@$(AT_ROOT) for python in $(if $(PYTHON),"$(PYTHON)") python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 /usr/bin/python3 python; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null || continue; \
		exec env $(if $(PYTHON),PYTHON="$(PYTHON)") "$$python" -I -B tools/setup_env; \
	done; \
	echo 'No Python found. On Debian or Ubuntu: sudo apt install python3 python3-venv python3-dev build-essential' >&2; \
	exit 1

demo: setup  ## synthetic nuScenes -> detect -> evaluate -> pictures, in work_dirs/demo
	@$(AT_ROOT) $(PY) demo/run_demo.py

demo-train: setup  ## the same with a network trained from scratch, in work_dirs/demo_train
	@$(AT_ROOT) $(PY) demo/run_demo.py --train

proof: setup  ## EPro-PnP against FCOS3D and PGD on equal terms, in work_dirs/proof (hours)
	@$(AT_ROOT) $(PY) tools/compare_detectors.py
	@$(AT_ROOT) $(PY) benchmarks/compare_answers.py

tour: setup  ## the pictures of docs/tour.md: one image through the whole method
	@$(AT_ROOT) $(PY) demo/tour.py

gallery: demo  ## the README's pictures from the demo's scenes, in docs/images
	@$(AT_ROOT) $(PY) demo/gallery.py

lint: setup  ## style, types, and who may import whom
	@$(AT_ROOT) $(PY) -m ruff check $(PATHS)
	@$(AT_ROOT) $(PY) -m ruff format --check $(PATHS)
	@$(AT_ROOT) $(PY) -m mypy
	@$(AT_ROOT) .venv/bin/lint-imports --no-cache

test: lint  ## style, types, and the test suite with its coverage, on all processors
	@$(AT_ROOT) $(PY) -m pytest -n auto --dist worksteal --cov=epropnp_det --cov-report=term

format: setup  ## rewrite the sources in the project's style
	@$(AT_ROOT) $(PY) -m ruff check --fix $(PATHS)
	@$(AT_ROOT) $(PY) -m ruff format $(PATHS)

clean:  ## remove caches and the demo's output, keep .venv and other work_dirs
	@$(AT_ROOT) rm -rf work_dirs/demo work_dirs/demo_train build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	@$(AT_ROOT) find projects tools tests demo configs -name __pycache__ -type d -prune -exec rm -rf {} +

clean-env:  ## remove .venv as well
	@$(AT_ROOT) rm -rf .venv
