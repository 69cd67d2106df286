"""``tokenizer.pad``: columns that were already made are brought to one length, as data collators do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gptq.batch_encoding import BatchEncoding
from gptq.encode_options import EncodeOptions


class Padder:
    """The part of a tokenizer that pads encoded texts."""

    model_input_names: list[str]
    model_max_length: int
    padding_side: str
    pad_token_type_id: int

    if TYPE_CHECKING:
        pad_token_id: int | None

    def pad(
        self,
        encoded_inputs: Any,
        padding: Any = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: Any = None,
        verbose: bool = True,
    ) -> Any:
        """Pads one encoded text, a batch of columns, or a list of encoded texts to one length.

        The columns input_ids, attention_mask, token_type_ids and special_tokens_mask are padded, others are kept.
        Arrays and tensors are returned as such. Raises ValueError without input_ids or a padding token.
        """
        options = EncodeOptions(
            padding=padding, max_length=max_length, padding_side=padding_side, truncation=False, verbose=False
        )
        options.resolve(self.model_max_length, self.pad_token_id)
        if isinstance(encoded_inputs, (list, tuple)) and encoded_inputs and isinstance(encoded_inputs[0], Mapping):
            names = list(encoded_inputs[0].keys())
            encoded_inputs = {name: [example[name] for example in encoded_inputs] for name in names}
        columns = dict(encoded_inputs)
        if "input_ids" not in columns:
            raise ValueError(f"padding: found the columns {list(columns)}, expected input_ids among them")
        if len(columns["input_ids"]) == 0:
            if return_attention_mask:
                columns["attention_mask"] = []
            return BatchEncoding(columns)
        kind = return_tensors or _kind(columns["input_ids"])
        columns = {name: _lists(column) for name, column in columns.items()}
        masks = "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
        if not isinstance(columns["input_ids"][0], (list, tuple)):
            width = _width(options, [columns["input_ids"]], pad_to_multiple_of)
            return BatchEncoding(self._padded(columns, width, options, masks), tensor_type=kind)
        width = _width(options, columns["input_ids"], pad_to_multiple_of)
        rows = [
            self._padded({name: column[i] for name, column in columns.items()}, width, options, masks)
            for i in range(len(columns["input_ids"]))
        ]
        return BatchEncoding({name: [row[name] for row in rows] for name in rows[0]}, tensor_type=kind)

    def _padded(self, row: dict[str, Any], width: int | None, options: EncodeOptions, masks: bool) -> dict[str, Any]:
        ids = row["input_ids"]
        if masks and "attention_mask" not in row:
            row["attention_mask"] = [1] * len(ids)
        missing = 0 if width is None else width - len(ids)
        if missing <= 0:
            return row
        left = (options.padding_side or self.padding_side) == "left"
        values = {"input_ids": self.pad_token_id, "token_type_ids": self.pad_token_type_id, "special_tokens_mask": 1}
        if masks:
            values["attention_mask"] = 0
        for name, value in values.items():
            if name in row:
                padding = [value] * missing
                row[name] = padding + list(row[name]) if left else list(row[name]) + padding
        return row


def _width(options: EncodeOptions, rows: list[Any], multiple: int | None) -> int | None:
    if options.padding == "do_not_pad":
        return None
    width = max(len(row) for row in rows) if options.padding == "longest" else options.max_length
    if width is not None and multiple:
        width = (width + multiple - 1) // multiple * multiple
    return width


def _kind(ids: Any) -> str | None:
    """The type of the tensors among the ids, which the result has, too."""
    first = ids if hasattr(ids, "shape") else ids[0]
    if not hasattr(first, "shape"):
        return None
    return "np" if type(first).__module__ == "numpy" else "pt"


def _lists(column: Any) -> Any:
    if hasattr(column, "tolist"):
        return column.tolist()
    if isinstance(column, (list, tuple)):
        return [part.tolist() if hasattr(part, "tolist") else part for part in column]
    return column
