"""The package gptq-native-autogptq: AutoGPTQ's import name."""

import subprocess
import sys

import pytest


def test_names_are_those_of_gptq() -> None:
    import auto_gptq
    import gptq

    names = ["AutoGPTQForCausalLM", "BaseQuantizeConfig", "exllama_set_max_input_length", "get_gptq_peft_model", "__version__"]
    for name in names:
        assert getattr(auto_gptq, name) is getattr(gptq, name)


@pytest.mark.transformers
def test_transformers_works_beside_it() -> None:
    code = "import auto_gptq, transformers; transformers.GPTQConfig(bits=4); from transformers import AutoModelForCausalLM"
    subprocess.run([sys.executable, "-c", code], check=True)
