"""AutoGPTQ's import name for the package gptq (distribution gptq-native)."""

from gptq import (
    AutoGPTQForCausalLM,
    BaseQuantizeConfig,
    __version__,
    exllama_set_max_input_length,
    get_gptq_peft_model,
)

__all__ = [
    "AutoGPTQForCausalLM",
    "BaseQuantizeConfig",
    "__version__",
    "exllama_set_max_input_length",
    "get_gptq_peft_model",
]
