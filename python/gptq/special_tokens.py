"""The named tokens of a tokenizer (bos_token, pad_token ...), which are readable and settable attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


@dataclass
class AddedToken:
    """A string that is matched before the rest of the tokenizer sees the text."""

    content: str
    single_word: bool = False  # matches only without word characters on either side
    lstrip: bool = False  # includes the white space on its left
    rstrip: bool = False  # and on its right
    special: bool = False  # omitted by decode(skip_special_tokens=True)
    normalized: bool | None = None  # matched in normalized text; by default unless special

    def __post_init__(self) -> None:
        if self.normalized is None:
            self.normalized = not self.special

    def __str__(self) -> str:
        return self.content


def content_of(token: Any) -> str:
    """The text of a str or of an AddedToken of any library. Raises ValueError for other types."""
    content = token if isinstance(token, str) else getattr(token, "content", None)
    if not isinstance(content, str):
        raise ValueError(f"a token is a str or an AddedToken, found {type(token).__name__}")
    return content


def base_name(key: str) -> str:
    """ "bos_token_id" -> "bos_token"."""
    return key.removesuffix("_ids").removesuffix("_id")


class SpecialTokens:
    """Attributes NAME and NAME_id for every name in ``_names``, plus extra_special_tokens(_ids).

    A subclass defines ``convert_tokens_to_ids`` and ``convert_ids_to_tokens``.
    """

    _names: tuple[str, ...]
    _special: dict[str, str]
    _extra: list[str]

    if TYPE_CHECKING:
        # Defined by __getattr__ and __setattr__.
        bos_token: str | None
        eos_token: str | None
        unk_token: str | None
        sep_token: str | None
        pad_token: str | None
        cls_token: str | None
        mask_token: str | None
        bos_token_id: int | None
        eos_token_id: int | None
        unk_token_id: int | None
        sep_token_id: int | None
        pad_token_id: int | None
        cls_token_id: int | None
        mask_token_id: int | None
        extra_special_tokens: list[str]

        def convert_tokens_to_ids(self, tokens: Any) -> Any: ...

        def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any: ...

    def __getattr__(self, key: str) -> Any:
        state = self.__dict__
        if key.startswith("__") or "_names" not in state:
            raise AttributeError(key)
        name = base_name(key)
        if name in state["_names"]:
            token = state["_special"].get(name)
            return token if token is None or key == name else self.convert_tokens_to_ids(token)
        if name == "extra_special_tokens":
            return list(state["_extra"]) if key == name else self.convert_tokens_to_ids(state["_extra"])
        raise AttributeError(f"{type(self).__name__} has no attribute {key}")

    def __setattr__(self, key: str, value: Any) -> None:
        names = self.__dict__.get("_names", ())
        name = base_name(key)
        if name in names:
            if key != name and value is not None:
                value = self.convert_ids_to_tokens(value)
            if value is None:
                self._special.pop(name, None)
            else:
                self._special[name] = content_of(value)
        elif name == "extra_special_tokens" and names:
            if value is not None and not isinstance(value, (list, tuple)):
                raise ValueError("extra_special_tokens is a list of tokens")
            tokens = self.convert_ids_to_tokens(value) if key != name and value else value or []
            object.__setattr__(self, "_extra", [content_of(token) for token in tokens])
        else:
            object.__setattr__(self, key, value)

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """Names and tokens; extra_special_tokens are not among them."""
        return {name: self._special[name] for name in self._names if name in self._special}

    @property
    def all_special_tokens(self) -> list[str]:
        """All named and extra tokens, each once."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        ids: list[int] = self.convert_tokens_to_ids(self.all_special_tokens)
        return ids
