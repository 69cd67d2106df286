"""Rendering of conversations with chat templates, as transformers does it."""

from __future__ import annotations

import json
import logging
import re
from functools import lru_cache
from typing import Any

from gptq import _core

_log = logging.getLogger("gptq")


def choose_template(templates: str | dict[str, str] | None, chosen: str | None, has_tools: bool) -> str:
    """The source to render: ``chosen``, which is a source or the name of a template, else the tokenizer's.

    Raises ValueError when there is none.
    """
    if isinstance(templates, dict):
        if chosen is not None:
            return templates.get(chosen, chosen)
        if has_tools and "tool_use" in templates:
            return templates["tool_use"]
        if "default" in templates:
            return templates["default"]
        raise ValueError(
            "the tokenizer has several chat templates and none is the default; choose one with chat_template=: "
            + ", ".join(sorted(templates))
        )
    if chosen is not None:
        return chosen
    if templates is None:
        raise ValueError("the tokenizer has no chat template; set tokenizer.chat_template or pass chat_template=")
    return templates


def render(
    source: str,
    messages: Any,
    *,
    tools: list[Any] | None,
    variables: dict[str, Any],
    special_tokens: dict[str, str],
    add_generation_prompt: bool,
    continue_final_message: bool | str,
) -> str:
    """The prompt of one conversation, a list of {"role", "content", ...}.

    Raises ValueError with the template's own message when it refuses the conversation, TypeError for values that are
    not JSON, and OSError for a template that does not compile.
    """
    if continue_final_message not in (True, False, None, "content"):
        raise NotImplementedError(
            f"continue_final_message={continue_final_message!r}: only the content of a message can be continued"
        )
    template = _compiled(source, tuple(sorted(special_tokens.items())))
    text: str = template.render(
        _json(messages, "the conversation"),
        tools="" if tools is None else _json(tools, "tools"),
        variables=_json(variables, "the template variables") if variables else "",
        add_generation_prompt=add_generation_prompt,
        continue_final_message=bool(continue_final_message),
        adapt=False,
    )
    return text


def tool_schemas(tools: list[Any] | None) -> list[Any] | None:
    """The tools, which must be JSON schemas."""
    for tool in tools or []:
        if callable(tool):
            raise NotImplementedError(
                "tools: a function cannot be converted to a JSON schema here; pass transformers.utils.get_json_schema(f)"
            )
        if not isinstance(tool, dict):
            raise ValueError("tools: expected a list of JSON schemas (dict)")
    return tools


def check_documents(documents: Any) -> None:
    for document in documents or []:
        if not isinstance(document, dict):
            raise TypeError("documents: expected a list of dict with the keys 'title' and 'text'")


def has_generation_blocks(source: str) -> bool:
    """True when the template marks what the assistant says: {% generation %}."""
    return re.search(r"\{%-?\s*generation\s*-?%\}", source) is not None


def is_batch(conversation: Any) -> bool:
    """True for a list of conversations."""
    first = conversation[0] if isinstance(conversation, (list, tuple)) and conversation else None
    return isinstance(first, (list, tuple)) or hasattr(first, "messages")


def messages_of(conversation: Any) -> Any:
    return getattr(conversation, "messages", conversation)


@lru_cache(maxsize=32)
def _compiled(source: str, special_tokens: tuple[tuple[str, str], ...]) -> _core.ChatTemplate:
    return _core.ChatTemplate.parse(source, dict(special_tokens))


def _json(value: Any, what: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"reading {what}: {error}") from error
