"""All settings in one place to import from; each stands beside what it sets."""

from __future__ import annotations

from kg_rec.explain.config import ExplainConfig
from kg_rec.model.channels.knowledge import KnowledgeConfig
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.sequence import SequenceConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.channels.vectors import VectorsConfig
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.config import FusionConfig, TrainConfig

__all__ = [
    "ColdConfig",
    "ExplainConfig",
    "FusionConfig",
    "GnnConfig",
    "KnowledgeConfig",
    "MeaningConfig",
    "SequenceConfig",
    "TasteConfig",
    "TrainConfig",
    "VectorsConfig",
]
