"""Tokenizers with the interface of transformers (version 5), on top of the native library."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from gptq import _core, chat, tokenizer_files
from gptq.batch_encoding import BatchEncoding
from gptq.padding import Padder
from gptq.special_tokens import NAMES, SpecialTokens, content_of
from gptq.text_encoder import TextEncoder

_log = logging.getLogger("gptq")

# Arguments of from_pretrained that choose files, and those that have no effect here.
_HUB = ("revision", "cache_dir", "token", "local_files_only", "force_download")
_IGNORED = ("use_fast", "trust_remote_code", "proxies", "resume_download", "tokenizer_type", "config", "legacy",
            "from_slow", "backend", "torch_dtype", "dtype", "device_map")  # fmt: skip
# Arguments of from_pretrained that replace settings of the files.
_SETTINGS = ("padding_side", "truncation_side", "model_max_length", "max_len", "clean_up_tokenization_spaces",
             "model_input_names", "split_special_tokens", "chat_template", "extra_special_tokens",
             "additional_special_tokens", *NAMES)  # fmt: skip


class Tokenizer(TextEncoder, Padder, SpecialTokens):
    """Converts text to token ids and back. Made by :meth:`AutoTokenizer.from_pretrained`.

    Ids, strings and the columns of :class:`~gptq.BatchEncoding` are those of transformers. One object may be used from
    several threads as long as none of its attributes is set.
    """

    is_fast = True

    def __init__(self, folder: str, *, name_or_path: str | None = None, **settings: Any) -> None:
        """Opens the tokenizer of a model folder; ``settings`` replace those of tokenizer_config.json."""
        unknown = sorted(set(settings) - set(_SETTINGS))
        if unknown:
            raise TypeError(f"a tokenizer has no settings named {', '.join(unknown)}")
        self._folder = folder
        self._native = _core.Tokenizer.open(folder)
        self._added: list[_core.AddedToken] = []
        self._changed: set[str] = set(settings)
        self.name_or_path = folder if name_or_path is None else name_or_path
        self._configure({**tokenizer_files.read_config(folder), **settings})

    def _configure(self, config: dict[str, Any]) -> None:
        get = config.get
        self.model_max_length: int = tokenizer_files.length_limit(config, self._folder)
        self.padding_side: str = _side("padding_side", get("padding_side"))
        self.truncation_side: str = _side("truncation_side", get("truncation_side"))
        self.clean_up_tokenization_spaces = bool(get("clean_up_tokenization_spaces", False))
        self._cleans_bpe = bool(get("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", False))
        self.split_special_tokens = bool(get("split_special_tokens", False))
        self.model_input_names: list[str] = tokenizer_files.input_names(config, self._folder)
        self.pad_token_type_id = int(get("pad_token_type_id") or 0)
        template = get("chat_template") if "chat_template" in self._changed else None
        self.chat_template: Any = template or tokenizer_files.chat_templates(self._folder)
        self.verbose = False

        special = self._native.named_tokens()
        special.update({name: content_of(config[name]) for name in NAMES if name in self._changed and config[name]})
        extra = get("extra_special_tokens") or get("additional_special_tokens")
        object.__setattr__(self, "_special", special)
        object.__setattr__(self, "_extra", _contents(extra) if isinstance(extra, (list, tuple)) else [])
        # From here on the names are attributes.
        object.__setattr__(self, "_names", (*NAMES, *(name for name in special if name not in NAMES)))

    # ---- vocabulary

    @property
    def vocab_size(self) -> int:
        """The number of tokens without the added ones; see ``len(tokenizer)``."""
        return self._native.model_size

    def __len__(self) -> int:
        """The number of tokens, the added ones included."""
        if self.__dict__.get("_size") is None:
            object.__setattr__(self, "_size", len(self._native.vocabulary()))
        return int(self.__dict__["_size"])

    def __bool__(self) -> bool:
        return True

    def get_vocab(self) -> dict[str, int]:
        """All tokens and their ids."""
        return self._native.vocabulary()

    @property
    def vocab(self) -> dict[str, int]:
        return self.get_vocab()

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """Ids and added tokens, which have the attributes of :class:`~gptq.AddedToken`."""
        return {token.id: token for token in self._native.added_tokens()}

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        return {token.content: token.id for token in self._native.added_tokens()}

    def get_added_vocab(self) -> dict[str, int]:
        return self.added_tokens_encoder

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The id of a token, or a list of ids. Unknown tokens have the id of unk_token, or None without one."""
        if isinstance(tokens, str):
            return self.convert_tokens_to_ids([tokens])[0]
        ids: list[int | None] = list(self._native.ids(list(tokens)))
        if -1 in ids:
            unknown = self._native.id_of(self._special["unk_token"]) if "unk_token" in self._special else -1
            ids = [(None if unknown < 0 else unknown) if id == -1 else id for id in ids]
        return ids

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """The token of an id, or a list of tokens; None for an id outside the vocabulary."""
        ids = _plain(ids)
        if isinstance(ids, int):
            return self._native.token(ids)
        skipped = set(self.all_special_ids) if skip_special_tokens else ()
        return self._native.tokens([id for id in ids if id not in skipped] if skipped else list(ids))

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Adds tokens, str or AddedToken, and returns how many are new.

        They are matched before the rest of the tokenizer sees a text. Those that the vocabulary lacks get the next free
        ids, which the model's embedding does not have unless it is larger than the vocabulary.
        """
        tokens = new_tokens if isinstance(new_tokens, (list, tuple)) else [new_tokens]
        before = {_identity(token) for token in self._native.added_tokens()}
        added = [_added_token(token, special_tokens) for token in tokens]
        count = len({_identity(token) for token in added if token.content} - before)
        if count > 0:
            self._added = [*self._added, *added]
            self._native = _core.Tokenizer.open(self._folder, self._added)
            object.__setattr__(self, "_size", None)
        return count

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Sets named tokens, {"pad_token": "[PAD]"}, adds those that are missing, and returns how many are new."""
        tokens: list[Any] = []
        for name, value in special_tokens_dict.items():
            if name in ("extra_special_tokens", "additional_special_tokens"):
                extra = _contents(value)
                kept = [] if replace_extra_special_tokens and extra else self._extra
                object.__setattr__(self, "_extra", [*kept, *(token for token in extra if token not in kept)])
                tokens += value
            elif name in self._names:
                setattr(self, name, value)
                tokens.append(value)
            else:
                raise ValueError(f"{name} is not the name of a special token, expected one of {', '.join(self._names)}")
        return self.add_tokens(tokens, special_tokens=True)

    # ---- decoding

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The text of ids: a number, a list, an array or a tensor. For a list of lists, or [B, T], a list of texts.

        ``clean_up_tokenization_spaces`` removes spaces before punctuation; it is ignored for BPE tokenizers, whose
        spaces belong to the text. Ids outside the vocabulary are skipped; negative ones raise ValueError.
        """
        _refuse("decode", set(kwargs) - {"use_source_tokenizer", "spaces_between_special_tokens"})
        ids = _plain(token_ids)
        if isinstance(ids, Mapping):
            ids = _plain(ids["input_ids"])
        if isinstance(ids, int):
            ids = [ids]
        nested = len(ids) > 0 and isinstance(ids[0], (list, tuple))
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = False if nested else self.clean_up_tokenization_spaces
        clean = clean_up_tokenization_spaces and (self._native.model_type != "BPE" or self._cleans_bpe)
        if nested:
            return self._native.decode_many(ids, skip_special_tokens, clean)
        return self._native.decode(ids if isinstance(ids, (list, tuple)) else list(ids), skip_special_tokens, clean)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The texts of several sequences of ids."""
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = self.clean_up_tokenization_spaces
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces, **kwargs)
        return [texts] if isinstance(texts, str) else texts

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text of tokens, which need not be in the vocabulary."""
        return self._native.join(list(tokens))

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Removes spaces before punctuation and English contractions."""
        for mark in (".", "?", "!", ","):
            text = text.replace(" " + mark, mark)
        text = text.replace(" ' ", "'")
        for ending in ("n't", "'m", "'s", "'ve", "'re"):
            text = text.replace(" " + ending, ending)
        return text

    # ---- chat

    def get_chat_template(self, chat_template: str | None = None, tools: list[Any] | None = None) -> str:
        """The source of the template that apply_chat_template renders. Raises ValueError when there is none."""
        return chat.choose_template(self.chat_template, chat_template, tools is not None)

    def apply_chat_template(
        self,
        conversation: Any,
        tools: list[Any] | None = None,
        documents: list[dict[str, str]] | None = None,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool | str = False,
        tokenize: bool = True,
        padding: Any = False,
        truncation: Any = False,
        max_length: int | None = None,
        return_tensors: Any = None,
        return_dict: bool = True,
        return_assistant_tokens_mask: bool = False,
        tokenizer_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Renders a conversation, [{"role": "user", "content": "..."}], or a list of conversations, to prompts.

        Returns the text (``tokenize=False``), a BatchEncoding, or with ``return_dict=False`` its ids. ``tools`` are
        JSON schemas; further arguments are variables of the template, such as ``enable_thinking``. Control tokens in
        messages are encoded as control tokens, as transformers does it. Raises ValueError with the template's message
        when it refuses the conversation.
        """
        if continue_final_message and add_generation_prompt:
            raise ValueError("continue_final_message and add_generation_prompt exclude each other")
        if return_assistant_tokens_mask and not (return_dict and tokenize):
            raise ValueError("return_assistant_tokens_mask requires return_dict=True and tokenize=True")
        source = self.get_chat_template(chat_template, tools)
        if return_assistant_tokens_mask and chat.has_generation_blocks(source):
            raise NotImplementedError(
                "return_assistant_tokens_mask: the rendered {% generation %} blocks are not located"
            )
        chat.check_documents(documents)
        batched = chat.is_batch(conversation)
        variables = dict(kwargs) if documents is None else {"documents": documents, **kwargs}
        prompts = [
            chat.render(
                source,
                chat.messages_of(messages),
                tools=chat.tool_schemas(tools),
                variables=variables,
                special_tokens=self.special_tokens_map,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=continue_final_message,
            )
            for messages in (conversation if batched else [conversation])
        ]
        if not tokenize:
            return prompts if batched else prompts[0]
        encoded = self(
            prompts if batched else prompts[0],
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            add_special_tokens=False,
            return_tensors=return_tensors,
            tokenizer_kwargs=tokenizer_kwargs,
        )
        if return_assistant_tokens_mask:
            _log.warning("return_assistant_tokens_mask: the chat template has no {% generation %} blocks")
            encoded["assistant_masks"] = _zeros(encoded["attention_mask"])
        return encoded if return_dict else encoded["input_ids"]

    # ---- files

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        **kwargs: Any,
    ) -> tuple[str, ...]:
        """Writes tokenizer_config.json, chat templates and the files of the vocabulary, and returns their paths."""
        if legacy_format:
            raise ValueError("save_pretrained: legacy_format=True is not supported")
        paths = tokenizer_files.save(
            self._folder, save_directory, self._settings(), self.chat_template, self._added, filename_prefix
        )
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", os.path.basename(os.path.abspath(save_directory))), **kwargs)
        return paths

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:
        """Uploads the files of save_pretrained to the Hub and returns the address of the commit.

        Arguments: commit_message, private, token, revision, create_pr.
        """
        from gptq import hub

        _refuse("push_to_hub", set(kwargs) - {"commit_message", "private", "token", "revision", "create_pr"})
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return hub.push_folder(folder, repo_id, **kwargs)

    def _settings(self) -> dict[str, Any]:
        """Keys of tokenizer_config.json that attributes may have changed."""
        stored = self._native.named_tokens()
        settings: dict[str, Any] = {
            name: self._special.get(name) for name in self._names if self._special.get(name) != stored.get(name)
        }
        config = tokenizer_files.read_config(self._folder)
        for name in ("padding_side", "truncation_side", "clean_up_tokenization_spaces", "model_max_length"):
            if name in config or getattr(self, name) not in ("right", False):
                settings[name] = getattr(self, name)
        extra = config.get("extra_special_tokens") or config.get("additional_special_tokens")
        if not isinstance(extra, dict) and self._extra != (_contents(extra) if extra else []):
            settings["extra_special_tokens"] = self._extra
            settings["additional_special_tokens"] = None
        return settings

    # ---- the object

    def __getstate__(self) -> dict[str, Any]:
        added = [_fields(token) for token in self._added]
        return {key: value for key, value in self.__dict__.items() if key != "_native"} | {"_added": added}

    def __setstate__(self, state: dict[str, Any]) -> None:
        added = [_core.AddedToken(**fields) for fields in state["_added"]]
        self.__dict__.update(state, _added=added, _native=_core.Tokenizer.open(state["_folder"], added))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, vocab_size={self.vocab_size}, "
            f"model_max_length={self.model_max_length}, padding_side={self.padding_side!r}, "
            f"truncation_side={self.truncation_side!r}, special_tokens={self.special_tokens_map})"
        )


class AutoTokenizer:
    """Opens tokenizers by the name of a model or its folder."""

    def __init__(self) -> None:
        raise OSError("AutoTokenizer is not instantiated: use AutoTokenizer.from_pretrained(name)")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        use_fast: bool = True,
        trust_remote_code: bool = False,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        subfolder: str = "",
        **kwargs: Any,
    ) -> Tokenizer:
        """The tokenizer of a folder, or of a model on the Hub ("org/name"), which is downloaded into the cache.

        ``use_fast`` and ``trust_remote_code`` have no effect: there is one implementation, and code of a model never
        runs. Further arguments replace settings of tokenizer_config.json: padding_side, model_max_length, pad_token
        and so on; others raise TypeError. Raises FileNotFoundError for an unknown name and a folder without a
        tokenizer, PermissionError for a gated model without access, and OSError for malformed files.
        """
        from gptq import hub

        del use_fast, trust_remote_code
        kwargs = {key: value for key, value in kwargs.items() if key not in _IGNORED}
        token = kwargs.pop("use_auth_token", None) if token is None else token
        _refuse("from_pretrained", set(kwargs) - set(_SETTINGS))
        folder = hub.folder_of(
            pretrained_model_name_or_path,
            subfolder=subfolder or "",
            files=hub.TOKENIZER_FILES,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        return Tokenizer(folder, name_or_path=os.fspath(pretrained_model_name_or_path), **kwargs)


# ---- helpers


def _side(name: str, value: Any) -> str:
    if value not in (None, "left", "right"):
        raise ValueError(f"{name} is {value!r}, expected 'left' or 'right'")
    return value or "right"


def _contents(tokens: Any) -> list[str]:
    """The texts of tokens; those in files are objects with "content" or strings."""
    return [str(token["content"]) if isinstance(token, dict) else content_of(token) for token in tokens]


def _refuse(function: str, unknown: set[str]) -> None:
    if unknown:
        raise TypeError(f"{function}() got unexpected keyword arguments: {', '.join(sorted(unknown))}")


def _plain(ids: Any) -> Any:
    """Arrays and tensors, also inside of lists, as lists of numbers."""
    if hasattr(ids, "tolist"):
        return ids.tolist()
    if isinstance(ids, (list, tuple)) and len(ids) > 0 and hasattr(ids[0], "tolist"):
        return [_plain(part) for part in ids]
    return ids


def _zeros(rows: Any) -> Any:
    if hasattr(rows, "tolist"):
        return rows - rows
    return [[0] * len(row) if isinstance(row, list) else 0 for row in rows]


def _added_token(token: Any, special: bool) -> _core.AddedToken:
    if isinstance(token, str):
        return _core.AddedToken(token, normalized=not special, special=special)
    fields = {name: bool(getattr(token, name, False)) for name in ("single_word", "lstrip", "rstrip")}
    normalized = getattr(token, "normalized", None)
    is_special = special or bool(getattr(token, "special", False))
    normalized = not is_special if normalized is None else bool(normalized)
    return _core.AddedToken(content_of(token), normalized=normalized, special=is_special, **fields)


def _fields(token: _core.AddedToken) -> dict[str, Any]:
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {name: getattr(token, name) for name in names}


def _identity(token: _core.AddedToken) -> tuple[Any, ...]:
    return tuple(_fields(token).values())
