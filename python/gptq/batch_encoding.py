"""The result of tokenizing: a mapping of columns ("input_ids", "attention_mask" ...) with access to the tokens."""

from __future__ import annotations

import logging
from collections import UserDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gptq.encoding import Encoding

_log = logging.getLogger("gptq")


class CharSpan(NamedTuple):
    """Characters [start, end) of a text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens [start, end) of an encoding."""

    start: int
    end: int


class BatchEncoding(UserDict[str, Any]):
    """Columns of tokenized texts, with the interface of the class of this name in transformers.

    A column is a list of T numbers for one text, a list of such lists for a list of texts, or an array or tensor
    [B, T]. Columns are also attributes: ``e.input_ids``. With an integer key, the :class:`~gptq.Encoding` of a row.
    """

    def __init__(
        self,
        data: Any = None,
        encoding: Encoding | Sequence[Encoding] | Callable[[], list[Encoding]] | None = None,
        tensor_type: Any = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
    ) -> None:
        """``encoding``: one of each row, or a function that computes them when they are asked for."""
        # Not UserDict's constructor, which takes longer than encoding a short text.
        self.data = {} if data is None else dict(data)
        self._encodings: Any = encoding
        if encoding is not None and not callable(encoding) and not isinstance(encoding, (list, tuple)):
            self._encodings = [encoding]
        self._n_sequences = n_sequences
        if tensor_type is not None:
            self.convert_to_tensors(tensor_type, prepend_batch_axis)

    # ---- the mapping

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            return self.data[item]
        if self._encodings is not None:
            return self._rows()[item]
        if isinstance(item, slice):
            return {key: self.data[key][item] for key in self.data}
        raise KeyError("a key is the name of a column, the index of a row of a tokenizer's output, or a slice")

    def __getattr__(self, item: str) -> Any:
        if item == "data":
            raise AttributeError(item)
        try:
            return self.data[item]
        except KeyError:
            raise AttributeError(f"BatchEncoding has no attribute and no column '{item}'") from None

    def keys(self) -> Any:
        return self.data.keys()

    def values(self) -> Any:
        return self.data.values()

    def items(self) -> Any:
        return self.data.items()

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "encodings": self.encodings, "n_sequences": self._n_sequences}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.data = state["data"]
        self._encodings = state["encodings"]
        self._n_sequences = state.get("n_sequences")

    def __copy__(self) -> BatchEncoding:
        return BatchEncoding(dict(self.data), self._encodings, n_sequences=self._n_sequences)

    def copy(self) -> BatchEncoding:
        """A new mapping of the same columns."""
        return self.__copy__()

    # ---- rows

    @property
    def encodings(self) -> list[Encoding] | None:
        """The encodings of all rows; None when the columns do not come from a tokenizer."""
        return None if self._encodings is None else self._rows()

    @property
    def is_fast(self) -> bool:
        return self._encodings is not None

    @property
    def n_sequences(self) -> int | None:
        """1: encoded from texts, 2: from pairs of texts, None: unknown."""
        if self._n_sequences is None and self._encodings is not None and len(self._rows()) > 0:
            self._n_sequences = self._rows()[0].n_sequences
        return self._n_sequences

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The spellings of the tokens of a row. Raises ValueError when the columns do not come from a tokenizer."""
        return self._row(batch_index, "tokens()").tokens

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For every token of a row 0 (text), 1 (its pair) or None (special token)."""
        return self._row(batch_index, "sequence_ids()").sequence_ids

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For every token of a row the index of its word, None for special tokens."""
        return self._row(batch_index, "word_ids()").word_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        row, index = self._address(batch_or_token_index, token_index, "token_to_sequence()")
        return row.token_to_sequence(_from_end(index, row))

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        row, index = self._address(batch_or_token_index, token_index, "token_to_word()")
        return row.token_to_word(_from_end(index, row))

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters of a token; None for a special token."""
        row, index = self._address(batch_or_token_index, token_index, "token_to_chars()")
        chars = row.token_to_chars(index)
        return None if chars is None else CharSpan(*chars)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token of a character; None when there is none."""
        row, index = self._address(batch_or_char_index, char_index, "char_to_token()")
        return row.char_to_token(index, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        row, index = self._address(batch_or_char_index, char_index, "char_to_word()")
        return row.char_to_word(index, sequence_index)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        row, index = self._address(batch_or_word_index, word_index, "word_to_tokens()")
        span = row.word_to_tokens(index, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        row, index = self._address(batch_or_word_index, word_index, "word_to_chars()")
        span = row.word_to_chars(index, sequence_index)
        return None if span is None else CharSpan(*span)

    # ---- tensors

    def convert_to_tensors(self, tensor_type: Any = None, prepend_batch_axis: bool = False) -> BatchEncoding:
        """Converts all columns in place: "np" to arrays, "pt" to tensors, of int64; None leaves them.

        Raises ValueError for rows of different lengths with "pt", and for other types.
        """
        kind = tensor_kind(tensor_type)
        if kind is None:
            return self
        for key, value in self.data.items():
            if prepend_batch_axis:
                value = [value]
            self.data[key] = _array(value) if kind == "np" else _tensor(key, value)
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Moves all tensors to the device ("cuda:0", 0 or a torch.device) in place and returns this object."""
        is_device = isinstance(device, (str, int)) or type(device).__name__ == "device"
        if not is_device:
            _log.warning("a BatchEncoding can be moved to a device only, not converted to %s", device)
            return self
        for key, value in self.data.items():
            if hasattr(value, "to") and callable(value.to):
                self.data[key] = value.to(device=device, non_blocking=non_blocking)
        return self

    # ---- internals

    def _rows(self) -> list[Encoding]:
        if callable(self._encodings):
            self._encodings = self._encodings()
        rows: list[Encoding] = self._encodings
        return rows

    def _row(self, index: int, what: str) -> Encoding:
        if self._encodings is None:
            raise ValueError(f"{what} is not available: these columns do not come from a tokenizer")
        return self._rows()[index]

    def _address(self, first: int, second: int | None, what: str) -> tuple[Encoding, int]:
        """One index is that of a token, character or word of the first row; of two, the first is the row."""
        if second is None:
            return self._row(0, what), first
        rows = len(self._rows()) if self._encodings is not None else 0
        return self._row(first + rows if first < 0 else first, what), second


def _from_end(index: int, row: Encoding) -> int:
    return index + len(row) if index < 0 else index


def tensor_kind(tensor_type: Any) -> str | None:
    """ "pt", "np" or None from a string, an enumeration of transformers, or None. Raises ValueError for others."""
    kind: str | None = getattr(tensor_type, "value", tensor_type)
    if kind not in (None, "pt", "np"):
        raise ValueError(f"return_tensors is {kind!r}, expected 'pt', 'np' or None")
    return kind


def is_tensor(value: Any) -> bool:
    """True for arrays and tensors of any library."""
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _array(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    if is_tensor(value):
        return np.asarray(value)
    lengths = {len(row) for row in value if isinstance(row, (list, tuple))} if isinstance(value, (list, tuple)) else ()
    if len(lengths) > 1:
        ragged = np.empty(len(value), dtype=object)
        for index, row in enumerate(value):
            ragged[index] = np.asarray(row, dtype=np.int64)
        return ragged
    return np.asarray(value, dtype=np.int64) if _is_integers(value) else np.asarray(value)


def _is_integers(value: Any) -> bool:
    while isinstance(value, (list, tuple)):
        if len(value) == 0:
            return True
        value = value[0]
    return isinstance(value, int) and not isinstance(value, bool)


def _tensor(key: str, value: Any) -> Any:
    from gptq.tensor import Tensor, to_tensor

    if isinstance(value, Tensor) or type(value).__module__ == "torch":
        return value
    try:
        return to_tensor(value)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"making a tensor of {key}: the rows have different lengths or are nested too deeply; "
            "use padding=True and truncation=True to make them equally long"
        ) from error
