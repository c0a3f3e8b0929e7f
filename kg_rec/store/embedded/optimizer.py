"""Which steps of KGLite's optimizer may touch a question: those that keep its answer.

Each was tried with random questions about graphs that had been edited at random, against the answers without any step;
``tests/contracts/test_random_graphs.py`` does it again for those that are left on.  Found wrong in 0.21.2: the
``fuse_*`` steps forget conditions on a relationship of a path that is counted, or return no columns;
``push_distinct_into_match`` counts too few within ``CALL``; ``push_limit_into_match`` forgets the WHERE of a node that
is found by its key.  What was not found wrong but saves little is left out too.  Statements that write are not under
this rule: KGLite's transactions do not know it.
"""

from __future__ import annotations

from collections.abc import Sequence

import kglite

from kg_rec.store.gate import Token

#: Steps that are left on: where a pattern begins, and what is looked up instead of compared.
KEPT = frozenset(
    {
        "push_where_into_match.1",
        "push_where_into_match.2",
        "optimize_pattern_start_node",
        "reorder_match_patterns",
        "reorder_match_clauses",
        "fold_or_to_in",
        "extract_pushable_rel_predicates",
        "mark_skip_target_type_check",
    }
)
#: One that is right where there is no WHERE; without it a LIMIT would wait for all rows.
_WITHOUT_WHERE = "push_limit_into_match"


def left_out(found: Sequence[Token]) -> list[str]:
    """Names of the steps that must not touch a statement of these tokens."""
    kept = KEPT if any(token.word == "WHERE" for token in found) else KEPT | {_WITHOUT_WHERE}
    return [name for name in kglite.cypher_pass_names() if name not in kept]
