"""The model class of lm-evaluation-harness, on a task made here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

lm_eval = pytest.importorskip("lm_eval", reason="lm_eval is not installed")
pytestmark = pytest.mark.transformers

DEMO = Path(__file__).parents[2] / "models" / "demo"

TASKS = {
    "colours": {
        "task": "colours",
        "output_type": "multiple_choice",
        "doc_to_text": "{{text}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}],
    },
    "continue": {
        "task": "continue",
        "output_type": "generate_until",
        "doc_to_text": "{{text}}",
        "doc_to_target": "{{target}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8, "do_sample": False},
        "metric_list": [{"metric": "exact_match"}],
    },
    "rolling": {
        "task": "rolling",
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "word_perplexity"}],
    },
}


@pytest.fixture(scope="module")
def model():
    from lm_eval.api.registry import get_model

    import gptq.lm_eval  # noqa: F401

    return get_model("gptq_native")(pretrained=str(DEMO), device="cpu")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, model):
    """Task definitions over a JSON file, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("tasks")
    text = (DEMO / "eval.txt").read_text()
    target = model.engine.generate("The old man looked at the", max_new_tokens=8, stop=["\n"]).text
    rows = {
        "colours": [
            {"text": "He went to the", "choices": [" door", " xylophone zz"], "answer": 0},
            {"text": "It was a", "choices": [" zz qq of", " very good"], "answer": 1},
        ],
        "continue": [{"text": "The old man looked at the", "target": target}],
        "rolling": [{"text": text[:6000]}],
    }
    paths = {}
    for name, task in TASKS.items():
        data = folder / f"{name}.json"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows[name]))
        paths[name] = {
            **task,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}},
            "test_split": "test",
        }
    return paths


def evaluate(model, task):
    results = lm_eval.simple_evaluate(model=model, tasks=[task], bootstrap_iters=0, log_samples=True)
    return results["results"][task["task"]], results["samples"][task["task"]]


def test_loglikelihood(model, tasks):
    scores, samples = evaluate(model, tasks["colours"])
    assert scores["acc,none"] == 1.0
    sample = next(sample for sample in samples if sample["doc"]["text"] == "He went to the")
    (score, _), _ = sample["filtered_resps"]
    tokens = model.engine.encode("He went to the door")
    context = model.engine.encode("He went to the")
    assert score == pytest.approx(float(model.engine.score(tokens, len(context))[0].sum()))


def test_generate_until(model, tasks):
    scores, _ = evaluate(model, tasks["continue"])
    assert scores["exact_match,none"] == 1.0


def test_rolling_equals_the_perplexity_of_windows(model, tasks):
    scores, samples = evaluate(model, tasks["rolling"])
    text = samples[0]["doc"]["text"]
    tokens = model.engine.encode(text, add_special_tokens=False)
    size = model.max_length - 1
    total = 0.0
    for start in range(0, len(tokens), size):
        part = tokens[start : start + size]
        if start == 0:
            total += float(model.engine.score([model.prefix, *part], 1)[0].sum())
        else:  # windows overlap, so that the last one is full
            end = min(start + size, len(tokens))
            context = tokens[end - size - 1 : start]
            total += float(model.engine.score(context + part, len(context))[0].sum())
    import math

    assert scores["word_perplexity,none"] == pytest.approx(math.exp(-total / len(text.split())), rel=1e-3)


def test_settings():
    from gptq.lm_eval import GptqLM

    model = GptqLM(str(DEMO), device="cpu", max_length=64, batch_size="auto:4", add_bos_token=False)
    assert model.max_length == 64 and model.batch_size == 64
    assert model._encode_context("a") == model.engine.encode("a", add_special_tokens=False)
    assert model._log_likelihood([1], []) == (0.0, True)
    assert model._encode_pair("He went ", "home") == model._encode_pair("He went", " home")
