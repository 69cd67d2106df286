"""The model class "gptq_native" of lm-evaluation-harness.

    python -m gptq.lm_eval --model gptq_native --model_args pretrained=FOLDER,device=cpu --tasks ...

is the command lm_eval with the class registered; a program registers it by importing this module.
"""

from __future__ import annotations

from typing import Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from gptq.engine import Engine


@register_model("gptq_native")
class GptqLM(LM):  # type: ignore[misc]
    """Runs tasks with a model folder or a model of the Hub.

    pretrained: folder or name. device: "auto", "cpu", "cuda:N". max_length: at most the model's context, its default.
    max_gen_toks: tokens generated when a task does not say how many. batch_size: requests of generate_until that run together.
    """

    def __init__(
        self,
        pretrained: str,
        device: str | None = None,
        max_length: int | None = None,
        max_gen_toks: int = 256,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        add_bos_token: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        del max_batch_size
        self.engine = Engine(pretrained, device=device or "auto", **kwargs)
        self.max_length = min(int(max_length or self.engine.context_length), self.engine.context_length)
        self.max_gen_toks = int(max_gen_toks)
        size = "auto" if batch_size is None else str(batch_size).split(":")[0]  # "auto:4" measures the size 4 times
        self.batch_size = 64 if size == "auto" else max(int(size), 1)
        self.add_bos_token = add_bos_token
        prefix = self.engine.encode("", add_special_tokens=True)
        self.prefix = prefix[0] if prefix else self.engine.encode("\n", add_special_tokens=False)[0]

    @property
    def tokenizer_name(self) -> str:
        return self.engine.folder.replace("/", "__")

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        from gptq.tokenization import AutoTokenizer

        text: str = AutoTokenizer.from_pretrained(self.engine.folder).apply_chat_template(
            chat_history, tokenize=False, add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )  # fmt: skip
        return text

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Log probability of each continuation after its context, and whether it is what greedy decoding gives."""
        del disable_tqdm
        results = []
        for context, continuation in (request.args for request in requests):
            context_ids, ids = self._encode_pair(context, continuation)
            results.append(self._log_likelihood(context_ids, ids))
            self.cache_hook.add_partial("loglikelihood", (context, continuation), results[-1])
        return results

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Log probability of whole texts, in windows of max_length tokens that each predict new tokens only."""
        del disable_tqdm
        results = []
        for (text,) in (request.args for request in requests):
            windows = get_rolling_token_windows(
                token_list=self.engine.encode(text, add_special_tokens=False),
                prefix_token=self.prefix,
                max_seq_len=self.max_length - 1,
                context_len=1,
            )
            parts = [self._log_likelihood(context, ids)[0] for context, ids in map(make_disjoint_window, windows)]
            results.append(sum(parts))
        return results

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers up to a stop string or the limit; requests with the same settings run together."""
        del disable_tqdm
        answers: list[str] = [""] * len(requests)
        groups: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault(repr(request.args[1]), []).append(index)
        for indices in groups.values():
            options = self._generation_options(requests[indices[0]].args[1])
            for start in range(0, len(indices), self.batch_size):
                batch = indices[start : start + self.batch_size]
                room = self.max_length - options["max_new_tokens"]
                prompts = [self._encode_context(requests[i].args[0])[-max(room, 1) :] for i in batch]
                results: Any = self.engine.generate(prompts, **options)
                for i, result in zip(batch, results):
                    answers[i] = result.text
                    self.cache_hook.add_partial("generate_until", requests[i].args, result.text)
        return answers

    def _generation_options(self, settings: dict[str, Any]) -> dict[str, Any]:
        until = settings.get("until") or []
        options: dict[str, Any] = {
            "stop": [until] if isinstance(until, str) else list(until),
            "max_new_tokens": int(settings.get("max_gen_toks") or settings.get("max_new_tokens") or self.max_gen_toks),
        }
        if settings.get("do_sample") or settings.get("temperature"):
            options["temperature"] = float(settings.get("temperature") or 1.0)
            options["top_p"] = float(settings.get("top_p") or 1.0)
            options["top_k"] = int(settings.get("top_k") or 0)
            options["seed"] = int(settings.get("seed") or 0)
        return options

    def _encode_context(self, text: str) -> list[int]:
        return self.engine.encode(text, add_special_tokens=self.add_bos_token is not False)

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Ids of both, divided where those of the context end; spaces at its end belong to the continuation."""
        if not context:
            return [self.prefix], self.engine.encode(continuation, add_special_tokens=False)
        spaces = len(context) - len(context.rstrip())
        if spaces > 0:
            continuation = context[-spaces:] + continuation
            context = context[:-spaces]
        context_ids = self._encode_context(context)
        whole = self._encode_context(context + continuation)
        return context_ids, whole[len(context_ids) :]

    def _log_likelihood(self, context: list[int], ids: list[int]) -> tuple[float, bool]:
        if not ids:
            return 0.0, True
        tokens = (context + ids)[-self.max_length :]
        first = max(len(tokens) - len(ids), 1)
        log_probs, likeliest = self.engine.score(tokens, first)
        return float(log_probs.sum()), likeliest.tolist() == tokens[first:]


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
