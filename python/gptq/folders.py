"""Where models lie: folders, and downloads from the Hub."""

from __future__ import annotations

import os
from typing import Any

from gptq import _core
from gptq.checks import folder

# Options of downloads, which from_pretrained and similar functions pass on.
HUB_OPTIONS = frozenset(("revision", "cache_dir", "token", "local_files_only", "force_download"))


def model_folder(
    name: str | os.PathLike[str], *, subfolder: str = "", use_auth_token: Any = None, **options: Any
) -> str:
    """The folder of a model: ``name`` itself, or the download of the model of that name on the Hub.

    Raises FileNotFoundError for an unknown name, PermissionError for a gated model without access.
    """
    from gptq import hub

    name = folder("the model", name)
    unknown = set(options) - HUB_OPTIONS
    if unknown:
        raise TypeError(f"unexpected argument '{sorted(unknown)[0]}'")
    if use_auth_token is not None:
        options.setdefault("token", use_auth_token)
    if os.path.isdir(name):
        return os.path.abspath(os.path.join(name, subfolder))  # the same after os.chdir
    if subfolder:
        raise ValueError(
            f"subfolder={subfolder!r} is not supported for models on the Hub; download it and pass the folder"
        )
    if not _core.is_hub_model(name):
        raise FileNotFoundError(
            f'opening "{name}": there is no such folder, and it is not the name of a model on the Hub ("org/name")'
        )
    return hub.snapshot_download(name, **options)
