"""Which steps of KGLite's optimizer may touch a question: those that keep its answer.

Each was tried with random questions about graphs that had been edited at random, against the answers without any step;
``tests/contracts/test_random_graphs.py`` does it again for those that are left on.  Found wrong in 0.21.2:
``fuse_match_return_aggregate`` forgets conditions on a relationship of a path that is counted, other ``fuse_*`` steps
return no columns; ``push_distinct_into_match`` counts too few within ``CALL``; ``push_limit_into_match`` forgets the
WHERE of a node that is found by its key.  Three of these are on where what they get wrong does not occur.  What was not
found wrong but saves little is left out too.  Statements that write are not under this rule: KGLite's transactions do
not know it.
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
#: Right where there is no WHERE.  Without them a LIMIT would wait for all rows, and each counted path would be a row.
_WITHOUT_WHERE = frozenset({"push_limit_into_match", "fuse_match_return_aggregate"})
#: Right where there is no CALL.
_WITHOUT_CALL = frozenset({"push_distinct_into_match"})


def left_out(found: Sequence[Token]) -> list[str]:
    """Names of the steps that must not touch a statement of these tokens."""
    words = {token.word for token in found}
    kept = KEPT
    if "WHERE" not in words:
        kept |= _WITHOUT_WHERE
    if "CALL" not in words:
        kept |= _WITHOUT_CALL
    return [name for name in kglite.cypher_pass_names() if name not in kept]
