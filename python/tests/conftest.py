"""What all tests share: the demo model, and the mark of tests that use transformers or torch, which scripts/python.sh runs apart."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"


@pytest.fixture
def tokenizer():
    from gptq import AutoTokenizer

    return AutoTokenizer.from_pretrained(DEMO)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The demo model's first layer."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    config = json.loads((DEMO / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    return folder


@pytest.fixture(scope="session")
def original():
    from gptq import GPTQModel

    return GPTQModel.load(DEMO, device="cpu")


@pytest.fixture(scope="session")
def quantized_folder(tmp_path_factory):
    """The demo model quantized with rows of its calibration file."""
    from gptq import AutoGPTQForCausalLM, AutoTokenizer, BaseQuantizeConfig

    folder = tmp_path_factory.mktemp("models") / "quantized"
    lines = (DEMO / "calibration.jsonl").read_text().splitlines()[:24]
    model = AutoGPTQForCausalLM.from_pretrained(DEMO, BaseQuantizeConfig(group_size=128, desc_act=False), device="cpu")
    model.quantize([json.loads(line) for line in lines], progress=False)
    model.save_quantized(folder)
    AutoTokenizer.from_pretrained(DEMO).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model(quantized_folder):
    from gptq import AutoGPTQForCausalLM

    return AutoGPTQForCausalLM.from_quantized(quantized_folder, device="cpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        module = getattr(item, "module", None)
        imported = hasattr(module, "torch") or hasattr(module, "transformers")
        skipped_without = any("transformers" in str(mark.kwargs.get("reason")) for mark in item.iter_markers("skipif"))
        if imported or skipped_without:
            item.add_marker(pytest.mark.transformers)
