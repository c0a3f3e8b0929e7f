"""How batch jobs scale: load, export, fit, and top-10 lists to Parquet and into the graph.

    python -m benchmarks.jobs --interactions 100000 1000000 --graph neo4j://localhost:7687

Being written; see the issue on batch jobs, point 7.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.exit("benchmarks.jobs is not complete yet")
