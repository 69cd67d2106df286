"""Marks the tests that compare with transformers or use torch: scripts/python.sh runs them in an environment of their own."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        module = getattr(item, "module", None)
        imported = hasattr(module, "torch") or hasattr(module, "transformers")
        skipped_without = any("transformers" in str(mark.kwargs.get("reason")) for mark in item.iter_markers("skipif"))
        if imported or skipped_without:
            item.add_marker(pytest.mark.transformers)
