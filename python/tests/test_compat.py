"""The package gptq-native-autogptq: AutoGPTQ's import name."""

import subprocess
import sys

import pytest


def test_names_are_those_of_gptq() -> None:
    import gptq

    auto_gptq = pytest.importorskip("auto_gptq", exc_type=ModuleNotFoundError)
    names = [
        "AutoGPTQForCausalLM",
        "BaseQuantizeConfig",
        "exllama_set_max_input_length",
        "get_gptq_peft_model",
        "__version__",
    ]
    for name in names:
        assert getattr(auto_gptq, name) is getattr(gptq, name)


@pytest.mark.transformers
def test_transformers_works_beside_it() -> None:
    pytest.importorskip("auto_gptq", exc_type=ModuleNotFoundError)
    code = (
        "import auto_gptq, transformers; transformers.GPTQConfig(bits=4); from transformers import AutoModelForCausalLM"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
