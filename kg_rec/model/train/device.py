"""The torch device that training runs on."""

from __future__ import annotations

import torch

from kg_rec.errors import ConfigError
from kg_rec.model.config import TrainConfig


def device(config: TrainConfig) -> str:
    """The torch device that ``config.device`` stands for.

    Raises:
        ConfigError: it names no device of this machine.
    """
    if config.device != "auto":
        try:
            torch.empty(0, device=config.device)
        except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
            reason = str(error).splitlines()[0]
            raise ConfigError(f"device {config.device!r} cannot be used ({reason}); set cpu or auto") from error
        return config.device
    return "cuda" if torch.cuda.is_available() else "cpu"
