"""How often an endpoint is asked, and what it may cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from kg_rec.errors import BudgetSpentError, ConfigError


@dataclass(frozen=True)
class Limits:
    """What an endpoint is given.

    Attributes:
        timeout: seconds for one answer, from the request to its last byte.
        tries: of one request; the waits between them grow from a second on.
        per_minute: most tries in a minute, evenly spaced; None for no bound.
        max_requests: most tries in all; None for no bound.
        max_cost: most money in all, in the currency of the prices; None for no bound.
        price_in: price of a million tokens of the prompt.
        price_out: price of a million tokens of the answer.
        answer_tokens: most tokens of one answer; the server is told.
    """

    timeout: float = 60.0
    tries: int = 5
    per_minute: float | None = None
    max_requests: int | None = None
    max_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    answer_tokens: int = 2000

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name, value in asdict(self).items():
            zero = name in ("price_in", "price_out", "max_requests", "max_cost")
            if value is not None and not (math.isfinite(value) and (value > 0 or (zero and value == 0))):
                raise ConfigError(f"{name}: expected a number {'from 0 on' if zero else 'above 0'}, got {value!r}")
        if self.max_cost is not None and not (self.price_in or self.price_out):
            raise ConfigError(
                "max_cost: expected the prices beside it, per million tokens; give price_in and price_out"
            )


@dataclass
class Budget:
    """Keeps to :class:`Limits`: a try is paid for at its largest possible price before it is made.

    Attributes:
        limits: the limits.
        clock: seconds, monotonic.
        sleep: waits so many seconds.
        requests: tries so far.
        tokens: of prompts and answers so far, as counted by the server; where it did not count, as many as there
            can have been.
        cost: of these.
    """

    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    requests: int = 0
    tokens: int = 0
    cost: float = 0.0
    _next: float = -math.inf

    def take(self, prompt_bytes: int) -> int:
        """Wait for the next turn and book a try with a prompt of this size.

        Returns:
            The tokens of the prompt that were booked: a token is at least a byte.

        Raises:
            BudgetSpentError: it could exceed a cap; nothing is booked.
        """
        limits = self.limits
        if limits.max_requests is not None and self.requests >= limits.max_requests:
            raise BudgetSpentError(f"the cap of {limits.max_requests} requests is reached")
        tokens = prompt_bytes + 100  # what a chat template adds
        price = self._price(tokens, limits.answer_tokens)
        if limits.max_cost is not None and self.cost + price > limits.max_cost:
            raise BudgetSpentError(
                f"{self.cost:.4f} of at most {limits.max_cost:g} are spent, the next request could cost {price:.4f}"
            )
        now = self.clock()
        if now < self._next:
            self.sleep(self._next - now)
        if limits.per_minute is not None:
            self._next = max(now, self._next) + 60 / limits.per_minute
        self.requests += 1
        self._book(tokens, limits.answer_tokens)
        return tokens

    def settle(self, booked: int, used: tuple[int, int] | None) -> None:
        """Replace what was booked by what was used.

        Args:
            booked: what :meth:`take` gave.
            used: tokens of prompt and answer; None where the server did not say, and then what was booked stays.
        """
        if used is not None:
            self._book(-booked, -self.limits.answer_tokens)
            self._book(*used)

    def _book(self, tokens_in: int, tokens_out: int) -> None:
        self.tokens += tokens_in + tokens_out
        self.cost += self._price(tokens_in, tokens_out)

    def _price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.limits.price_in + tokens_out * self.limits.price_out) / 1e6


def tokens_used(usage: Any) -> tuple[int, int] | None:
    """Tokens of prompt and answer by the ``usage`` of a chat completion; None where it is not two counts."""
    if not isinstance(usage, dict):
        return None
    counts = [n for n in (usage.get("prompt_tokens"), usage.get("completion_tokens")) if type(n) is int]
    return (counts[0], counts[1]) if len(counts) == 2 and all(0 <= n < 10**9 for n in counts) else None
