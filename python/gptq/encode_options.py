"""The arguments of a tokenizer that concern padding, truncation and columns, checked and resolved."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

# A model_max_length above this means that the length is not limited.
UNLIMITED = int(1e20)

_PADDINGS = {True: "longest", False: "do_not_pad", None: "do_not_pad"}
_TRUNCATIONS = {True: "longest_first", False: "do_not_truncate", None: "do_not_truncate"}


@dataclass
class EncodeOptions:
    """Arguments of ``tokenizer(...)`` by their names there, with ``padding`` and ``truncation`` as words."""

    add_special_tokens: bool = True
    padding: Any = False
    truncation: Any = None
    max_length: int | None = None
    stride: int = 0
    is_split_into_words: bool = False
    pad_to_multiple_of: int | None = None
    padding_side: str | None = None
    return_tensors: Any = None
    return_token_type_ids: bool | None = None
    return_attention_mask: bool | None = None
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False
    split_special_tokens: bool | None = None
    verbose: bool = True

    def resolve(self, model_max_length: int, pad_id: int | None) -> None:
        """Replaces padding and truncation by words and completes max_length.

        Raises ValueError for unknown words, for padding without a padding token, and for a max_length that is not a
        multiple of pad_to_multiple_of; NotImplementedError for is_split_into_words.
        """
        if self.is_split_into_words:
            raise NotImplementedError("is_split_into_words: texts that are split into words cannot be tokenized")
        if self.max_length is not None and self.padding is False and self.truncation is None:
            self.truncation = "longest_first"
        if self.padding is False and not self.truncation and self.max_length is None:
            self.padding, self.truncation = "do_not_pad", "do_not_truncate"
            if self.stride or self.padding_side is not None or self.pad_to_multiple_of is not None:
                self._check(pad_id)
            return
        padding, truncation = (
            _word("padding", self.padding, _PADDINGS),
            _word("truncation", self.truncation, _TRUNCATIONS),
        )
        if padding == "longest" and self.max_length is not None and truncation == "do_not_truncate" and self.verbose:
            warnings.warn(
                "max_length is ignored with padding=True and without truncation; use padding='max_length'", stacklevel=4
            )
        if self.max_length is None:
            unlimited = model_max_length > UNLIMITED
            if padding == "max_length":
                padding, self.max_length = ("do_not_pad", None) if unlimited else (padding, model_max_length)
            if truncation != "do_not_truncate":
                truncation, self.max_length = ("do_not_truncate", None) if unlimited else (truncation, model_max_length)
        self.padding, self.truncation = padding, truncation
        self._check(pad_id)

    def _check(self, pad_id: int | None) -> None:
        pads = self.padding != "do_not_pad"
        if pads and pad_id is None:
            raise ValueError(
                "padding: the tokenizer has no padding token; set one: tokenizer.pad_token = tokenizer.eos_token"
            )
        if self.padding_side not in (None, "left", "right"):
            raise ValueError(f"padding_side is {self.padding_side!r}, expected 'left' or 'right'")
        for name in ("max_length", "stride", "pad_to_multiple_of"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 0):
                raise ValueError(f"{name} is {value!r}, expected a number that is not negative")
        multiple = self.pad_to_multiple_of
        if pads and self.truncation != "do_not_truncate" and multiple and (self.max_length or 0) % multiple != 0:
            raise ValueError(
                f"max_length is {self.max_length}, expected a multiple of pad_to_multiple_of ({multiple}), "
                "because texts are both truncated and padded"
            )


def _word(name: str, value: Any, words: dict[bool | None, str]) -> str:
    """The word for True, False or None, or the word itself, also as an enumeration of transformers."""
    value = getattr(value, "value", value)
    if value is None or isinstance(value, bool):
        return words[value]
    known = {"padding": ("longest", "max_length", "do_not_pad")}.get(
        name, ("longest_first", "only_first", "only_second", "do_not_truncate")
    )
    if value not in known:
        raise ValueError(f"{name} is {value!r}, expected True, False or one of {', '.join(known)}")
    return str(value)
