"""Encoding of texts: ``tokenizer(texts, ...)`` and ``tokenizer.encode``, with all of their arguments."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gptq import _core
from gptq.batch_encoding import BatchEncoding, tensor_kind
from gptq.encode_options import EncodeOptions

if TYPE_CHECKING:
    from gptq.encoding import Encoding

_log = logging.getLogger("gptq")
_OPTIONS = frozenset(field.name for field in dataclasses.fields(EncodeOptions))
_RESOLVED = EncodeOptions(padding="do_not_pad", truncation="do_not_truncate")
_IDS, _ATTENTION = _core.Column.IDS, _core.Column.ATTENTION
_TYPE_IDS, _SPECIAL = _core.Column.TYPE_IDS, _core.Column.SPECIAL


class TextEncoder:
    """The part of a tokenizer that encodes texts."""

    _native: _core.Tokenizer
    model_max_length: int
    padding_side: str
    truncation_side: str
    pad_token_type_id: int
    model_input_names: list[str]
    split_special_tokens: bool

    if TYPE_CHECKING:
        pad_token: str | None
        pad_token_id: int | None
        all_special_ids: list[int]

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        *args: Any,
        tokenizer_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Encodes a text, or a list of texts, each perhaps with a second one of ``text_pair`` in the same sequence.

        Returns the columns input_ids, attention_mask and those asked for: lists of numbers for one text, lists of such
        lists for a list of texts, arrays [B, T] with ``return_tensors`` "np" or "pt" (also for one text: B is 1).
        Keyword arguments: ``add_special_tokens=True``; ``padding``: False, True ("longest") or "max_length";
        ``padding_side``; ``truncation``: False, True ("longest_first"), "only_first" or "only_second"; ``max_length``
        in tokens; ``stride``: tokens that windows share; ``return_overflowing_tokens``: all windows as rows;
        ``pad_to_multiple_of``; ``return_tensors``; ``return_token_type_ids``, ``return_attention_mask``,
        ``return_special_tokens_mask``, ``return_offsets_mapping``, ``return_length``; ``split_special_tokens``: control
        tokens in texts are ordinary text. With ``text_target`` its ids are the column labels.

        Raises ValueError for wrong values, TypeError for unknown arguments and NotImplementedError for
        ``is_split_into_words``.
        """
        if args:
            raise TypeError("the arguments after text_pair_target are given by name")
        if not kwargs and text_pair is None and text_target is None and not tokenizer_kwargs and isinstance(text, str):
            plain = self._plainly(text)
            if plain is not None:
                return plain
        if tokenizer_kwargs:
            kwargs = {**tokenizer_kwargs, **kwargs}
        if text_target is None and "max_target_length" not in kwargs:
            if text is None:
                raise ValueError("tokenizing: expected text or text_target")
            return self._encode(text, text_pair, self._options(kwargs))
        max_length = kwargs.pop("max_target_length", None)
        encoded = None if text is None else self._encode(text, text_pair, self._options(kwargs))
        if text_target is None and encoded is not None:
            return encoded
        if max_length is not None:
            kwargs["max_length"] = max_length
        target = self._encode(text_target, text_pair_target, self._options(kwargs))
        if encoded is None:
            return target
        encoded["labels"] = target["input_ids"]
        return encoded

    def encode(self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **kwargs: Any) -> Any:
        """The column input_ids of ``tokenizer(text, ...)``: a list of ids for one text."""
        if text_pair is None and not kwargs and isinstance(text, str) and not self.split_special_tokens:
            _check_unicode(text)
            return self._native.encode(text, add_special_tokens)
        options = self._options({"add_special_tokens": add_special_tokens, **kwargs})
        return self._encode(text, text_pair, options)["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **kwargs: Any) -> BatchEncoding:
        """The same as ``tokenizer(text, text_pair, ...)``; the older name for one text."""
        return self(text, text_pair, **kwargs)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **kwargs: Any) -> BatchEncoding:
        """The same as ``tokenizer(texts, ...)``; the older name for a list of texts or of pairs."""
        return self(batch_text_or_text_pairs, **kwargs)

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **kwargs: Any
    ) -> list[str]:
        """The tokens of a text as strings."""
        options = self._options({"add_special_tokens": add_special_tokens, **kwargs})
        return self._encode(text, pair, options).tokens()

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """The number of tokens that are added to a text, or to a pair of texts."""
        return self._native.special_tokens_added(pair)

    @property
    def max_len_single_sentence(self) -> int:
        return self.model_max_length - self.num_special_tokens_to_add(False)

    @property
    def max_len_sentences_pair(self) -> int:
        return self.model_max_length - self.num_special_tokens_to_add(True)

    def get_special_tokens_mask(
        self, token_ids_0: Sequence[int], token_ids_1: None = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for every id of a special token, else 0. Needs already_has_special_tokens=True."""
        if not already_has_special_tokens or token_ids_1 is not None:
            raise NotImplementedError("get_special_tokens_mask: only already_has_special_tokens=True is supported")
        special = set(self.all_special_ids)
        return [1 if int(id) in special else 0 for id in token_ids_0]

    # ---- internals

    def _plainly(self, text: str) -> BatchEncoding | None:
        """The result for one text without arguments, in half the time; None where other columns are needed."""
        if self.split_special_tokens or self.model_input_names != ["input_ids", "attention_mask"]:
            return None
        _check_unicode(text)
        ids = self._native.encode(text, True)
        if len(ids) > self.model_max_length:
            self._warn_of(len(ids))
        columns = {"input_ids": ids, "attention_mask": [1] * len(ids)}
        return BatchEncoding(columns, self._lazily([text], None, _RESOLVED), n_sequences=1)

    def _options(self, given: dict[str, Any]) -> EncodeOptions:
        """The options of these arguments, resolved."""
        unknown = given.keys() - _OPTIONS
        if unknown:
            raise TypeError(f"tokenizing: unexpected keyword arguments: {', '.join(sorted(unknown))}")
        options = EncodeOptions(**given)
        if options.split_special_tokens is None:
            options.split_special_tokens = self.split_special_tokens
        pad_id = self.pad_token_id if options.padding is not False else None
        options.resolve(self.model_max_length, pad_id)
        return options

    def _encode(self, text: Any, text_pair: Any, options: EncodeOptions) -> BatchEncoding:
        kind = None if options.return_tensors is None else tensor_kind(options.return_tensors)
        texts, pairs, batched = _inputs(text, text_pair)
        all_windows = options.return_overflowing_tokens
        encoded = self._encoded(texts, pairs, options, options.return_offsets_mapping, all_windows)
        columns = self._columns(encoded, options, kind)
        if options.return_overflowing_tokens:
            columns["overflow_to_sample_mapping"] = encoded.inputs()
        if options.max_length is None and options.verbose:
            self._warn_if_too_long(encoded)
        if not batched and kind is None and not options.return_overflowing_tokens:
            columns = {key: rows[0] if rows and isinstance(rows[0], list) else rows for key, rows in columns.items()}
        count = 1 if pairs is None else 2
        return BatchEncoding(columns, self._lazily(texts, pairs, options), kind, n_sequences=count)

    def _encoded(
        self, texts: list[str], pairs: list[str] | None, options: EncodeOptions, places: bool, all_windows: bool
    ) -> _core.EncodedTexts:
        truncates = options.truncation != "do_not_truncate"
        encoded = _core.encode_texts(
            self._native,
            texts,
            pairs,
            add_special_tokens=options.add_special_tokens,
            plain_control_tokens=bool(options.split_special_tokens),
            places=places,
            truncation=options.truncation,
            max_length=(options.max_length or 0) if truncates else 0,
            stride=options.stride,
            truncate_left=self.truncation_side == "left",
            all_windows=all_windows and truncates,
        )
        if options.padding != "do_not_pad":
            width = options.max_length if options.padding == "max_length" else None
            left = (options.padding_side or self.padding_side) == "left"
            pad_id = self.pad_token_id or 0
            encoded.pad(width, options.pad_to_multiple_of or 0, left, pad_id, self.pad_token_type_id)
        return encoded

    def _columns(self, encoded: _core.EncodedTexts, options: EncodeOptions, kind: str | None) -> dict[str, Any]:
        """The columns in transformers' order: nested lists, or with ``kind`` arrays where all rows are equally long."""
        make = encoded.matrix if kind is not None and encoded.rectangular else encoded.lists
        columns: dict[str, Any] = {"input_ids": make(_IDS)}
        for name, asked, column in (
            ("token_type_ids", options.return_token_type_ids, _TYPE_IDS),
            ("attention_mask", options.return_attention_mask, _ATTENTION),
            ("special_tokens_mask", options.return_special_tokens_mask, _SPECIAL),
        ):
            if asked if asked is not None else name in self.model_input_names:
                columns[name] = make(column)
        if kind == "pt":
            columns = {key: _torch_or_lists(value) for key, value in columns.items()}
        if options.return_offsets_mapping:
            columns["offset_mapping"] = [encoded.offsets(i) for i in range(len(encoded))]
        if options.return_length:
            columns["length"] = encoded.lengths()
        return columns

    def _lazily(
        self, texts: list[str], pairs: list[str] | None, options: EncodeOptions
    ) -> Callable[[], list[Encoding]]:
        """A function that encodes the texts again, with the places of all tokens."""
        pad_token = "" if options.padding == "do_not_pad" else self.pad_token or ""

        def encodings() -> list[Encoding]:
            from gptq.encoding import encodings_of

            all_windows = options.return_overflowing_tokens
            rows = encodings_of(self._encoded(texts, pairs, options, True, True), pad_token)
            if all_windows:
                return rows
            cut_off = {id(window) for row in rows for window in row.overflowing}
            return [row for row in rows if id(row) not in cut_off]

        return encodings

    def _warn_if_too_long(self, encoded: _core.EncodedTexts) -> None:
        if "_warned" not in self.__dict__ and self.model_max_length < 1 << 60:
            longest = max(encoded.lengths(), default=0)
            if longest > self.model_max_length:
                self._warn_of(longest)

    def _warn_of(self, length: int) -> None:
        if "_warned" not in self.__dict__:
            object.__setattr__(self, "_warned", True)
            _log.warning("a text has %d tokens, and the model was made for %d", length, self.model_max_length)


def _inputs(text: Any, text_pair: Any) -> tuple[list[str], list[str] | None, bool]:
    """Texts, second texts or None, and whether they were given as a list."""
    if isinstance(text, str):
        if text_pair is not None and not isinstance(text_pair, str):
            raise ValueError(f"text_pair is {type(text_pair).__name__}, expected str as for text")
        return [text], [text_pair] if text_pair else None, False
    if not isinstance(text, (list, tuple)):
        raise ValueError(f"text is {type(text).__name__}, expected str or a list of str")
    texts = list(text)
    if text_pair is not None:
        if not isinstance(text_pair, (list, tuple)):
            raise TypeError("text_pair is one text, expected a list as long as that of text")
        if len(texts) != len(text_pair):
            raise ValueError(f"text_pair has {len(text_pair)} texts, expected {len(texts)}: one for each of text")
        return texts, list(text_pair), True
    if texts and not isinstance(texts[0], str):
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in texts):
            raise ValueError(
                "text is a list of other things than str and pairs of str; lists of words are not supported"
            )
        return [pair[0] for pair in texts], [pair[1] for pair in texts], True
    return texts, None, True


def _check_unicode(text: str) -> None:
    """Raises UnicodeEncodeError, a ValueError, for halves of surrogate pairs, which are not characters."""
    if not text.isascii():
        text.encode()


def _torch_or_lists(value: Any) -> Any:
    from gptq.tensor import to_tensor

    return value if isinstance(value, list) else to_tensor(value)
