"""Who is served how well, what is shown how often, and what each part of the score adds to a gap between groups.

A room of its own beside ``evaluation``: that one asks how good a model is for everybody, this one for whom, and it
reads what ``people``, ``jobs`` (re-ranking) and ``explain`` know, which ``evaluation`` stands below or beside.  Rules
and re-ranking of lists are settings of jobs (:mod:`kg_rec.jobs.rerank`); this room only measures them.
"""
