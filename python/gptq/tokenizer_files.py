"""The settings of a tokenizer in the files of its folder, and writing them to another folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from gptq import _core

# Files that hold the vocabulary, in the order in which the library looks for them.
_VOCABULARY_FILES = (
    ("tokenizer.json",),
    ("tekken.json",),
    ("tokenizer.model",),
    ("tiktoken.model",),
    ("vocab.json", "merges.txt"),
    ("encoder.json", "vocab.bpe"),
    ("vocab.txt",),
)
VERY_LARGE = int(1e30)  # transformers' value for a tokenizer without a limit

# Tokenizer classes whose output has the column token_type_ids.
_TYPE_ID_CLASSES = frozenset(
    "BertTokenizer CanineTokenizer DebertaTokenizer DebertaV2Tokenizer FNetTokenizer LayoutLMv2Tokenizer "
    "MarkupLMTokenizer TapasTokenizer".split()
)
_TYPE_ID_MODELS = frozenset(
    "bert convbert megatron-bert mobilebert squeezebert retribert qdqbert lxmert funnel electra".split()
)


def read_json(path: Path) -> dict[str, Any]:
    """The object of a JSON file; {} without the file. Raises OSError for a malformed one."""
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OSError(f"reading {path}: {error}") from error
    if not isinstance(value, dict):
        raise OSError(f"reading {path}: found {type(value).__name__}, expected an object")
    return value


def read_config(folder: str) -> dict[str, Any]:
    """tokenizer_config.json; for old folders with special_tokens_map.json, which takes precedence, merged into it."""
    config = read_json(Path(folder) / "tokenizer_config.json")
    if "added_tokens_decoder" not in config:
        for key, value in read_json(Path(folder) / "special_tokens_map.json").items():
            old = config.get(key)
            if isinstance(old, list) and isinstance(value, list):
                value = old + [token for token in value if token not in old]
            config[key] = value
    return config


def input_names(config: dict[str, Any], folder: str) -> list[str]:
    """The columns that the model reads: those of the configuration, or those of the tokenizer's class."""
    names = config.get("model_input_names")
    if isinstance(names, list):
        return names
    tokenizer_class = str(config.get("tokenizer_class") or "").removesuffix("Fast")
    typed = tokenizer_class in _TYPE_ID_CLASSES
    if not tokenizer_class:
        typed = read_json(Path(folder) / "config.json").get("model_type") in _TYPE_ID_MODELS
    return ["input_ids", "token_type_ids", "attention_mask"] if typed else ["input_ids", "attention_mask"]


def length_limit(config: dict[str, Any], folder: str) -> int:
    """Tokens that the model was made for; a very large number when tokenizer_config.json does not say."""
    limit = config.get("model_max_length") or config.get("max_len") or VERY_LARGE
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise OSError(f"reading {folder}/tokenizer_config.json: model_max_length is {limit!r}, expected a number")
    return int(min(limit, VERY_LARGE))


def chat_templates(folder: str) -> str | dict[str, str] | None:
    """The only template, or all of them by name when there are several or it has another name than "default"."""
    sources = _core.chat_template_sources(folder)
    if not sources:
        return None
    return sources["default"] if list(sources) == ["default"] else sources


def save(
    source: str,
    target: str | os.PathLike[str],
    settings: dict[str, Any],
    templates: str | dict[str, str] | None,
    added: list[_core.AddedToken],
    prefix: str | None,
) -> tuple[str, ...]:
    """Writes the files of the tokenizer of the folder ``source`` to ``target`` and returns their paths.

    ``settings``: keys of tokenizer_config.json to replace, or with None to remove. ``added``: tokens that are not in
    the files of ``source``.
    """
    folder = Path(target)
    if folder.is_file():
        raise NotADirectoryError(f"saving a tokenizer: {folder} is a file, expected a folder")
    folder.mkdir(parents=True, exist_ok=True)
    start = f"{prefix}-" if prefix else ""
    config = read_config(source)
    for key, value in settings.items():
        if value is None:
            config.pop(key, None)
        else:
            config[key] = value
    config.pop("chat_template", None)
    vocabulary = _vocabulary_files(Path(source))
    if "added_tokens_decoder" not in config or (added and vocabulary != ["tokenizer.json"]):
        # Also makes the reader ignore special_tokens_map.json and added_tokens.json, whose content this replaces.
        tokens = _core.Tokenizer.open(source, added).added_tokens()
        config["added_tokens_decoder"] = {str(token.id): _entry(token) for token in tokens}
    contents = _read_vocabulary(source, vocabulary, added)
    paths = [_write(folder / f"{start}tokenizer_config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")]
    paths += _write_templates(folder, templates, start)
    for name, content in contents.items():
        paths.append(_write(folder / f"{start}{name}", content))
    return tuple(paths)


def _read_vocabulary(source: str, names: list[str], added: list[_core.AddedToken]) -> dict[str, str | Path]:
    """The text of every file, or its path for a copy."""
    folder = Path(source)
    contents: dict[str, str | Path] = {name: folder / name for name in names}
    if names == ["tokenizer.json"] and added:
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        entries = {token["content"]: token for token in tokenizer.get("added_tokens") or []}
        new = {token.content for token in added}
        for token in _core.Tokenizer.open(source, added).added_tokens():
            if token.content in new:
                entries[token.content] = {"id": token.id, **_entry(token)}
        tokenizer["added_tokens"] = sorted(entries.values(), key=lambda entry: int(entry["id"]))
        contents["tokenizer.json"] = json.dumps(tokenizer, indent=2, ensure_ascii=False)
    return contents


def _vocabulary_files(folder: Path) -> list[str]:
    for names in _VOCABULARY_FILES:
        if all((folder / name).exists() for name in names):
            return list(names)
        if names == ("tokenizer.model",):
            tiktoken = sorted(path.name for path in folder.glob("*.tiktoken"))
            if tiktoken:
                return tiktoken[:1]
    raise FileNotFoundError(f"saving the tokenizer of {folder}: its files are no longer there")


def _write_templates(folder: Path, templates: str | dict[str, str] | None, start: str) -> list[str]:
    named = {"default": templates} if isinstance(templates, str) else templates or {}
    paths = []
    for name, source in named.items():
        path = folder / f"{start}chat_template.jinja"
        if name != "default":
            more = folder / f"{start}additional_chat_templates"
            path = more / f"{name}.jinja"
            if path.resolve().parent != more.resolve():
                raise ValueError(f"saving a tokenizer: {name!r} is not a valid name of a chat template")
            more.mkdir(exist_ok=True)
        paths.append(_write(path, source))
    return paths


def _write(path: Path, content: str | Path) -> str:
    """Writes the text, or copies the file, by way of a temporary file. Its own copy is left as it is."""
    if isinstance(content, Path):
        if path.exists() and path.samefile(content):
            return str(path)
        temporary = path.with_name(path.name + ".partial")
        shutil.copyfile(content, temporary)
    else:
        temporary = path.with_name(path.name + ".partial")
        temporary.write_text(content, encoding="utf-8", newline="")
    temporary.replace(path)
    return str(path)


def _entry(token: _core.AddedToken) -> dict[str, Any]:
    return {
        "content": token.content,
        "single_word": token.single_word,
        "lstrip": token.lstrip,
        "rstrip": token.rstrip,
        "normalized": token.normalized,
        "special": token.special,
    }
