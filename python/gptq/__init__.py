"""Quantize language models with GPTQ and run them.

Names are imported on first use, so that ``import gptq`` is fast and needs neither NumPy nor torch.
"""

from importlib import import_module as _import_module

import _gptq_native

_gptq_native.preload_cublas()

from gptq._core import version as _version  # noqa: E402

__version__ = _version()

# Exported name -> module of this package that defines it.
_EXPORTS = {
    "AddedToken": "special_tokens",
    "AutoGPTQForCausalLM": "auto",
    "AutoTokenizer": "tokenization",
    "BACKEND": "auto",
    "BaseQuantizeConfig": "config",
    "BaseStreamer": "streamers",
    "BatchEncoding": "batch_encoding",
    "Encoding": "encoding",
    "Engine": "engine",
    "GPTQConfig": "config",
    "GPTQModel": "auto",
    "GenerationConfig": "generation",
    "QuantizeConfig": "config",
    "Tensor": "tensor",
    "TextIteratorStreamer": "streamers",
    "TextStreamer": "streamers",
    "Tokenizer": "tokenization",
    "exllama_set_max_input_length": "auto",
    "get_best_device": "auto",
    "get_gptq_peft_model": "auto",
    "login": "hub",
    "logout": "hub",
    "perplexity": "engine",
    "pipeline": "pipelines",
    "quantize": "engine",
    "snapshot_download": "hub",
    "whoami": "hub",
}

__all__ = sorted([*_EXPORTS, "__version__"])

TYPE_CHECKING = False  # as in typing, whose import takes a third of the time of this one
if TYPE_CHECKING:
    from gptq.batch_encoding import BatchEncoding as BatchEncoding
    from gptq.encoding import Encoding as Encoding
    from gptq.hub import login as login
    from gptq.hub import logout as logout
    from gptq.hub import snapshot_download as snapshot_download
    from gptq.hub import whoami as whoami
    from gptq.special_tokens import AddedToken as AddedToken
    from gptq.tensor import Tensor as Tensor
    from gptq.tokenization import AutoTokenizer as AutoTokenizer
    from gptq.tokenization import Tokenizer as Tokenizer


def __getattr__(name: str) -> object:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'gptq' has no attribute '{name}'")
    value = getattr(_import_module(f"gptq.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
