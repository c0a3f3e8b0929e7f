"""A causal chat model of transformers, on this machine, held to the slots while it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jinja2.exceptions import TemplateError

from kg_rec.errors import LanguageModelError
from kg_rec.explain.generate.constrained import SlotAutomaton, SlotConstraint, Vocabulary
from kg_rec.explain.generate.language_model import Request


@dataclass(frozen=True)
class TransformersModel:
    """See :class:`kg_rec.explain.generate.language_model.LanguageModel`.

    Texts are sampled under :class:`~kg_rec.explain.generate.constrained.SlotConstraint`, all variants of a request at
    once. The same request gives the same texts on the same machine.  Code that comes with a model is never run.

    Attributes:
        source: folder or hub id of a causal language model with a chat template and safetensors weights.
        device: torch device, or ``auto``: cuda where there is one.
        temperature: of the sampling; higher is more varied.
        top_p: share of the probability that is sampled from (nucleus sampling, Holtzman et al. 2020).
        words: tokens for the words of a sentence, besides those that its slots take.
    """

    source: str
    device: str = "auto"
    temperature: float = 0.8
    top_p: float = 0.95
    words: int = 96

    @property
    def name(self) -> str:
        """Folder or hub id."""
        return self.source

    def write(self, request: Request) -> tuple[str, ...]:
        """Sentences in which every slot occurs exactly once; the words between them are unchecked.

        Raises:
            LanguageModelError: the model cannot be loaded, has no chat template, cannot write the slots, or the prompt
                is too long for it.
        """
        tokenizer, model, vocabulary = self._parts
        prompt = self._prompt(request)
        automaton = SlotAutomaton(vocabulary, [f"[{tag}]" for tag in request.slots])
        budget = int(automaton.need(automaton.start)) + self.words
        length = prompt["input_ids"].shape[1]
        longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and length + budget > longest:
            raise LanguageModelError(
                f"{self.source}: the prompt of {length} tokens and an answer of {budget} do not fit into the model's "
                f"{longest}; choose a model with a longer context"
            )
        constraint = SlotConstraint(automaton, request.variants, budget)
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(request.seed)
            written = model.generate(
                **prompt,
                do_sample=True,
                num_beams=1,
                num_return_sequences=request.variants,
                temperature=self.temperature,
                top_p=self.top_p,
                top_k=0,
                max_new_tokens=budget,
                min_new_tokens=None,
                eos_token_id=list(vocabulary.ends),
                pad_token_id=vocabulary.ends[0],
                logits_processor=[constraint],
            )
        texts = tokenizer.batch_decode(
            written[:, length:].tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return tuple(" ".join(text.split()) for text in texts)

    @cached_property
    def _parts(self) -> tuple[Any, Any, Vocabulary]:
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        device = ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device
        dtype = torch.float32 if torch.device(device).type == "cpu" else "auto"
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.source, trust_remote_code=False)
            model: Any = AutoModelForCausalLM.from_pretrained(
                self.source, trust_remote_code=False, use_safetensors=True, dtype=dtype
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise LanguageModelError(
                f"cannot load the language model {self.source!r}: expected a folder or hub id of a causal transformers "
                f"model with safetensors weights ({str(error)[:200]})"
            ) from error
        if not tokenizer.chat_template:
            raise LanguageModelError(
                f"{self.source}: expected a chat model, got one without a chat template; choose its instruct form"
            )
        ends = model.generation_config.eos_token_id
        ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
        if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
            ends.append(tokenizer.eos_token_id)
        if not ends:
            raise LanguageModelError(f"{self.source}: expected a token that ends an answer (eos_token), got none")
        size = model.get_output_embeddings().weight.shape[0]
        return tokenizer, model.eval().to(device), Vocabulary.of(tokenizer, ends, size)

    def _prompt(self, request: Request) -> Mapping[str, torch.Tensor]:
        """The prompt's tokens in the model's own form; where that has no system text, it comes before the task."""
        task = f"{request.task}\n\n{request.one}"
        system = [{"role": "system", "content": request.system}, {"role": "user", "content": task}]
        alone = [{"role": "user", "content": f"{request.system}\n\n{task}"}]
        try:
            return self._tokens(system)
        except TemplateError:
            pass
        try:
            return self._tokens(alone)
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
