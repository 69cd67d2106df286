"""Models under the names of AutoGPTQ and GPTQModel: load, quantize, save, generate."""

from __future__ import annotations

import json
import logging
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gptq import _core
from gptq.checks import folder as checked_folder
from gptq.checks import integer, strings
from gptq.config import _QuantizeSettings
from gptq.engine import native_options, run_with_progress, usable_device
from gptq.generation import (
    GenerateOutput,
    GenerationConfig,
    Prompts,
    ids_of,
    is_setting,
    like,
    merge_settings,
    new_tokens_of,
    sampling_of,
    seeds,
    settings_of,
    unsupported,
)

_logger = logging.getLogger("gptq")


class Config(dict[str, Any]):
    """config.json of a model with its keys as attributes."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        if name.startswith("_") and not name.startswith("__"):
            return None  # private attributes that transformers asks for
        raise AttributeError(f"config.json has no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def to_dict(self) -> dict[str, Any]:
        return dict(self)


class CausalLMOutput(dict[str, Any]):
    """The result of a forward pass: ``logits`` of shape [N, T, vocab_size], float32."""

    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)

    @property
    def logits(self) -> Any:
        return self["logits"]


class CausalLM:
    """A language model in a folder: not yet quantized, quantized in this process, or loaded quantized.

    Weights are read when they are needed: by quantize() layer by layer, or by the first generation. Calls from several
    threads are carried out one after the other. Made by the class methods of AutoGPTQForCausalLM and GPTQModel.
    """

    def __init__(
        self, folder: str, name: str, quantize_config: _QuantizeSettings | None, device: str, quantized: bool
    ) -> None:
        self.name_or_path = name
        self.quantize_config = quantize_config
        self.quantized = quantized
        self._folder = folder
        self._device = device
        self._unsaved: _core.QuantizedModel | None = None
        self._engine: _core.Engine | None = None
        self._lock = threading.Lock()
        self.config = Config(read_json(os.path.join(folder, "config.json")))
        path = os.path.join(folder, "generation_config.json")
        self.generation_config = GenerationConfig(**(read_json(path) if os.path.exists(path) else {}))
        self._loaded_settings = self.generation_config.to_dict()
        for setting in unsupported(self._loaded_settings):
            _logger.warning("%s: %s is not supported and has no effect", path, setting)
        self._saved_to: set[str] = set()
        self.tokenizer: Any = None

    @property
    def generation_config(self) -> Any:
        """Settings of generate that count where arguments say nothing: a GenerationConfig of gptq or transformers."""
        return self._generation_config

    @generation_config.setter
    def generation_config(self, config: Any) -> None:
        self._generation_config = GenerationConfig(**config) if isinstance(config, Mapping) else config

    # ---- quantizing and saving

    def quantize(
        self,
        examples: Any = None,
        batch_size: int = 1,
        *,
        calibration: Any = None,
        tokenizer: Any = None,
        calibration_data_min_length: int = 0,
        calibration_concat_size: int | None = None,
        progress: bool = True,
        **kwargs: Any,
    ) -> dict[str, list[dict[str, Any]]]:
        """Quantizes the model with calibration examples; see ``gptq.calibration.to_rows`` for their forms.

        Without examples 128 windows of the built-in text are used. Examples of token ids are one window each; those of
        fewer than calibration_data_min_length tokens are left out. batch_size has no effect, because batches are chosen to
        fit the memory. Returns the report of each module under "gptq": name, bits, group_size, error, method, seconds.
        Raises ValueError when the model is quantized already and for examples of no known form. A progress bar is shown
        with tqdm. KeyboardInterrupt discards the work.
        """
        if examples is not None and calibration is not None:
            raise ValueError("quantize: found examples and calibration, which are one argument; give one of them")
        examples = calibration if examples is None else examples
        if self.quantized or self._unsaved is not None:
            raise ValueError("can't execute quantize because the model is quantized.")
        if self.quantize_config is None:
            raise ValueError("quantize: the model was loaded without a quantize_config; give it to from_pretrained")
        if calibration_concat_size is not None:
            raise NotImplementedError("quantize: calibration_concat_size is not supported; examples are never joined")
        if kwargs.get("adapter") is not None:
            raise NotImplementedError("quantize: adapter is not supported; merge it into the model first")
        _refuse("quantize", kwargs, _QUANTIZE_IGNORED)
        options = native_options(
            self.quantize_config,
            self._folder,
            examples,
            128,
            tokenizer=tokenizer,
            min_length=integer("calibration_data_min_length", calibration_data_min_length),
        )
        options.device = self._device
        self._unsaved = run_with_progress(lambda sink: _core.QuantizedModel.create(options, "", sink), progress)
        log_notes(self._unsaved.report)
        self.quantized = True
        with self._lock:
            self._engine = None  # that of the original weights
        return {"gptq": [_module_log(module) for module in self._unsaved.report.modules]}

    def save_quantized(
        self,
        save_dir: str | os.PathLike[str],
        use_safetensors: bool = True,
        safetensors_metadata: Mapping[str, str] | None = None,
        model_basename: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes the quantized checkpoint into a folder, any number of times.

        Files of an earlier checkpoint there are replaced, other files stay. When this object has saved into the folder
        before, the files of the tokenizer, templates and generation_config.json stay too. The weights are
        model.safetensors, also with use_safetensors=False, which only warns: files of other formats can run code when they
        are loaded. max_shard_size, split_by and meta_quantizer have no effect and warn. Raises OSError before quantize(),
        ValueError when the folder holds weights that are not quantized.
        """
        _refuse("save_quantized", kwargs, frozenset(("max_shard_size", "meta_quantizer", "split_by")))
        if safetensors_metadata:
            raise NotImplementedError("save_quantized: safetensors_metadata is not supported; leave it out")
        if model_basename not in (None, "model"):
            raise NotImplementedError(
                "save_quantized: model_basename is not supported: readers look for model.safetensors"
            )
        if not self.quantized:
            raise OSError("can only save quantized model, please execute .quantize first.")
        if not use_safetensors:
            warnings.warn("use_safetensors=False: safetensors files are written all the same", stacklevel=2)
        if without_effect := sorted(key for key, value in kwargs.items() if value is not None):
            warnings.warn(
                f"save_quantized: {', '.join(without_effect)}: no effect, files keep the sizes that quantize() gave them",
                stacklevel=2,
            )
        target = os.path.realpath(checked_folder("save_dir", save_dir))
        again = target in self._saved_to and os.path.isdir(target)
        if self._unsaved is not None:
            self._unsaved.save(target, again)
        else:
            _core.copy_checkpoint(self._folder, target, again)
        self._saved_to.add(target)

    def save(self, save_dir: str | os.PathLike[str], **kwargs: Any) -> None:
        """The same under GPTQModel's name."""
        self.save_quantized(save_dir, **kwargs)

    def save_pretrained(self, save_dir: str | os.PathLike[str], **kwargs: Any) -> None:
        """The same under the name of transformers."""
        self.save_quantized(save_dir, **kwargs)

    def push_to_hub(
        self,
        repo_id: str,
        save_dir: str | os.PathLike[str] | None = None,
        use_safetensors: bool = True,
        safetensors_metadata: Mapping[str, str] | None = None,
        commit_message: str | None = "Upload of a GPTQ quantized model",
        use_auth_token: Any = None,
        private: bool | None = None,
        token: Any = None,
        create_pr: bool = False,
    ) -> str:
        """Saves into ``save_dir`` when it is given, and uploads the checkpoint. Returns the address of the commit."""
        from gptq import hub

        if not self.quantized:
            raise OSError("can only upload a quantized model, please execute .quantize first.")
        if save_dir is not None:
            self.save_quantized(save_dir, use_safetensors, safetensors_metadata)
            folder = os.fspath(save_dir)
        else:
            folder = self.folder
        token = token if token is not None else use_auth_token
        return hub.push_folder(
            folder, repo_id, commit_message=commit_message, private=private, token=token, create_pr=create_pr
        )

    # ---- running

    def generate(self, inputs: Any = None, *, input_ids: Any = None, attention_mask: Any = None,
                 generation_config: Any = None, streamer: Any = None, **kwargs: Any) -> Any:  # fmt: skip
        """Continues one or several prompts, with the arguments of transformers.

        inputs or input_ids: [T] or [N, T], a torch tensor, NumPy array, gptq.Tensor or list; a text or list of texts is
        tokenized. Positions whose attention_mask is 0 are padding. Returns [N, T + new] ids of the same kind and on the
        same device: each row is the prompt as given, the answer with the token that ended it, and padding. Prompts are
        decoded together.

        Supported: max_new_tokens, max_length, do_sample, temperature, top_k, top_p, min_p, repetition_penalty, seed (of
        the draws; torch.manual_seed has no effect), num_return_sequences, eos_token_id, pad_token_id, stop_strings,
        streamer, return_dict_in_generate. Without do_sample the most likely token is taken, whatever the temperature.
        Others raise NotImplementedError unless their value changes nothing. Values that are absent come from
        generation_config.json; the default is 20 new tokens.
        """
        if inputs is not None and input_ids is not None:
            raise ValueError("generate: found inputs and input_ids, which are one argument; give one of them")
        ids = inputs if input_ids is None else input_ids
        if ids is None:
            raise ValueError("generate: give input_ids, or a text")
        if isinstance(ids, Mapping):
            if "input_ids" not in ids:
                raise ValueError(f"generate: found the keys {', '.join(map(str, ids))}, expected input_ids")
            ids, attention_mask = ids["input_ids"], ids.get("attention_mask", attention_mask)
        given = self._changed_settings()
        if generation_config is not None:
            given.update(settings_of(generation_config))
        values = merge_settings(GenerationConfig(**settings_of(self.generation_config)), given, kwargs)
        prompts = self._prompts(ids, attention_mask)
        copies = values.get("num_return_sequences")
        copies = 1 if copies is None else integer("num_return_sequences", copies, 1, 1 << 20)
        requests = self._requests(prompts, values, {**given, **kwargs}, copies)
        if streamer is not None:
            if not hasattr(streamer, "put") or not hasattr(streamer, "end"):
                raise TypeError(f"streamer is {streamer!r}, expected an object with put() and end()")
            if len(requests) > 1:
                raise ValueError(f"`streamer` works with one sequence, found {len(requests)}")
            streamer.put(prompts.output(prompts.padded, 0))
        results = self._native().generate(requests, _sink_of(streamer, prompts))
        if streamer is not None:
            streamer.end()
        rows = [prompts.padded[i // copies] + list(result.tokens) for i, result in enumerate(results)]
        output = prompts.output(rows, self._pad_token(values))
        return GenerateOutput(sequences=output) if values.get("return_dict_in_generate") else output

    def __call__(self, input_ids: Any = None, attention_mask: Any = None, **kwargs: Any) -> CausalLMOutput:
        """Logits of all positions. Positions whose attention_mask is 0 are not run, and their logits are 0."""
        _refuse("the model", kwargs, _FORWARD_IGNORED)
        if kwargs.get("logits_to_keep") or kwargs.get("return_dict") is False:
            raise NotImplementedError(
                "the model: logits_to_keep and return_dict=False are not supported; leave them out"
            )
        prompts = self._prompts(input_ids, attention_mask)
        width = max(len(row) for row in prompts.padded)
        if any(len(row) != width for row in prompts.padded):
            raise ValueError("the model: input_ids has rows of different lengths; pad them, with an attention_mask")
        engine = self._native()
        logits = np.zeros((len(prompts.padded), width, engine.vocab_size), dtype=np.float32)
        mask = np.ones((len(prompts.padded), width), dtype=bool)
        if attention_mask is not None:
            mask = np.asarray(prompts.masks, dtype=bool)
        for row, kept, tokens in zip(logits, mask, prompts.tokens):
            row[kept[: len(row)]] = engine.logits(tokens)
        return CausalLMOutput(logits=like(prompts.example, logits))

    forward = __call__

    def stream(self, text: str | Sequence[int], **options: Any) -> Any:
        """An iterator over the pieces of an answer's text; ``options`` of gptq.Engine.generate."""
        return self.engine.stream(text, **options)

    @property
    def engine(self) -> Any:
        """The model as a gptq.Engine."""
        from gptq.engine import Engine

        engine = Engine.__new__(Engine)
        engine.folder, engine._native = self.folder, self._native()
        return engine

    @property
    def folder(self) -> str:
        """Where the checkpoint lies that runs: after quantize() a temporary folder."""
        return self._folder if self._unsaved is None else self._unsaved.folder

    def _changed_settings(self) -> dict[str, Any]:
        """The settings that were changed in generation_config after loading, which count like arguments."""
        current = settings_of(self.generation_config)
        return {key: value for key, value in current.items() if self._loaded_settings.get(key) != value}

    def _native(self) -> _core.Engine:
        with self._lock:
            if self._engine is None:
                self._engine = _core.Engine(self.folder, self._device)
            return self._engine

    def _prompts(self, ids: Any, mask: Any) -> Prompts:
        texts = [ids] if isinstance(ids, str) else ids
        if isinstance(texts, (list, tuple)) and texts and isinstance(texts[0], str):
            from gptq.tensor import Tensor

            rows = [self._native().encode_prompt(text) for text in texts]
            width = max(len(row) for row in rows)
            pad = self._pad_token({})
            ids = Tensor([[pad] * (width - len(row)) + row for row in rows])  # on the left, as GPTQModel does
            mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        prompts = Prompts(ids, mask)
        highest, vocabulary = max((max(row, default=0) for row in prompts.tokens), default=0), self._native().vocab_size
        lowest = min((min(row, default=0) for row in prompts.tokens), default=0)
        if highest >= vocabulary or lowest < 0:
            wrong = highest if highest >= vocabulary else lowest
            raise ValueError(f"input_ids holds {wrong}, expected 0 to {vocabulary - 1}: the ids of this model")
        return prompts

    def _requests(
        self, prompts: Prompts, values: Mapping[str, Any], explicit: Mapping[str, Any], copies: int
    ) -> list[_core.Request]:
        sampling = sampling_of(values)
        stop = strings("stop_strings", values.get("stop_strings") or [])
        requests = []
        all_seeds = seeds(values.get("seed"), copies * len(prompts.tokens))
        for i, seed in enumerate(all_seeds):
            tokens = prompts.tokens[i // copies]
            request = _core.Request()
            request.tokens = tokens
            request.max_new_tokens = new_tokens_of(values, explicit, len(prompts.padded[i // copies]))
            sampling.seed = seed
            request.sampling = sampling
            request.stop = stop
            request.keep_special_tokens = True
            if "eos_token_id" in explicit:
                highest = self._native().vocab_size - 1
                request.stop_tokens = [
                    integer("eos_token_id", token, 0, highest) for token in ids_of(explicit["eos_token_id"]) or []
                ]
            requests.append(request)
        return requests

    def _prepare_generation_config(
        self, generation_config: Any = None, **kwargs: Any
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """What the pipelines of transformers call to merge the model's settings, their own defaults and their arguments.

        Later ones count more, as in transformers 5. Returns the settings, and the arguments that are none.
        """
        defaults = {} if generation_config is None else settings_of(generation_config)
        own = {
            key: value for key, value in settings_of(self.generation_config).items() if not unsupported({key: value})
        }
        settings = {key: kwargs.pop(key) for key in list(kwargs) if is_setting(key)}
        return GenerationConfig(**{**own, **defaults, **settings}), kwargs

    def _pad_token(self, values: Mapping[str, Any]) -> int:
        for key in ("pad_token_id", "eos_token_id"):
            for source in (values, settings_of(self.generation_config), self.config):
                ids = ids_of(source.get(key))
                if ids:
                    return ids[0]
        return 0

    # ---- what scripts ask models for

    @property
    def device(self) -> Any:
        """ "cpu" or "cuda:0": a torch.device where torch is in use, else a string."""
        import sys

        name = _core.device_name(self._device)
        torch = sys.modules.get("torch")
        return name if torch is None else torch.device(name)

    @property
    def hf_device_map(self) -> dict[str, str]:
        return {"": _core.device_name(self._device)}

    @property
    def model(self) -> CausalLM:
        return self

    def eval(self) -> CausalLM:
        return self

    def to(self, device: Any = None, *args: Any, **kwargs: Any) -> CausalLM:
        """Runs on another device from now on. Types of numbers are accepted and ignored."""
        del args, kwargs
        if isinstance(device, (str, int)) or type(device).__name__ == "device":
            name = _core.device_name(usable_device(device))
            with self._lock:
                if name != _core.device_name(self._device):
                    self._engine = None
                self._device = name
        return self

    def cuda(self, device: Any = None) -> CausalLM:
        return self.to("cuda:0" if device is None else device)

    def cpu(self) -> CausalLM:
        return self.to("cpu")

    def can_generate(self) -> bool:
        return True

    def num_parameters(self, *args: Any, **kwargs: Any) -> int:
        """Number of weights, counting quantized ones as the weights that they stand for."""
        del args, kwargs
        return _core.count_parameters(self.folder)

    def get_memory_footprint(self, *args: Any, **kwargs: Any) -> int:
        """Bytes of the weight files."""
        del args, kwargs
        files = (name for name in os.listdir(self.folder) if name.endswith(".safetensors"))
        return sum(os.path.getsize(os.path.join(self.folder, name)) for name in files)

    def __repr__(self) -> str:
        state = "quantized" if self.quantized else "not quantized"
        return f"CausalLM({self.name_or_path!r}, {state}, device={self._device!r})"


_QUANTIZE_IGNORED = frozenset(
    ("use_triton", "use_cuda_fp16", "backend", "adapter", "autotune_warmup_after_quantized", "cache_examples_on_gpu", "calibration_sort", "calibration_concat_separator",
     "adapter_calibration_dataset", "calibration_enable_gpu_cache", "auto_gc", "buffered_fwd", "logger_board")
)  # fmt: skip
_FORWARD_IGNORED = frozenset(
    ("use_cache", "return_dict", "position_ids", "token_type_ids", "cache_position", "logits_to_keep")
)


def read_json(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"opening {path}: no such file; expected a model folder with its config.json") from None
    except (ValueError, RecursionError) as error:
        raise OSError(f"reading {path}: {error}; the file is damaged, fetch it again") from None
    if not isinstance(values, dict):
        raise OSError(f"reading {path}: found a {type(values).__name__}, expected an object")
    return values


def log_notes(report: _core.QuantizeReport) -> None:
    """What the report says beside numbers, such as modules that share the settings of another one."""
    for note in report.notes:
        _logger.warning("quantizing %s: %s", report.output, note)


def _module_log(module: _core.ModuleReport) -> dict[str, Any]:
    return {
        name: getattr(module, name) for name in ("name", "bits", "group_size", "error", "damp", "method", "seconds")
    }


def _refuse(function: str, kwargs: Mapping[str, Any], ignored: frozenset[str]) -> None:
    for key in kwargs:
        if key not in ignored:
            raise TypeError(f"{function} got an unexpected argument '{key}'")


def _sink_of(streamer: Any, prompts: Prompts) -> Any:
    """A callback that passes tokens on to a streamer."""
    if streamer is None:
        return None

    def on_token(request: int, token: int, text: str) -> None:
        if token >= 0:
            streamer.put(prompts.output([[token]], 0)[0])

    return on_token
