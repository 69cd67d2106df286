"""The Hugging Face Hub: logins and downloads, with the files and variables of the huggingface_hub library."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from gptq import _core

# The files of a tokenizer, for downloads without weights.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
    "tekken.json",
    "tokenizer.model",
    "*.tiktoken",
    "tiktoken.model",
    "vocab.json",
    "merges.txt",
    "encoder.json",
    "vocab.bpe",
    "vocab.txt",
)

Progress = Callable[[str, int, int], bool]


def login(
    token: str | None = None,
    *,
    add_to_git_credential: bool = False,
    new_session: bool = True,
    skip_if_logged_in: bool = False,
    **kwargs: Any,
) -> None:
    """Validates a token with the Hub and stores it for this and other programs; asks for it without ``token``.

    ``add_to_git_credential`` is not supported and only True raises ValueError. Raises PermissionError for a token that
    the Hub refuses and ConnectionError without a network.
    """
    _refuse("login", kwargs, ignored=("write_permission",))
    if add_to_git_credential:
        raise ValueError("login: storing the token for git is not supported; run `git credential approve`")
    if (skip_if_logged_in or not new_session) and _is_logged_in():
        return
    if token is None:
        import getpass

        token = getpass.getpass("Token (https://huggingface.co/settings/tokens): ")
    if not isinstance(token, str):
        raise TypeError(f"login: token is of type {type(token).__name__}, expected a string")
    _core.log_in(token.strip())


def logout(token_name: str | None = None) -> None:
    """Removes a stored login, or without a name all of them."""
    _core.log_out(token_name or "")


def whoami(token: str | None = None) -> dict[str, Any]:
    """The account of the token or of the active login: name, fullname, orgs, token_role.

    Raises PermissionError without a valid login.
    """
    return _core.who_am_i(_token(token))


def snapshot_download(
    repo_id: str,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_dir: str | os.PathLike[str] | None = None,
    token: str | bool | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    allow_patterns: str | Sequence[str] | None = None,
    ignore_patterns: str | Sequence[str] | None = None,
    max_workers: int = 8,
    progress: Progress | None = None,
    **kwargs: Any,
) -> str:
    """Downloads a model and returns its folder: a snapshot in the cache, or ``local_dir``.

    Without ``allow_patterns`` the files of a language model. ``progress`` is called from other threads with the file
    and the bytes done and in all; it returns False to stop. Raises FileNotFoundError for an unknown model or
    revision, PermissionError for a gated one without access and ConnectionError without a network.
    """
    _refuse("snapshot_download", kwargs, ignored=("resume_download", "local_dir_use_symlinks", "library_name"))
    result = _core.pull(
        repo_id,
        revision=revision or "",
        token=_token(token),
        local_dir="" if local_dir is None else os.fspath(local_dir),
        cache_dir="" if cache_dir is None else os.fspath(cache_dir),
        local_files_only=local_files_only,
        force_download=force_download,
        include=_patterns(allow_patterns),
        exclude=_patterns(ignore_patterns),
        max_workers=max_workers,
        progress=progress,
    )
    folder: str = result["folder"]
    return folder


def folder_of(name: str | os.PathLike[str], *, subfolder: str = "", files: Sequence[str], **options: Any) -> str:
    """The folder of a model: the one of this name, or else the download of ``files`` of the model on the Hub."""
    name = os.fspath(name)
    if os.path.isdir(name):
        return os.path.join(name, subfolder) if subfolder else name
    if not _core.is_hub_model(name):
        raise FileNotFoundError(
            f'opening "{name}": there is no such folder, and it is not the name of a model on the Hub ("org/name")'
        )
    patterns = [f"{subfolder}/{file}" for file in files] + ["config.json"] if subfolder else list(files)
    folder = snapshot_download(name, allow_patterns=patterns, **options)
    return os.path.join(folder, subfolder) if subfolder else folder


def push_folder(
    folder: str,
    repo_id: str,
    *,
    commit_message: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    write_card: bool = False,
) -> str:
    """Uploads a folder to the Hub in one commit and returns the address of the commit or pull request."""
    result = _core.push(
        folder,
        repo_id,
        token=_token(token),
        revision=revision or "",
        message=commit_message or "",
        private_repo=bool(private),
        create_pr=create_pr,
        write_card=write_card,
    )
    url: str = result["url"]
    return url


def _is_logged_in() -> bool:
    try:
        _core.who_am_i()
    except (OSError, ValueError):
        return False
    return True


def _token(token: str | bool | None) -> str:
    """True and None stand for the stored login."""
    if token is False:
        raise ValueError("token=False is not supported; log out to access the Hub without a token")
    return token if isinstance(token, str) else ""


def _patterns(patterns: str | Sequence[str] | None) -> list[str]:
    if patterns is None:
        return []
    return [patterns] if isinstance(patterns, str) else list(patterns)


def _refuse(function: str, kwargs: dict[str, Any], ignored: tuple[str, ...]) -> None:
    unknown = sorted(set(kwargs) - set(ignored))
    if unknown:
        raise TypeError(f"{function}() got unexpected keyword arguments: {', '.join(unknown)}")
