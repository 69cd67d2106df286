"""The library's own interface: an Engine that runs a model, and the functions quantize and perplexity."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Queue
from threading import Thread
from typing import Any

from gptq import _core
from gptq.checks import folder as checked_folder
from gptq.checks import integer, number, strings, token_row
from gptq.config import QuantizeConfig, _QuantizeSettings
from gptq.progress import ProgressBar

_ALL_SAMPLES = 2**31 - 1


class Engine:
    """A loaded model, quantized or not.

    folder: a model folder, or the name of a model on the Hub. device: "auto", "cpu", "cuda" or "cuda:N". threads: on a
    CPU, 0 for all. max_gpu_memory: bytes, 0 for no limit. head_dtype and activations: what a CPU computes with, see
    docs/cpu.md. Calls from several threads are carried out one after the other,
    with the GIL free. Raises FileNotFoundError, OSError for damaged files and unsupported models, ValueError for an
    unknown device, RuntimeError for a GPU that cannot be used, MemoryError.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        device: str = "auto",
        threads: int = 0,
        max_gpu_memory: int = 0,
        head_dtype: str = "auto",
        activations: str = "int16",
        **hub_options: Any,
    ) -> None:
        from gptq.folders import model_folder

        self.folder = model_folder(folder, **hub_options)
        self._native = _core.Engine(
            self.folder,
            usable_device(device),
            integer("threads", threads, 0, 4096),
            integer("max_gpu_memory", max_gpu_memory, 0, 2**62),
            head_dtype,
            activations,
        )

    def generate(
        self,
        prompt: str | Sequence[int] | Sequence[str] | Sequence[Sequence[int]],
        *,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        stop_tokens: Sequence[int] | None = None,
        ignore_eos: bool = False,
        keep_special_tokens: bool = False,
        on_token: Callable[[int, int, str], Any] | None = None,
    ) -> _core.Result | list[_core.Result]:
        """Generates for one prompt (a text or ids) or for several, which are decoded together.

        temperature 0 is greedy. stop: strings that end an answer and are not part of it. stop_tokens: ids that end it,
        instead of the model's. on_token(request, id, text) is called on another thread for each token (id -1: the rest
        of the text) and returns False to cancel that request. Returns a Result, or a list of them for several prompts:
        text, tokens, finish_reason ("stop", "length", "cancelled"), prompt_tokens, new_tokens, seed, prompt_seconds,
        decode_seconds, tokens_per_second. KeyboardInterrupt stops within a token.
        """
        from gptq.generation import seeds

        single = isinstance(prompt, str) or _is_row(prompt)
        prompts: Sequence[Any] = [prompt] if single else prompt
        sampling = _core.Sampling()
        sampling.temperature, sampling.top_k = number("temperature", temperature), integer("top_k", top_k)
        sampling.top_p, sampling.min_p = number("top_p", top_p), number("min_p", min_p)
        sampling.repetition_penalty = number("repetition_penalty", repetition_penalty)
        requests = []
        for text, one_seed in zip(prompts, seeds(seed, len(prompts))):
            request = _core.Request()
            request.tokens = self._native.encode_prompt(text) if isinstance(text, str) else self._ids("prompt", text)
            request.max_new_tokens = integer("max_new_tokens", max_new_tokens)
            sampling.seed = one_seed
            request.sampling = sampling
            request.stop = strings("stop", stop)
            request.stop_tokens = None if stop_tokens is None else token_row("stop_tokens", stop_tokens)
            request.ignore_eos, request.keep_special_tokens = ignore_eos, keep_special_tokens
            requests.append(request)
        results = self._native.generate(requests, on_token)
        return results[0] if single else results

    def stream(self, prompt: str | Sequence[int], **options: Any) -> Iterator[str]:
        """An iterator over the text of an answer while it is generated; ``options`` of generate().

        Leaving the loop early cancels the answer.
        """
        if not isinstance(prompt, str) and not _is_row(prompt):
            raise ValueError("stream: found several prompts, expected one text or one list of ids")
        pieces: Queue[str | BaseException | None] = Queue()
        cancelled = False

        def on_token(request: int, token: int, text: str) -> bool:
            pieces.put(text)
            return not cancelled

        def run() -> None:
            try:
                self.generate(prompt, on_token=on_token, **options)
                pieces.put(None)
            except BaseException as error:  # raised again where the pieces are read
                pieces.put(error)

        process = os.getpid()

        def next_piece() -> str | BaseException | None:
            if os.getpid() != process:
                raise RuntimeError(
                    "reading a stream in a child made by fork(): it belongs to the parent process; start it in the child"
                )
            return pieces.get()

        thread = Thread(target=run, daemon=True)
        thread.start()
        try:
            while (piece := next_piece()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                if piece:
                    yield piece
        finally:
            cancelled = True
            thread.join()

    def logits(self, tokens: Sequence[int]) -> Any:
        """Logits of all positions of one sequence: float32 array of shape [T, vocab_size]."""
        return self._native.logits(self._ids("tokens", tokens))

    def score(self, tokens: Sequence[int], first: int = 1) -> tuple[Any, Any]:
        """For each token from index ``first`` on: its log probability after those before it, and the likeliest token.

        Returns two arrays of shape [T - first], float64 and int64.
        """
        return self._native.score(self._ids("tokens", tokens), integer("first", first))

    def perplexity(
        self, text: str | Sequence[int], window: int = 512, *, on_step: Callable[[int, int], Any] | None = None
    ) -> _core.PerplexityResult:
        """Perplexity over windows of ``window`` tokens that do not overlap.

        Returns a PerplexityResult: perplexity, tokens, windows, seconds. on_step(done, all) returns False to stop, which
        raises RuntimeError.
        """
        tokens = self._native.encode(text) if isinstance(text, str) else self._ids("text", text)
        return self._native.perplexity(tokens, integer("window", window, 1), on_step)

    def _ids(self, name: str, tokens: Any) -> list[int]:
        """Ids of this model from a list, an array or a tensor. Raises ValueError for others."""
        ids = token_row(name, tokens.tolist() if hasattr(tokens, "tolist") else tokens)
        wrong = [token for token in ids if not 0 <= token < self.vocab_size]
        if wrong:
            raise ValueError(f"{name} holds {wrong[0]}, expected 0 to {self.vocab_size - 1}: the ids of this model")
        return ids

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return self._native.encode(text, add_special_tokens)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        return self._native.decode(list(ids), skip_special_tokens)

    @property
    def context_length(self) -> int:
        """Maximum number of tokens of a prompt and its answer together."""
        return self._native.context_length

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return self._native.vocab_size

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that are read for one token."""
        return self._native.weight_bytes


def _is_row(prompt: Any) -> bool:
    """True for the ids of one prompt, False for several prompts."""
    return len(prompt) > 0 and not isinstance(prompt[0], str) and not hasattr(prompt[0], "__len__")


def device_name(device: Any) -> str:
    """ "cpu", "cuda:0" ... from a string, an index, a torch.device or a device_map."""
    if device is None:
        return "auto"
    if isinstance(device, dict):
        names = {device_name(value) for value in device.values()}
        if not names:
            raise ValueError('device_map is empty; leave it out, or give a device such as "cuda:0"')
        if len(names) != 1:
            raise ValueError(f"device_map spreads the model over {', '.join(sorted(names))}; one device is supported")
        return names.pop()
    if isinstance(device, int):
        return f"cuda:{device}"
    name = str(device)
    if name in ("balanced", "balanced_low_0", "sequential"):
        return "auto"
    return name


def usable_device(device: Any) -> str:
    """device_name(), checked. Raises ValueError for an unknown name and RuntimeError for a GPU that cannot be used."""
    name = device_name(device)
    try:
        _core.device_name(name)
    except ValueError as error:
        if name == "cuda" or name.startswith("cuda:") and name[5:].isdigit():
            raise RuntimeError(str(error)) from None
        raise
    return name


def quantize(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    config: _QuantizeSettings | Mapping[str, Any] | None = None,
    *,
    calibration: Any = None,
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    samples: int = 128,
    seqlen: int = 2048,
    seed: int = 0,
    device: Any = "auto",
    threads: int = 0,
    max_gpu_memory: int = 0,
    resume: bool = False,
    force: bool = False,
    progress: bool = True,
    **hub_options: Any,
) -> _core.QuantizeReport:
    """Quantizes a model folder into the new folder ``output``.

    config: QuantizeConfig() when absent. calibration: examples of any form that calibration.to_rows describes, all of which
    are used; files: paths as of ``gptq quantize --calibration``, from which ``samples`` windows of ``seqlen`` tokens are drawn;
    without both the built-in text. Returns a QuantizeReport: output, seconds, modules (name, bits, group_size, error,
    method ...), notes, errors_meaningful, bytes_in, bytes_out. KeyboardInterrupt ends it after the current layer;
    resume=True then continues.
    """
    from gptq.folders import model_folder

    from gptq.modeling import log_notes

    settings = QuantizeConfig() if config is None else config
    options = native_options(settings, model_folder(model, **hub_options), calibration, integer("samples", samples, 1))
    options.output = checked_folder("output", output)
    files = [files] if isinstance(files, (str, os.PathLike)) else files
    options.calibration = [checked_folder("files", file) for file in files]
    options.seqlen, options.seed = integer("seqlen", seqlen, 1), integer("seed", seed, 0, 2**64 - 1)
    options.device, options.threads = usable_device(device), integer("threads", threads, 0, 4096)
    options.max_gpu_memory = integer("max_gpu_memory", max_gpu_memory, 0, 2**62)
    options.resume, options.force = resume, force
    report: _core.QuantizeReport = run_with_progress(lambda sink: _core.quantize(options, sink), progress)
    log_notes(report)
    return report


def native_options(
    config: _QuantizeSettings | Mapping[str, Any],
    folder: str,
    calibration: Any,
    samples: int,
    tokenizer: Any = None,
    min_length: int = 0,
) -> _core.QuantizeOptions:
    """Options for a model folder. All rows of ``calibration`` that have ``min_length`` tokens are used."""
    from gptq.calibration import long_rows, to_rows

    if isinstance(config, Mapping):
        config = QuantizeConfig.from_quant_config(config)
    if not isinstance(config, _QuantizeSettings):
        raise TypeError(f"the quantization settings are {config!r}, expected a QuantizeConfig or a dictionary")
    options = config._options()
    options.model = folder
    options.samples = samples
    if calibration is not None:
        options.calibration_rows = long_rows(to_rows(calibration, tokenizer), min_length, folder)
        options.samples = _ALL_SAMPLES
    return options


def run_with_progress(work: Callable[[Callable[..., None] | None], Any], shown: bool) -> Any:
    """Calls ``work`` with a function that draws the progress of a quantization."""
    if not shown:
        return work(None)
    with ProgressBar("quantizing") as bar:
        return work(lambda phase, fraction, module: bar.update(phase, fraction))


def perplexity(
    model: str | os.PathLike[str], text: str | Sequence[int], window: int = 512, *, device: Any = "auto", **options: Any
) -> _core.PerplexityResult:
    """Perplexity of a model on a text; see Engine.perplexity."""
    return Engine(model, device=device, **options).perplexity(text, window)
