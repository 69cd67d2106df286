"""What all tests share: the demo model, and the mark of tests that use transformers or torch, which scripts/python.sh runs apart."""

from __future__ import annotations

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"


@pytest.fixture
def tokenizer():
    from gptq import AutoTokenizer

    return AutoTokenizer.from_pretrained(DEMO)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        module = getattr(item, "module", None)
        imported = hasattr(module, "torch") or hasattr(module, "transformers")
        skipped_without = any("transformers" in str(mark.kwargs.get("reason")) for mark in item.iter_markers("skipif"))
        if imported or skipped_without:
            item.add_marker(pytest.mark.transformers)
