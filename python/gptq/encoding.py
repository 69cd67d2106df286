"""What one encoded text was made from: the interface of ``tokenizers.Encoding``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Encoding:
    """T tokens of one text, or of a pair of texts, padding included. All lists have T elements.

    Characters are code points of the text, ranges are half-open. Words are the parts that the pre-tokenizer makes.
    """

    ids: list[int]
    type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]  # characters; (0, 0) for special tokens and padding
    attention_mask: list[int]  # 0 for padding
    special_tokens_mask: list[int]  # 1 for tokens that the post-processor added, and for padding
    word_ids: list[int | None]  # None for special tokens and padding
    sequence_ids: list[int | None]  # 0: of the text, 1: of its pair
    overflowing: list[Encoding] = field(default_factory=list)  # the windows that truncation cut off

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Encoding(num_tokens={len(self)}, tokens={self.tokens!r})"

    @property
    def words(self) -> list[int | None]:
        return self.word_ids

    @property
    def n_sequences(self) -> int:
        """The number of texts: 1 or 2."""
        return 2 if 1 in self.sequence_ids else 1

    def token_to_sequence(self, token_index: int) -> int | None:
        return self.sequence_ids[token_index] if self._has(token_index) else None

    def token_to_chars(self, token_index: int) -> tuple[int, int] | None:
        """The characters of a token; None for a special one."""
        if self.token_to_sequence(token_index) is None:
            return None
        return self.offsets[token_index]

    def token_to_word(self, token_index: int) -> int | None:
        if self.token_to_sequence(token_index) is None:
            return None
        return self.word_ids[token_index]

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """The first token that contains the character of the text (0) or its pair (1); None if there is none."""
        for index, (begin, end) in enumerate(self.offsets):
            if begin <= char_pos < end and self.sequence_ids[index] == sequence_index:
                return index
        return None

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> int | None:
        token = self.char_to_token(char_pos, sequence_index)
        return None if token is None else self.word_ids[token]

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """The tokens [begin, end) of a word; None if there is no such word."""
        found = [i for i in range(len(self)) if self._is_word(i, word_index, sequence_index)]
        return (found[0], found[-1] + 1) if found else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        tokens = self.word_to_tokens(word_index, sequence_index)
        if tokens is None:
            return None
        return self.offsets[tokens[0]][0], self.offsets[tokens[1] - 1][1]

    def _has(self, token_index: int) -> bool:
        return 0 <= token_index < len(self)

    def _is_word(self, index: int, word: int, sequence: int) -> bool:
        return self.word_ids[index] == word and self.sequence_ids[index] == sequence


def encodings_of(texts: Any, pad_token: str) -> list[Encoding]:
    """All rows of a native EncodedTexts with places. Rows after the first of an input are also its ``overflowing``."""
    from gptq._core import Column

    inputs = texts.inputs()
    rows = []
    first: dict[int, Encoding] = {}
    for i in range(len(texts)):
        row = Encoding(
            ids=texts.row(i, Column.IDS),
            type_ids=texts.row(i, Column.TYPE_IDS),
            tokens=texts.tokens(i, pad_token),
            offsets=texts.offsets(i),
            attention_mask=texts.row(i, Column.ATTENTION),
            special_tokens_mask=texts.row(i, Column.SPECIAL),
            word_ids=texts.words(i),
            sequence_ids=texts.sequences(i),
        )
        rows.append(row)
        if inputs[i] in first:
            first[inputs[i]].overflowing.append(row)
        else:
            first[inputs[i]] = row
    return rows
