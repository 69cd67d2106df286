"""pipeline("text-generation"): texts or conversations in, texts out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gptq.engine import device_name
from gptq.generation import is_setting
from gptq.modeling import CausalLM

_OWN_ARGUMENTS = frozenset(("return_full_text", "return_tensors", "batch_size"))


class TextGenerationPipeline:
    """Continues texts and answers conversations.

    model: a CausalLM. tokenizer: that of the model, of gptq or of transformers.
    """

    def __init__(self, model: CausalLM, tokenizer: Any, **defaults: Any) -> None:
        for name in defaults:
            if not is_setting(name) and name not in _OWN_ARGUMENTS:
                raise TypeError(f"pipeline: unexpected argument '{name}'")
        self.model = model
        self.tokenizer = tokenizer
        self.defaults = defaults

    @property
    def device(self) -> Any:
        return self.model.device

    def __call__(
        self,
        text_inputs: Any,
        **kwargs: Any,
    ) -> Any:
        """Generates for a text, a conversation (a list of messages), or a list of either.

        return_full_text: True, return_tensors: False, batch_size: without effect, because batches are chosen to fit the
        memory. Other arguments are those of CausalLM.generate, by default those given to the pipeline and 256 new tokens.
        Returns for each input a list of
        dictionaries with "generated_text": the text including the prompt, without it when return_full_text is False; for a
        conversation the messages with the answer appended. With return_tensors, "generated_token_ids" instead.
        """
        options = {"max_new_tokens": 256, **self.defaults, **kwargs}
        options.pop("batch_size", None)
        return_full_text, return_tensors = options.pop("return_full_text", True), options.pop("return_tensors", False)
        single = isinstance(text_inputs, str) or _is_conversation(text_inputs)
        inputs = [text_inputs] if single else list(text_inputs)
        copies = int(options.get("num_return_sequences") or 1)
        if not inputs:
            return []
        ids = [self._encode(item) for item in inputs]
        width = max(len(row) for row in ids)
        padded = [[0] * (width - len(row)) + row for row in ids]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in ids]
        rows: Any = self.model.generate(padded, attention_mask=mask, **options)
        results = []
        for i, item in enumerate(inputs):
            mine = rows[i * copies : (i + 1) * copies]
            results.append([self._result(item, row[width:], return_full_text, return_tensors, ids[i]) for row in mine])
        return results[0] if single else results

    def _encode(self, item: Any) -> list[int]:
        if isinstance(item, str):
            return list(self.tokenizer(item)["input_ids"])
        text = self.tokenizer.apply_chat_template(list(item), tokenize=False, add_generation_prompt=True)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _result(self, item: Any, new: list[int], full: bool, tensors: bool, prompt: list[int]) -> dict[str, Any]:
        if tensors:
            return {"generated_token_ids": prompt + new}
        if not isinstance(item, str):
            answer = self.tokenizer.decode(new, skip_special_tokens=True)
            message = {"role": "assistant", "content": answer.strip() if answer[:1] == " " else answer}
            return {"generated_text": [*item, message] if full else message["content"]}
        whole = self.tokenizer.decode(prompt + new, skip_special_tokens=True)
        start = self.tokenizer.decode(prompt, skip_special_tokens=True)
        continuation = (
            whole[len(start) :] if whole.startswith(start) else self.tokenizer.decode(new, skip_special_tokens=True)
        )
        return {"generated_text": item + continuation if full else continuation}


def pipeline(
    task: str | None = None,
    model: Any = None,
    tokenizer: Any = None,
    *,
    device: Any = None,
    device_map: Any = None,
    **kwargs: Any,
) -> TextGenerationPipeline:
    """A pipeline for the task "text-generation", the only one.

    model: a CausalLM, a folder, or the name of a model on the Hub. tokenizer: that of the model when absent. Arguments of
    generate are defaults of its calls; others are those of GPTQModel.load. Raises TypeError for unknown ones.
    """
    if task not in (None, "text-generation"):
        raise ValueError(f"pipeline: the task is {task!r}, expected 'text-generation'")
    if model is None:
        raise ValueError("pipeline: no model given")
    defaults = {key: kwargs.pop(key) for key in list(kwargs) if is_setting(key) or key in _OWN_ARGUMENTS}
    if isinstance(model, (str, os.PathLike)):
        from gptq.auto import GPTQModel

        model = GPTQModel.load(model, device=device, device_map=device_map, **kwargs)
    elif kwargs:
        raise TypeError(f"pipeline: unexpected argument '{sorted(kwargs)[0]}'")
    elif (wanted := device if device is not None else device_map) is not None:
        model.to(device_name(wanted))
    if tokenizer is None or isinstance(tokenizer, (str, os.PathLike)):
        from gptq.tokenization import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(tokenizer or model.folder)
    return TextGenerationPipeline(model, tokenizer, **defaults)


def _is_conversation(value: Any) -> bool:
    return (
        isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0 and isinstance(value[0], Mapping)
    )
