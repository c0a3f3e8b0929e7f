"""A causal language model of transformers, on this machine, held to a grammar while it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jinja2.exceptions import TemplateError
from transformers import LogitsProcessor

from kg_rec.errors import LanguageModelError, MissingDependencyError
from kg_rec.explain.generate.language_model import Request

if TYPE_CHECKING:
    from llguidance import LLTokenizer


@dataclass(frozen=True)
class TransformersModel:
    """See :class:`kg_rec.explain.generate.language_model.LanguageModel`.

    Several texts of a request are drawn at once under :class:`GrammarConstraint`, so whatever the weights are each
    text derives from the request's grammar, and apart from each other (:class:`ArithmeticSampling`); those kept are
    the ones that the model finds most likely, token by token.  The same request gives the same texts on the same
    machine.  Code that comes with a model is never run.  Needs the extra ``lm`` (llguidance; gguf and accelerate for
    GGUF files).

    Attributes:
        source: folder or hub id of a causal language model with safetensors weights, or a file ``NAME.gguf``.  A model
            without a chat template is told by examples alone.
        device: torch device, or ``auto``: cuda where there is one.
        temperature: of the texts that are drawn; higher is more varied.
        draws: texts drawn for each one that is wanted.
        tokens: most tokens of a text.
    """

    source: str
    device: str = "auto"
    temperature: float = 2.0
    draws: int = 3
    tokens: int = 160

    @property
    def name(self) -> str:
        """Folder, file or hub id."""
        return self.source

    def write(self, request: Request) -> tuple[str, ...]:
        """Sentences of the request's grammar, the most likely first, none twice and none of those there already.

        One that does not end in :attr:`tokens` tokens is left out.

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
        rows = request.variants * self.draws
        constraint = GrammarConstraint(words, request.grammar, rows)
        with torch.inference_mode():
            written = model.generate(
                **{key: ids.repeat(rows, 1) for key, ids in prompt.items()},
                past_key_values=self._read(prompt, rows),
                do_sample=False,
                num_beams=1,
                temperature=None,
                top_k=None,
                top_p=None,
                max_new_tokens=self.tokens,
                min_new_tokens=None,
                eos_token_id=words.eos_token,
                pad_token_id=words.eos_token,
                logits_processor=[constraint, ArithmeticSampling(rows, self.temperature, request.seed)],
                output_logits=True,
                return_dict_in_generate=True,
            )
        likely: dict[str, float] = {}
        chosen = written.sequences[:, length:]
        of_tokens = _log_likelihoods(written.logits, chosen)
        for row, each, matcher in zip(chosen.tolist(), of_tokens, constraint.matchers, strict=True):
            if words.eos_token in row and not matcher.is_error():
                end = row.index(words.eos_token)
                text = words.decode_bytes(row[:end]).decode("utf-8", "replace")
                likely.setdefault(text, float(each[: end + 1].mean()))
        texts = sorted(set(likely).difference(request.taken), key=lambda text: (-likely[text], text))
        return tuple(texts[: request.variants])

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


class ArithmeticSampling(LogitsProcessor):
    """Draws texts that lie apart: row r takes the tokens of the code r / rows, read as an arithmetic code is.

    Each row alone is drawn as by sampling; together they are spread evenly over what the model may write, so that
    they differ where it has a choice (Vilnis et al., Arithmetic Sampling, ICML 2023).  At each token all codes are
    shifted alike, so that other seeds give other texts too.

    Args:
        rows: number of texts.
        temperature: the scores are divided by it.
        seed: of the shifts.
    """

    def __init__(self, rows: int, temperature: float, seed: int) -> None:
        self._temperature, self._random = temperature, np.random.default_rng(seed)
        self._codes = torch.from_numpy(np.arange(rows) / rows)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of all tokens but the chosen one become minus infinity; both are of shape (rows, ...)."""
        chances = torch.softmax(scores.double().cpu() / self._temperature, dim=1)
        ends = chances.cumsum(dim=1)
        codes = (self._codes[:, None] + self._random.random()) % 1 * ends[:, -1:]
        chosen = torch.searchsorted(ends, codes, right=True).clamp(max=scores.shape[1] - 1)
        chance = chances.gather(1, chosen)
        none = chance[:, 0] == 0  # by rounding: the last one that may be
        if none.any():
            chosen[none] = chances[none].argmax(dim=1, keepdim=True)
            chance = chances.gather(1, chosen)
        start = ends.gather(1, chosen) - chance
        self._codes = ((codes - start) / chance)[:, 0].clamp(0, 1 - 1e-12)
        chosen = chosen.to(scores.device)
        return torch.full_like(scores, float("-inf")).scatter(1, chosen, scores.gather(1, chosen))


def _log_likelihoods(logits: Sequence[torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    """What the model itself, held to nothing, gives to each token, shape (rows, tokens)."""
    each = [torch.log_softmax(scores.float(), dim=1).gather(1, tokens[:, [n]])[:, 0] for n, scores in enumerate(logits)]
    return torch.stack(each, dim=1)


def _missing(error: ImportError) -> MissingDependencyError:
    return MissingDependencyError(
        f"{error.name or 'gguf'} is not installed, which language models on this machine need; type "
        "`pip install 'kg-rec[lm]'`"
    )
