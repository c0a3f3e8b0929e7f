#!/bin/sh
# Start or stop a throw-away Neo4j server for trying things out: .ci/neo4j.sh start|stop
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" tests/neo4j_server.py "$@"
