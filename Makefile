# Without a ROS distribution: a virtual environment with real rclpy and messages from wheels.
# Needs Python 3.10 to 3.12, gcc, g++, make.
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
OUT ?= out/demo
export AMENT_PREFIX_PATH := $(CURDIR)/.venv

.PHONY: demo figures bench reference test lint clean
demo: .venv/ready
	$(BIN)/python -m relpose_ros demo --out $(OUT) $(if $(DATA),--data $(DATA))

# DATA holds the recordings, each in its folder.
figures: .venv/ready
	$(BIN)/python -m relpose_ros figures $(DATA) --out out/figures

bench: .venv/ready
	$(BIN)/python benchmarks/bench.py --out out/bench/bench.json

reference: .venv/ready
	$(BIN)/python docs/reference.py

test: .venv/ready
	$(BIN)/python -m pytest -q -n 2 --dist loadfile test

lint: .venv/ready
	$(BIN)/python -m pytest -q test/test_lint.py

.venv/ready: config/venv/requirements.txt config/venv/build_tf2_msgs.sh setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-input -r config/venv/requirements.txt
	config/venv/build_tf2_msgs.sh .venv
	$(BIN)/python -m pip install --quiet --no-input --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf .venv out build install log
