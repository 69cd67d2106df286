"""The arguments of ``generate`` as transformers defines them, and outputs of the kind that the inputs have."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gptq import _core
from gptq.checks import flag, integer, mask_row, number, plain, token_row

_logger = logging.getLogger("gptq")

DEFAULT_NEW_TOKENS = 20  # of transformers, when neither max_new_tokens nor max_length is given

# Values of these arguments that change nothing; every other value is refused.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "num_beams": (None, 1),
    "num_beam_groups": (None, 1),
    "penalty_alpha": (None, 0),
    "typical_p": (None, 1, 1.0),
    "epsilon_cutoff": (None, 0, 0.0),
    "eta_cutoff": (None, 0, 0.0),
    "top_h": (None,),
    "diversity_penalty": (None, 0, 0.0),
    "encoder_repetition_penalty": (None, 1, 1.0),
    "length_penalty": (None, 1, 1.0),
    "no_repeat_ngram_size": (None, 0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "bad_words_ids": (None,),
    "force_words_ids": (None,),
    "constraints": (None,),
    "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,),
    "exponential_decay_length_penalty": (None,),
    "suppress_tokens": (None,),
    "begin_suppress_tokens": (None,),
    "sequence_bias": (None,),
    "guidance_scale": (None, 1, 1.0),
    "watermarking_config": (None,),
    "logits_processor": (None, []),
    "stopping_criteria": (None, []),
    "prefix_allowed_tokens_fn": (None,),
    "negative_prompt_ids": (None,),
    "assistant_model": (None,),
    "prompt_lookup_num_tokens": (None,),
    "output_scores": (None, False),
    "output_logits": (None, False),
    "output_attentions": (None, False),
    "output_hidden_states": (None, False),
    "inputs_embeds": (None,),
    "past_key_values": (None,),
    "remove_invalid_values": (None, False),
    "renormalize_logits": (None, False),
    "max_time": (None,),
    "token_healing": (None, False),
}

# Arguments without a meaning here: how transformers runs a model, or ids that only the decoder of another kind reads.
_IGNORED = frozenset(
    ("use_cache", "synced_gpus", "token_type_ids", "position_ids", "cache_implementation", "cache_config", "early_stopping",
     "bos_token_id", "decoder_start_token_id", "transformers_version", "_from_model_config", "disable_compile",
     "compile_config", "return_legacy_cache", "low_memory", "dola_layers", "trust_remote_code", "tokenizer")
)  # fmt: skip


class GenerationConfig:
    """Settings of generation: attributes with the names of generation_config.json, None or absent where not set."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def update(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    def __repr__(self) -> str:
        return f"GenerationConfig({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"


class GenerateOutput(dict[str, Any]):
    """The result with return_dict_in_generate=True: ``sequences`` of shape [N, T]."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def settings_of(config: Any) -> dict[str, Any]:
    """The values that a generation config sets: that of transformers or of gptq, or a mapping."""
    if not isinstance(config, Mapping) and not hasattr(config, "to_dict"):
        raise TypeError(f"generation_config is {config!r}, expected a GenerationConfig or a mapping")
    values = dict(config) if isinstance(config, Mapping) else config.to_dict()
    values = {key: value for key, value in values.items() if value is not None}
    if values.get("max_length") == DEFAULT_NEW_TOKENS:  # the default of transformers, which says nothing
        del values["max_length"]
    return values


def unsupported(values: Mapping[str, Any]) -> list[str]:
    """The settings that would change the result and are not supported, as "name=value"."""
    return [f"{key}={value!r}" for key, value in values.items() if key in _NEUTRAL and value not in _NEUTRAL[key]]


def merge_settings(config: GenerationConfig, given: Mapping[str, Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The model's settings, those of ``generation_config`` and the arguments; later ones count more.

    Raises NotImplementedError for settings that would change the result and are not supported, TypeError for unknown
    arguments.
    """
    for setting in [*unsupported(given), *unsupported(kwargs)]:
        raise NotImplementedError(f"generate: {setting} is not supported; leave it out")
    for key in kwargs:
        if key not in _KNOWN and key not in _NEUTRAL and key not in _IGNORED:
            raise TypeError(f"generate() got an unexpected argument '{key}'")
    return {**config.to_dict(), **given, **kwargs}


_KNOWN = frozenset(
    ("max_new_tokens", "max_length", "do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
     "num_return_sequences", "eos_token_id", "pad_token_id", "stop_strings", "return_dict_in_generate", "seed")
)  # fmt: skip


def is_setting(name: str) -> bool:
    """Whether an argument is one of generate, supported or not."""
    return name in _KNOWN or name in _NEUTRAL or name in _IGNORED


def sampling_of(values: Mapping[str, Any]) -> _core.Sampling:
    """How tokens are chosen. Without do_sample always the most likely one, whatever the temperature says."""
    sampling = _core.Sampling()
    penalty = values.get("repetition_penalty")
    sampling.repetition_penalty = 1.0 if penalty is None else number("repetition_penalty", penalty)
    if values.get("do_sample") is None or not flag("do_sample", values["do_sample"]):
        return sampling

    def given(name: str, default: float) -> float:
        return default if values.get(name) is None else number(name, values[name])

    sampling.temperature = given("temperature", 1.0)
    if sampling.temperature <= 0:
        raise ValueError(
            f"`temperature` (={sampling.temperature}) has to be above 0 with do_sample=True; use do_sample=False for greedy decoding"
        )
    sampling.top_k = 50 if values.get("top_k") is None else integer("top_k", values["top_k"])
    sampling.top_p = given("top_p", 1.0)
    sampling.min_p = given("min_p", 0.0)
    return sampling


def new_tokens_of(values: Mapping[str, Any], explicit: Mapping[str, Any], prompt: int) -> int:
    """How many tokens may be generated after a prompt of ``prompt`` tokens.

    As in transformers, max_new_tokens counts more than max_length, also where only the model's settings have it.
    """
    if values.get("max_new_tokens") is not None:
        return integer("max_new_tokens", values["max_new_tokens"])
    if explicit.get("max_length") is not None:
        length = integer("max_length", explicit["max_length"])
        if length <= prompt:
            raise ValueError(
                f"the prompt has {prompt} tokens, but `max_length` is {length}; raise it or use max_new_tokens"
            )
        return length - prompt
    if values.get("max_length") is not None:
        length = integer("max_length", values["max_length"])
        if length <= prompt:
            _logger.warning(
                "the prompt has %d tokens, but max_length of generation_config.json is %d: nothing is generated; "
                "set max_new_tokens",
                prompt,
                length,
            )
        return max(length - prompt, 0)
    return DEFAULT_NEW_TOKENS


def ids_of(value: Any) -> list[int] | None:
    """A list of ids from an int, a list or None."""
    if value is None:
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    items = value if isinstance(value, (list, tuple)) else [value]
    return [integer("a token id", item, -1) for item in items]


class Prompts:
    """Token ids of one or several prompts, and the kind of object they came in."""

    def __init__(self, ids: Any, mask: Any = None) -> None:
        """``ids``, ``mask``: [T] or [N, T], as tensors, arrays or lists. Positions whose mask is 0 are padding."""
        self.example = ids
        rows = [token_row("input_ids", row) for row in _rows(ids, "input_ids")]
        self.padded = rows
        masks: list[list[int] | None] = [None] * len(rows)
        if mask is not None:
            masks = [mask_row("attention_mask", row) for row in _rows(mask, "attention_mask")]
        self.masks = masks
        if len(masks) != len(rows) or any(m is not None and len(m) != len(r) for m, r in zip(masks, rows)):
            raise ValueError("attention_mask and input_ids have different shapes")
        self.tokens = [
            row if kept is None else [token for token, keep in zip(row, kept) if keep] for row, kept in zip(rows, masks)
        ]

    def output(self, rows: list[list[int]], pad: int) -> Any:
        """Rows of ids padded on the right, as an object of the kind that came in: [N, T] of int64."""
        width = max((len(row) for row in rows), default=0)
        array = np.full((len(rows), width), pad, dtype=np.int64)
        for target, row in zip(array, rows):
            target[: len(row)] = row
        return like(self.example, array)


def like(example: Any, array: np.ndarray[Any, np.dtype[Any]]) -> Any:
    """``array`` as an object of the kind of ``example``: torch tensor on its device, NumPy array, list, or Tensor."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(example, torch.Tensor):
        return torch.from_numpy(np.ascontiguousarray(array)).to(example.device)
    if isinstance(example, np.ndarray):
        return array
    if isinstance(example, (list, tuple)):
        return array.tolist()
    from gptq.tensor import Tensor

    if array.dtype.kind == "f":
        return array
    return Tensor(array, getattr(example, "device", "cpu")) if isinstance(example, Tensor) else Tensor(array)


def _rows(values: Any, name: str) -> list[Sequence[Any]]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise ValueError(f"{name} is of type {type(values).__name__}, expected token ids")
    if len(values) == 0:
        raise ValueError(f"{name} is empty; give at least one token")
    if not isinstance(values[0], (list, tuple)) and not hasattr(plain(values[0]), "tolist"):
        values = [values]
    rows = [row.tolist() if hasattr(row, "tolist") else row for row in values]
    if not all(isinstance(row, (list, tuple)) for row in rows):
        raise ValueError(f"{name} holds numbers beside lists, expected [T] or [N, T]")
    return rows


def seeds(seed: int | None, count: int) -> list[int]:
    """A seed for each sequence: from ``seed`` on, or random ones."""
    first = random.SystemRandom().getrandbits(63) if seed is None else integer("seed", seed, -(2**64), 2**64)
    return [(first + i) % 2**64 for i in range(count)]
