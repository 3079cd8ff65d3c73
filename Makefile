# SPDX-License-Identifier: MIT
# Every target sets up what it needs first; `make help` explains.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
SETUP_INPUTS := requirements/install.sh requirements/packages.sh requirements/build.txt requirements/python.txt pyproject.toml
# The stamp is named after the content of what the set-up reads: unchanged content, no work.
STAMP := .venv/setup-$(shell cat $(SETUP_INPUTS) | sha256sum | cut -c1-16)
BIN := .venv/bin
JOBS ?= 2
BUILD := $(or $(VCRAM_BUILD),build)

.PHONY: help setup run test verify prune breakages slotbench compressors contract races lint regs fpga asic formal fuzz coverage hwbench lock clean bench soak differential pager mutation linuxswap cxl kerneldiff faults experiments

help:  ## show this
	@echo "vcram: a compressed-RAM device as RTL, under the virtual swap stack that will use it."
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo
	@echo "First time? 'make run' does the main job: real pages swapped through the RTL, each one verified."

setup: $(STAMP)  ## set up .venv and the simulators (the other targets do it when needed)

$(STAMP):
	@PYTHON=$(PYTHON) requirements/install.sh
	@rm -f .venv/setup-*
	@touch $@

run: $(STAMP)  ## run the main job; more: .venv/bin/vcram run --help
	@$(BIN)/vcram run

test: lint  ## what to run after a change: all checks and the quick tests, hardware under both simulators
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not verify"

verify: $(STAMP)  ## all other tests: every set of parameters, more rounds, whole runs (half an hour)
	@command -v qemu-system-x86_64 >/dev/null || requirements/packages.sh qemu-system-x86
	@command -v stress-ng >/dev/null || requirements/packages.sh stress-ng
	@command -v chromium >/dev/null || requirements/packages.sh chromium
	@command -v vcd2fst >/dev/null || requirements/packages.sh gtkwave
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m verify

prune: $(STAMP)  ## remove builds and passed runs that nobody has used for an hour
	@$(BIN)/python -m hw.prune

lint: $(STAMP)  ## style, types, and the Verilog under its linters
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m hw.lint tests/hw

bench: $(STAMP)  ## how fast is each way to run the device, side by side: build/bench.json
	@$(BIN)/python -m sim.bench

soak: $(STAMP)  ## ten million faults on the model, and the memory of the process meanwhile: build/soak.json
	@$(BIN)/python -m sim.bench.soak

differential: $(STAMP)  ## put all links through the same random operations, for longer: EXAMPLES=500, SEED=
	VCRAM_EXAMPLES=$(or $(EXAMPLES),500) $(BIN)/pytest tests/equivalence --hypothesis-seed=$(or $(SEED),$(shell date +%s))

pager: $(STAMP)  ## page real programs at a quarter of their memory, kill the processes at random moments, and run stress-ng: build/pager.json, stress.json
	@command -v redis-benchmark >/dev/null || requirements/packages.sh redis-server redis-tools
	@command -v stress-ng >/dev/null || requirements/packages.sh stress-ng
	$(BIN)/python -m tests.campaigns.pager
	$(BIN)/python -m tests.campaigns.stress

linuxswap: $(STAMP)  ## boot a Linux guest (QEMU) that swaps to the RTL as its disk: build/linux-swap.json
	@command -v qemu-system-x86_64 >/dev/null || requirements/packages.sh qemu-system-x86
	@$(BIN)/python examples/linux-swap/run.py

cxl: $(STAMP)  ## boot Linux (QEMU) whose own CXL drivers use the RTL as a memory node: build/cxl.json
	@command -v qemu-system-x86_64 >/dev/null || requirements/packages.sh qemu-system-x86
	@mkdir -p "$(BUILD)"
	@$(BIN)/vcram cxl --json "$(BUILD)/cxl.json"

kerneldiff: $(STAMP)  ## hold the swap model against Linux 6.1 and 6.12 in QEMU: COUNT=300, SEED=; build/kerneldiff.json
	@command -v qemu-system-x86_64 >/dev/null || requirements/packages.sh qemu-system-x86
	@$(BIN)/python -m tests.campaigns.kerneldiff --count $(or $(COUNT),300) --seed $(or $(SEED),1)

breakages: $(STAMP)  ## break four things on purpose, one at a time, and show that the tests notice
	$(BIN)/python -m tests.campaigns.breakages

fpga: $(STAMP)  ## area and clock on an ECP5, module by module (hours, kept): build/fpga.json
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fpga.txt
	@$(BIN)/python -m hw.fpga

asic: $(STAMP)  ## gate equivalents and critical path of the engines in a cell library of Debian's: build/asic.json
	@test -d /usr/share/qflow/tech/osu018 || requirements/packages.sh qflow-tech-osu018
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fpga.txt
	@$(BIN)/python -m hw.asic

formal: $(STAMP)  ## prove the RTL's rules with an SMT solver: build/formal.json
	@$(BIN)/python -m hw.formal

faults: $(STAMP)  ## faults of media, memories and resets while a device works: COUNT=10000, SEED=; build/faults.json
	@$(BIN)/python -m tests.campaigns.faults --count $(or $(COUNT),10000) --seed $(or $(SEED),1)

mutation: $(STAMP)  ## mutants of the RTL, by Yosys, and whether the benches notice: COUNT=320, SEED=; build/mutation.json
	@$(BIN)/python -m tests.campaigns.mutation --count $(or $(COUNT),320) --seed $(or $(SEED),1)

experiments: $(STAMP)  ## answer the open questions on reduced grids, and compare with docs/answers.md (20 minutes)
	@$(BIN)/vcram experiment --all

fuzz: $(STAMP)  ## 1,000,000 fuzzed LZ4 streams, RTL against liblz4: COUNT=, SEED=; build/fuzz.json
	@$(BIN)/python -m sim.bench.fuzz --count $(or $(COUNT),1000000) --seed $(or $(SEED),1)

coverage: $(STAMP)  ## line and toggle coverage of the RTL by its tests (half an hour): build/coverage.json
	@$(BIN)/python -m tests.campaigns.coverage

hwbench: $(STAMP)  ## measure the LZ4 engines and the device over real pages: build/hwbench.json
	@$(BIN)/python -m sim.bench.hwbench

slotbench: $(STAMP)  ## measure the slot table from 10^4 to 10^7 slots
	$(BIN)/python -m sim.bench.slotbench --json "$(BUILD)/slotbench.json"

compressors: $(STAMP)  ## measure zswap's compressors on this host: build/compressors.json
	$(BIN)/python -m sim.bench.compressors --json "$(BUILD)/compressors.json"

contract: $(STAMP)  ## our tiers through the contract suite on model and RTL, and the broken ones rejected
	$(BIN)/python -m vswap.contract --json "$(BUILD)/contract.json"

races: $(STAMP)  ## search 130,000 interleavings for races, and find those put in on purpose
	$(BIN)/python -m vswap.races --count 100000 --json "$(BUILD)/races.json"
	$(BIN)/python -m vswap.races --count 20000 --first 1000000000 --json "$(BUILD)/races-node.json"
	$(BIN)/python -m vswap.races --count 10000 --first 2000000000 --json "$(BUILD)/races-zram.json"
	$(BIN)/python -m vswap.races --seeded --json "$(BUILD)/races-seeded.json"

regs: $(STAMP)  ## generate code and documents from hw/regs; HTML, C, UVM, IP-XACT: build/regs
	@$(BIN)/python -m hw.regs.generate
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/regs.txt
	@$(BIN)/python -m hw.regs.export

# One lock for all supported versions of Python and all platforms. A hash, not a place: no index is named in it.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links --no-config

lock: $(STAMP)  ## pin the requirements of pyproject.toml again, with hashes (UPGRADE=1: newer ones)
	sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '" ' | tr , '\n' | \
		$(LOCK) $(and $(UPGRADE),--upgrade) --output-file requirements/build.txt -
	$(LOCK) $(and $(UPGRADE),--upgrade) --extra dev --extra dask --output-file requirements/python.txt pyproject.toml
	$(LOCK) --constraint requirements/python.txt --output-file requirements/fpga.txt requirements/fpga.in
	$(LOCK) --constraint requirements/python.txt --output-file requirements/regs.txt requirements/regs.in

clean:  ## remove what was built and recorded (not .venv)
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
