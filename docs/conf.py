"""Settings of the documentation site; ``make docs`` builds it with Sphinx."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import kg_rec

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "kg_rec"
author = "the authors of kg_rec"
release = kg_rec.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py", "reference_pages.py"]
html_theme = "furo"
html_title = f"kg_rec {release}"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
suppress_warnings = ["misc.highlighting_failure"]  # the lexer of Cypher knows no parameters


def setup(app: Sphinx) -> None:
    """Write the pages that are made from the package, before the sources are read."""
    from reference_pages import write

    app.connect("builder-inited", lambda _: write(HERE / "reference"))
