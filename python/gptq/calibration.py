"""Calibration examples of every form that scripts use, as rows of the native library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gptq import _core
from gptq.checks import INT32, mask_row

_JSON_KEYS = ("messages", "conversations", "prompt", "instruction", "content")


def to_rows(examples: Any, tokenizer: Any = None) -> list[_core.CorpusRow]:
    """Rows of calibration text.

    ``examples``: a list, data set or other iterable of
      * mappings with "input_ids" (and "attention_mask") as lists, nested lists, NumPy arrays or tensors of shape [T] or
        [N, T]; positions whose mask is 0 are left out, and "labels" are ignored;
      * strings, encoded by the model's own tokenizer, or by ``tokenizer`` when it is given;
      * sequences of token ids;
      * lists of messages, mappings with "role" and "content";
      * mappings with "text", or with "messages" and the other keys of docs/quantize.md, which go through the model's chat
        template.
    Token ids, and texts of fewer than 2048 tokens, become one calibration window each, which is not joined with another
    or padded; longer texts are joined and cut into windows of 2048. Raises ValueError for anything else, and for no
    examples.
    """
    if isinstance(examples, (str, bytes)):
        raise ValueError("calibration examples are one string, expected a list of strings or of token ids")
    if hasattr(examples, "to_dict") and hasattr(examples, "columns"):  # a table of pandas
        examples = examples.to_dict("records")
    if isinstance(examples, Mapping):
        examples = [examples]
    if not isinstance(examples, Iterable):
        raise ValueError(f"calibration examples are of type {type(examples).__name__}, expected a list")
    rows: list[_core.CorpusRow] = []
    for index, example in enumerate(_as_list(examples)):
        rows.extend(_rows_of(example, f"calibration example {index}", tokenizer))
    if not rows:
        raise ValueError("found no calibration examples; give at least one")
    return rows


def long_rows(rows: list[_core.CorpusRow], min_length: int, folder: str) -> list[_core.CorpusRow]:
    """The rows of at least ``min_length`` tokens of the model in a folder. Raises ValueError when there are none."""
    if min_length <= 1:
        return rows
    lengths = _core.row_lengths(rows, folder)
    kept = [row for row, length in zip(rows, lengths) if length >= min_length]
    if not kept:
        raise ValueError(
            f"found no calibration examples of {min_length} tokens or more, the longest has {max(lengths)}; "
            "lower calibration_data_min_length or give longer ones"
        )
    return kept


def _as_list(examples: Any) -> Iterable[Any]:
    """A 2-D tensor or array of ids is one example per row."""
    if hasattr(examples, "shape") and hasattr(examples, "tolist"):
        values: list[Any] = examples.tolist()
        return values if values and isinstance(values[0], list) else [values]
    if isinstance(examples, Sequence) and examples and all(isinstance(item, int) for item in examples):
        return [examples]
    items: Iterable[Any] = examples
    return items


def _rows_of(example: Any, where: str, tokenizer: Any) -> list[_core.CorpusRow]:
    if isinstance(example, str):
        return _text_rows(example, tokenizer)
    if isinstance(example, Mapping) or hasattr(example, "input_ids"):
        mapping = example if isinstance(example, Mapping) else vars(example)
        if "input_ids" in mapping:
            return _id_rows(mapping["input_ids"], mapping.get("attention_mask"), where)
        if isinstance(mapping.get("text"), str):
            return _text_rows(mapping["text"], tokenizer)
        if any(key in mapping for key in _JSON_KEYS):
            return [_core.CorpusRow.of_json(json.dumps(dict(mapping), ensure_ascii=False))]
        keys = ", ".join(sorted(str(key) for key in mapping))
        raise ValueError(f"{where} has the keys {keys}; expected input_ids, text or messages")
    if isinstance(example, (list, tuple)) and example and all(isinstance(item, Mapping) for item in example):
        return _rows_of({"messages": [dict(item) for item in example]}, where, tokenizer)
    return _id_rows(example, None, where)


def _text_rows(text: str, tokenizer: Any) -> list[_core.CorpusRow]:
    if tokenizer is None:
        return [_core.CorpusRow.of_text(text)]
    return _id_rows(tokenizer(text)["input_ids"], None, "a text")


def _id_rows(ids: Any, mask: Any, where: str) -> list[_core.CorpusRow]:
    """One row for each sequence of ids, without the positions whose mask is 0."""
    rows = _nested(ids, where + ": input_ids")
    masks: list[list[int] | None] = (
        [None] * len(rows) if mask is None else list(_nested(mask, where + ": attention_mask", _mask_value))
    )
    if len(rows) != len(masks):
        raise ValueError(f"{where}: attention_mask has {len(masks)} rows, input_ids {len(rows)}")
    result = []
    for row, row_mask in zip(rows, masks):
        if row_mask is not None:
            if len(row_mask) != len(row):
                raise ValueError(f"{where}: attention_mask has {len(row_mask)} positions, input_ids {len(row)}")
            row = [token for token, kept in zip(row, row_mask) if kept]
        if row:
            result.append(_core.CorpusRow.of_tokens(row))
    return result


def _nested(values: Any, what: str, element: Callable[[Any, str], int] | None = None) -> list[list[int]]:
    """A list of lists of int from a list, nested lists, an array or a tensor of one or two dimensions."""
    values = _to_list(values)
    if not isinstance(values, list):
        raise ValueError(f"{what} is of type {type(values).__name__}, expected token ids")
    rows = [_to_list(row) for row in values]
    if not any(isinstance(row, list) for row in rows):
        rows = [rows]
    one = element or _token
    return [[one(value, what) for value in row] if isinstance(row, list) else [one(row, what)] for row in rows]


def _to_list(value: Any) -> Any:
    """Arrays, tensors and tuples as lists, numbers of NumPy and torch as numbers of Python; others unchanged."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _mask_value(value: Any, what: str) -> int:
    return mask_row(what, [value])[0]


def _token(value: Any, what: str) -> int:
    value = _to_list(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} holds {value!r}, expected token ids (integers)")
    if not 0 <= value <= INT32:
        raise ValueError(f"{what} holds {value}, expected token ids of the model")
    return value
