"""Notebook helpers: pieces of the graph, centralities, drawings, maps with names, sorted tables, a bar of progress.

::

    from kg_rec import notebook

    with notebook.progress() as progress:
        model = kg.train(snapshot, progress=progress)
    notebook.sortable(notebook.centrality(snapshot, "Person"))
    piece = notebook.neighbourhood(snapshot, "Film", "heat-1995", hops=2, relations=["DIRECTED_BY", "STARRING"])
    notebook.draw(piece, plt.gca())
"""

from kg_rec.notebook.display import NameMap, Sortable, progress, sortable
from kg_rec.notebook.graphs import COLOURS, centrality, draw, item_graph, knowledge, neighbourhood

__all__ = [
    "COLOURS",
    "NameMap",
    "Sortable",
    "centrality",
    "draw",
    "item_graph",
    "knowledge",
    "neighbourhood",
    "progress",
    "sortable",
]
