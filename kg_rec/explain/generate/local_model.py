"""A causal language model of transformers, on this machine, held to a grammar while it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jinja2.exceptions import TemplateError
from numpy.typing import NDArray
from transformers import LogitsProcessor

from kg_rec.errors import LanguageModelError, MissingDependencyError
from kg_rec.explain.generate.language_model import Request

if TYPE_CHECKING:
    from llguidance import LLTokenizer


@dataclass(frozen=True)
class TransformersModel:
    """See :class:`kg_rec.explain.generate.language_model.LanguageModel`.

    All variants of a request are sampled at once under :class:`GrammarConstraint`, so whatever the weights are each
    text derives from the request's grammar, and at rising temperatures, so that small models too give different texts.
    The same request gives the same texts on the same machine.  Code that comes with a model is never run.  Needs the
    extra ``lm`` (llguidance; gguf and accelerate for GGUF files).

    Attributes:
        source: folder or hub id of a causal language model with safetensors weights, or a file ``NAME.gguf``.  A model
            without a chat template is told by examples alone.
        device: torch device, or ``auto``: cuda where there is one.
        temperature: of the first text; higher is more varied.
        hottest: temperature of the last text, as a multiple of the first's.
        tokens: most tokens of a text.
    """

    source: str
    device: str = "auto"
    temperature: float = 1.2
    hottest: float = 8.0
    tokens: int = 160

    @property
    def name(self) -> str:
        """Folder, file or hub id."""
        return self.source

    def write(self, request: Request) -> tuple[str, ...]:
        """Sentences of the request's grammar; one that does not end in :attr:`tokens` tokens is
        left out.

        Raises:
            LanguageModelError: the model cannot be loaded, its chat template fails, its tokenizer cannot write the
                grammar, or the prompt is too long for it.
            MissingDependencyError: llguidance, gguf or accelerate is not installed.
        """
        _, model, words = self._parts
        prompt = self._prompt(request)
        length = prompt["input_ids"].shape[1]
        longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and length + self.tokens > longest:
            raise LanguageModelError(
                f"{self.source}: the prompt of {length} tokens and an answer of {self.tokens} do not fit into the "
                f"model's {longest}; choose a model with a longer context"
            )
        constraint = GrammarConstraint(words, request.grammar, request.variants)
        rising = np.linspace(1, self.hottest, request.variants)
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(request.seed)
            written = model.generate(
                **{key: ids.repeat(request.variants, 1) for key, ids in prompt.items()},
                past_key_values=self._read(prompt, request.variants),
                do_sample=True,
                num_beams=1,
                top_k=0,
                top_p=1.0,
                max_new_tokens=self.tokens,
                min_new_tokens=None,
                eos_token_id=words.eos_token,
                pad_token_id=words.eos_token,
                logits_processor=[constraint, _Temperatures(self.temperature * rising)],
            )
        ended = [
            row[: row.index(words.eos_token)]
            for row, matcher in zip(written[:, length:].tolist(), constraint.matchers, strict=True)
            if words.eos_token in row and not matcher.is_error()
        ]
        return tuple(words.decode_bytes(row).decode("utf-8", "replace") for row in ended)

    def _read(self, prompt: Mapping[str, torch.Tensor], rows: int) -> Any:
        """What the model remembers of the prompt, read once for all texts; its last token is left to ``generate``."""
        from transformers import DynamicCache

        model, cache = self._parts[1], DynamicCache(config=self._parts[1].config)
        read = {key: ids[:, :-1] for key, ids in prompt.items()}
        model(**read, past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(rows)
        return cache

    @cached_property
    def _parts(self) -> tuple[Any, Any, LLTokenizer]:
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        try:
            from llguidance.hf import from_tokenizer
        except ImportError as error:
            raise _missing(error) from error
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        device = ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device
        dtype = torch.float32 if torch.device(device).type == "cpu" else "auto"
        file = Path(self.source)
        packed = {"gguf_file": file.name} if file.suffix == ".gguf" else {}
        place = str(file.parent) if packed else self.source
        weights: dict[str, Any] = dict(packed) or {"use_safetensors": True}
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **packed)
            model: Any = AutoModelForCausalLM.from_pretrained(place, trust_remote_code=False, dtype=dtype, **weights)
        except ImportError as error:
            raise _missing(error) from error
        except (OSError, ValueError, SafetensorError) as error:
            raise LanguageModelError(
                f"cannot load the language model {self.source!r}: expected a folder or hub id of a causal transformers "
                f"model with safetensors weights, or a .gguf file ({str(error)[:200]})"
            ) from error
        if tokenizer.eos_token_id is None:
            raise LanguageModelError(f"{self.source}: expected a token that ends an answer (eos_token), got none")
        size = model.get_output_embeddings().weight.shape[0]
        fast: Any = tokenizer
        try:
            words = from_tokenizer(fast, n_vocab=size)
        except ValueError as error:
            raise LanguageModelError(
                f"{self.source}: expected a fast tokenizer whose tokens are bytes of text; got another ({error})"
            ) from error
        return tokenizer, model.eval().to(device), words

    def _prompt(self, request: Request) -> Mapping[str, torch.Tensor]:
        """The prompt's tokens in the model's own form; where that has no system text, it comes before the task."""
        tokenizer, model, _ = self._parts
        if not tokenizer.chat_template:
            shown = [f"{task}\n{request.answer.format(said)}" for task, said in request.examples]
            asked = f"{request.task}\n{request.answer.format('').rstrip()}"
            encoded = tokenizer("\n\n".join([request.system, *shown, asked]), return_tensors="pt")
            return {key: encoded[key].to(model.device) for key in ("input_ids", "attention_mask")}
        turns = [
            {"role": role, "content": text}
            for example in request.examples
            for role, text in zip(("user", "assistant"), example, strict=True)
        ]
        task = {"role": "user", "content": f"{request.task}\n{request.one}"}
        try:
            return self._tokens([{"role": "system", "content": request.system}, *turns, task])
        except TemplateError:
            pass
        first, *rest = [*turns, task]
        try:
            return self._tokens([{**first, "content": f"{request.system}\n\n{first['content']}"}, *rest])
        except TemplateError as error:
            raise LanguageModelError(f"{self.source}: its chat template fails: {str(error)[:200]}") from error

    def _tokens(self, messages: list[dict[str, str]]) -> Mapping[str, torch.Tensor]:
        tokenizer, model, _ = self._parts
        encoded = tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=True,  # words of the schema that look like <|im_end|> stay words
            enable_thinking=False,  # for templates that know it: an answer, no thoughts
        )
        return {key: encoded[key].to(model.device) for key in ("input_ids", "attention_mask")}


class GrammarConstraint(LogitsProcessor):
    """Lets ``generate`` write only what derives from a grammar; for sampling and greedy search, not for beams.

    The mask of each token comes from llguidance, which parses the text so far (``matchers``, one a row).

    Args:
        words: the tokenizer.
        grammar: EBNF with the rule ``start``.
        rows: number of texts written at once.

    Raises:
        LanguageModelError: the grammar cannot be used.
    """

    def __init__(self, words: LLTokenizer, grammar: str, rows: int) -> None:
        from llguidance import LLMatcher
        from llguidance.numpy import allocate_token_bitmask

        self.matchers = [LLMatcher(words, LLMatcher.grammar_from_lark(grammar), log_level=0) for _ in range(rows)]
        for matcher in self.matchers:
            if matcher.is_error():
                raise LanguageModelError(f"the grammar cannot be used for decoding: {matcher.get_error()}")
        self._masks = allocate_token_bitmask(rows, words.vocab_size)
        self._end = np.zeros_like(self._masks[0])
        self._end[words.eos_token // 32] |= np.int32(np.uint32(1 << words.eos_token % 32).view(np.int32))
        self._started = False

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of the tokens that are not allowed become minus infinity; both are of shape (rows, ...)."""
        from llguidance.numpy import fill_next_token_bitmask

        for row, matcher in enumerate(self.matchers):
            if self._started and not matcher.is_stopped():
                matcher.consume_token(int(input_ids[row, -1]))
            if not matcher.is_stopped():
                fill_next_token_bitmask(matcher, self._masks, row)
            else:
                self._masks[row] = self._end
        self._started = True
        bits = torch.from_numpy(self._masks).to(scores.device)
        places = torch.arange(scores.shape[1], device=scores.device)
        allowed = (bits[:, places // 32] >> (places % 32)) & 1
        return scores.masked_fill(allowed == 0, float("-inf"))


class _Temperatures(LogitsProcessor):
    """Divides the scores of each row by a temperature of its own, shape (rows,)."""

    def __init__(self, rows: NDArray[np.float64]) -> None:
        self._rows = torch.from_numpy(rows).float()[:, None]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        return scores / self._rows.to(scores.device)


def _missing(error: ImportError) -> MissingDependencyError:
    return MissingDependencyError(
        f"{error.name or 'gguf'} is not installed, which language models on this machine need; type "
        "`pip install 'kg-rec[lm]'`"
    )
