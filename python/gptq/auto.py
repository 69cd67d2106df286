"""AutoGPTQForCausalLM and GPTQModel: how models are opened under the names of these libraries."""

from __future__ import annotations

import glob
import json
import logging
import os
from collections.abc import Mapping
from typing import Any

from gptq import _core
from gptq.config import BaseQuantizeConfig, QuantizeConfig, _QuantizeSettings
from gptq.engine import usable_device
from gptq.folders import HUB_OPTIONS, model_folder
from gptq.modeling import CausalLM, read_json

_logger = logging.getLogger("gptq")

# Choices of kernels and memory that other libraries have; the library chooses by itself.
_IGNORED = frozenset(
    ("use_triton", "use_marlin", "use_qigen", "use_tritonv2", "inject_fused_attention", "inject_fused_mlp",
     "use_cuda_fp16", "disable_exllama", "disable_exllamav2", "warmup_triton", "torch_dtype", "dtype",
     "low_cpu_mem_usage", "trust_remote_code", "use_safetensors", "attn_implementation", "backend", "profile",
     "max_memory", "offload_folder", "quantize_config", "model_basename", "checkpoint_format", "strict", "fuse_layers",
     "use_cache", "verify_hash")
)  # fmt: skip
_UNSUPPORTED = {
    "trainable": "training is not supported",
    "adapter": "adapters are not supported; merge it into the model first",
    "allow_remote_adapter": "adapters are not supported",
    "adapter_revision": "adapters are not supported",
    "adapter_sha256": "adapters are not supported",
}


def load(
    name: str | os.PathLike[str],
    config: _QuantizeSettings | None,
    quantized: bool | None,
    device: Any,
    kwargs: dict[str, Any],
) -> CausalLM:
    """Opens a model. ``quantized``: what is expected of it; None: as the folder says."""
    hub_options = {
        key: kwargs.pop(key) for key in list(kwargs) if key in HUB_OPTIONS or key in ("subfolder", "use_auth_token")
    }
    for key in sorted(kwargs):
        if key in _UNSUPPORTED:
            if kwargs[key]:
                raise NotImplementedError(f"loading {os.fspath(name)}: {key}={kwargs[key]!r}: {_UNSUPPORTED[key]}")
        elif key not in _IGNORED:
            raise TypeError(f"loading {os.fspath(name)}: unexpected argument '{key}'")
        _logger.debug("loading %s: the argument %s has no effect", name, key)
    wanted = usable_device(device)
    folder = model_folder(name, **hub_options)
    path = os.path.join(folder, "config.json")
    found = read_json(path)
    try:
        _core.check_supported(json.dumps(found), path)
    except OSError as error:
        raise TypeError(str(error)) from None
    _check_basename(folder, kwargs.get("model_basename"))
    is_quantized = "quantization_config" in found or os.path.exists(os.path.join(folder, "quantize_config.json"))
    if quantized is True and not is_quantized:
        raise FileNotFoundError(
            f"loading {folder}: it is not quantized (no quantization_config in config.json); use from_pretrained with a quantize_config"
        )
    if is_quantized:
        config = QuantizeConfig.from_pretrained(folder) if config is None else config
    return CausalLM(folder, os.fspath(name), config, wanted, is_quantized)


def _check_basename(folder: str, basename: str | None) -> None:
    """The names of weight files are found by themselves; a name that does not exist is an error all the same."""
    if basename is None or glob.glob(os.path.join(glob.escape(folder), glob.escape(str(basename)) + "*.safetensors")):
        return
    raise FileNotFoundError(f"loading {folder}: found no {basename}.safetensors; leave model_basename out")


class AutoGPTQForCausalLM:
    """Loads models as the class of this name in AutoGPTQ does."""

    def __init__(self) -> None:
        raise OSError(
            "AutoGPTQModelForCausalLM is designed to be instantiated using `AutoGPTQForCausalLM.from_pretrained` if want "
            "to quantize a pretrained model, or `AutoGPTQForCausalLM.from_quantized` if want to inference with quantized model."
        )

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        quantize_config: _QuantizeSettings | Mapping[str, Any] | None = None,
        max_memory: Any = None,
        trust_remote_code: bool = False,
        *,
        device: Any = None,
        device_map: Any = None,
        **kwargs: Any,
    ) -> CausalLM:
        """A model that is not quantized, for quantize(). Only its configuration is read now.

        The first argument is a folder or the name of a model on the Hub. Works without a GPU. Raises TypeError for
        architectures that are not supported, FileNotFoundError, PermissionError.
        """
        del max_memory, trust_remote_code
        return load(
            pretrained_model_name_or_path,
            _settings(quantize_config, BaseQuantizeConfig),
            None,
            device if device is not None else device_map,
            kwargs,
        )

    @classmethod
    def from_quantized(
        cls,
        model_name_or_path: str | os.PathLike[str],
        device_map: Any = None,
        max_memory: Any = None,
        device: Any = None,
        **kwargs: Any,
    ) -> CausalLM:
        """A quantized model, from a folder or from the Hub. device: "cpu", "cuda:0", an index or a torch.device.

        Arguments that choose kernels are accepted and have no effect. Raises FileNotFoundError when the model is not
        quantized, ValueError for an unknown device, RuntimeError for a GPU that cannot be used.
        """
        del max_memory
        return load(model_name_or_path, None, True, device if device is not None else device_map, kwargs)


class GPTQModel:
    """Loads models as the class of this name in GPTQModel does."""

    def __init__(self) -> None:
        raise OSError("GPTQModel is not instantiated: use GPTQModel.load(model, quantize_config)")

    @classmethod
    def load(
        cls,
        model_id_or_path: str | os.PathLike[str],
        quantize_config: _QuantizeSettings | Mapping[str, Any] | None = None,
        device_map: Any = None,
        device: Any = None,
        **kwargs: Any,
    ) -> CausalLM:
        """A model to quantize, or a quantized one: as the folder says. See AutoGPTQForCausalLM.from_pretrained."""
        return load(
            model_id_or_path,
            _settings(quantize_config, QuantizeConfig),
            None,
            device if device is not None else device_map,
            kwargs,
        )

    @classmethod
    def from_pretrained(
        cls, model_id_or_path: str | os.PathLike[str], quantize_config: Any = None, **kwargs: Any
    ) -> CausalLM:
        return cls.load(model_id_or_path, quantize_config, **kwargs)

    @classmethod
    def from_quantized(
        cls, model_id_or_path: str | os.PathLike[str], device_map: Any = None, device: Any = None, **kwargs: Any
    ) -> CausalLM:
        return load(model_id_or_path, None, True, device if device is not None else device_map, kwargs)


def exllama_set_max_input_length(model: Any, max_input_length: int, *args: Any) -> Any:
    """Returns the model: buffers have no fixed length here."""
    del max_input_length, args
    return model


def get_gptq_peft_model(*args: Any, **kwargs: Any) -> Any:
    """Always raises NotImplementedError: training is not supported."""
    raise NotImplementedError(
        "get_gptq_peft_model: training adapters is not supported; load the checkpoint in transformers with peft"
    )


class BACKEND:
    """Names of GPTQModel's kernels, which have no effect: the library chooses by itself."""

    AUTO = TRITON = MARLIN = EXLLAMA_V1 = EXLLAMA_V2 = TORCH = TORCH_FUSED = BITBLAS = MACHETE = "auto"


def get_best_device(backend: Any = None) -> str:
    """ "cuda:0" when a GPU can be used, else "cpu"."""
    del backend
    return _core.device_name("auto")


def _settings(config: Any, kind: type[_QuantizeSettings]) -> _QuantizeSettings | None:
    if isinstance(config, Mapping):
        kind.refuse_misspelled(config)
        config = kind.from_quant_config(config)
    if config is not None and not isinstance(config, _QuantizeSettings):
        raise TypeError(f"quantize_config is {config!r}, expected a {kind.__name__} or a dictionary")
    settings: _QuantizeSettings | None = config
    return settings
