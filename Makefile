# make demo [DATA=path/to/ml-100k]   from nothing to explained recommendations and a report
# make test                          ruff, mypy, import-linter, pytest (the Neo4j tests included)
# make neo4j / make neo4j-stop       a real Neo4j 5.26 for development, in a folder of its own
# make clean                         remove what these made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-output

.PHONY: demo test lint neo4j neo4j-stop clean
.DELETE_ON_ERROR:

demo: $(VENV)/.text
	$(BIN)/kg-rec demo --out "$(OUT)" $(if $(DATA),--data "$(DATA)")

test: lint
	$(BIN)/pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy kg_rec
	$(BIN)/lint-imports

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

$(VENV)/.dev: $(VENV)/.uv pyproject.toml constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[text,dev]'
	@touch $@ $(VENV)/.text

clean:
	-.ci/neo4j.sh stop
	rm -rf $(VENV) .neo4j $(OUT) *.egg-info build
