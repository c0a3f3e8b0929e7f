"""Run the notebooks one after the other, in one folder, and keep what they show.

make notebooks
python notebooks/run.py 04 --folder /tmp/films     only those whose names begin so, in a folder of their own
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

HERE = Path(__file__).parent
#: Where the graph and the model of the notebooks lie: beside them, as when they are opened in Jupyter.
FOLDER = HERE
#: Sums are added in one order: by one thread, and by instructions that every x86 processor of the last ten years has.
#: Elsewhere the last bits differ, and where two settings of a model are as good as each other, they decide.
SAME_SUMS = {
    "OMP_NUM_THREADS": "1",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
}


def notebooks() -> list[Path]:
    """All notebooks, in the order in which they are read: the first makes what the others open."""
    return sorted(HERE.glob("*.ipynb"))


def executed(path: Path, folder: Path) -> NotebookNode:
    """A notebook with what it shows when it runs in a folder; what changes from run to run is left out.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    options = {"kernel_name": "python3", "timeout": 300, "record_timing": False, "coalesce_streams": True}
    client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **options)
    client.execute(env={**os.environ, **SAME_SUMS})
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = NotebookNode({name: value for name, value in cell.metadata.items() if name == "tags"})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _bar(output)]
            for output in cell.outputs:
                output.get("metadata", {}).clear()
    return notebook


def _bar(output: NotebookNode) -> bool:
    """Whether this is where a bar of progress was; it is empty at the end."""
    return output.output_type == "display_data" and output.data.get("text/html") == ""


def main() -> None:
    """Run those that are asked for, and write them with what they show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of names; all without one")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where their graph and model lie")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for path in notebooks():
        if args.names and not path.name.startswith(tuple(args.names)):
            continue
        print(path.name, flush=True)
        try:
            nbformat.write(executed(path, args.folder.resolve()), path)
        except CellExecutionError as error:
            sys.exit(f"{path.name}: {error}")


if __name__ == "__main__":
    main()
