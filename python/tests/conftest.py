"""What all tests share: the demo model."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"


@pytest.fixture
def tokenizer():
    from gptq import AutoTokenizer

    return AutoTokenizer.from_pretrained(DEMO)
