"""Running models: generating, streaming, scores and the direct interface, on the demo model and a CPU."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import gptq
from gptq import GPTQModel

DEMO = Path(__file__).parents[2] / "models" / "demo"
QUESTION = "[INST] How are you today?[/INST]"


def test_outputs_have_the_kind_of_the_inputs(model, tokenizer):
    ids = tokenizer(QUESTION)["input_ids"]
    expected = model.generate(ids, max_new_tokens=6)
    assert isinstance(expected, list) and expected[0][: len(ids)] == ids and len(expected[0]) == len(ids) + 6
    array = model.generate(np.array([ids]), max_new_tokens=6)
    assert isinstance(array, np.ndarray) and array.dtype == np.int64 and array.tolist() == expected
    tensor = model.generate(**tokenizer(QUESTION, return_tensors="pt").to("cpu"), max_new_tokens=6)
    assert type(tensor).__name__ == "Tensor" and tensor.tolist() == expected and tensor.shape == (1, len(ids) + 6)
    assert model.generate(QUESTION, max_new_tokens=6).shape[0] == 1
    output = model.generate(ids, max_new_tokens=6, return_dict_in_generate=True)
    assert output.sequences == expected and output["sequences"] == expected


def test_the_answer_ends_with_its_last_token(model, tokenizer):
    out = model.generate(tokenizer(QUESTION, return_tensors="np")["input_ids"], max_new_tokens=60)[0]
    assert out[-1] == tokenizer.eos_token_id
    text = tokenizer.decode(out)
    assert text.endswith("</s>") and text.count("</s>") == 1


def test_batches_equal_single_prompts(model, tokenizer):
    texts = ["The old man looked at", QUESTION, "Mr. Holmes said that he would go to London"]
    for side in ("left", "right"):
        tokenizer.padding_side = side
        tokenizer.pad_token = tokenizer.eos_token
        batch = tokenizer(texts, padding=True, return_tensors="np")
        out = model.generate(**batch, max_new_tokens=12)
        width = batch["input_ids"].shape[1]
        for row, text in zip(out, texts):
            alone = model.generate(tokenizer(text)["input_ids"], max_new_tokens=12)[0]
            new = alone[len(tokenizer(text)["input_ids"]) :]
            assert row[width : width + len(new)].tolist() == new
            assert set(row[width + len(new) :].tolist()) <= {tokenizer.eos_token_id}
    tokenizer.padding_side = "left"


def test_sampling_and_seeds(model, tokenizer):
    ids = tokenizer("It was a dark and stormy night,")["input_ids"]

    def sample(**kwargs):
        return model.generate(ids, max_new_tokens=10, do_sample=True, **kwargs)

    assert sample(seed=1) == sample(seed=1)
    assert sample(seed=1) != sample(seed=2)
    assert sample(seed=3, top_k=1) == model.generate(ids, max_new_tokens=10)
    several = sample(seed=5, num_return_sequences=3)
    assert len(several) == 3 and len({tuple(row) for row in several}) == 3
    assert model.generate(ids, max_new_tokens=10, temperature=0.7) == model.generate(ids, max_new_tokens=10), "greedy"
    with pytest.raises(ValueError, match="temperature"):
        sample(temperature=0.0)


def test_limits_and_stops(model, tokenizer):
    ids = tokenizer("The old man looked at the")["input_ids"]
    whole = model.generate(ids, max_new_tokens=12)[0]
    assert len(model.generate(ids, max_length=len(ids) + 3, max_new_tokens=None)[0]) == len(ids) + 3
    with pytest.raises(ValueError, match="max_length"):
        model.generate(ids, max_length=len(ids), max_new_tokens=None)
    third = whole[len(ids) + 2]
    stopped = model.generate(ids, max_new_tokens=12, eos_token_id=third)[0]
    assert stopped[-1] == third and stopped == whole[: len(stopped)]
    piece = tokenizer.decode(whole[len(ids) :])[4:8]
    assert len(model.generate(ids, max_new_tokens=12, stop_strings=[piece], tokenizer=tokenizer)[0]) < len(whole)


def test_settings_of_the_model_that_are_not_supported_are_said(small, tmp_path, caplog):
    for path in small.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "generation_config.json").unlink()
    (tmp_path / "generation_config.json").write_text('{"no_repeat_ngram_size": 3, "eos_token_id": 2}')
    GPTQModel.load(tmp_path, device="cpu")
    assert "no_repeat_ngram_size=3 is not supported" in caplog.text


def test_arguments_that_are_not_supported_raise(model):
    for kwargs in ({"num_beams": 4}, {"no_repeat_ngram_size": 2}, {"bad_words_ids": [[5]]}, {"output_scores": True}):
        with pytest.raises(NotImplementedError, match=next(iter(kwargs))):
            model.generate([1, 2], max_new_tokens=1, **kwargs)
    with pytest.raises(NotImplementedError, match="num_beams=3"):
        model.generate([1, 2], generation_config=gptq.GenerationConfig(num_beams=3))
    settings = gptq.GenerationConfig(max_new_tokens=3, num_beams=1, max_length=20)
    assert len(model.generate([1, 2], generation_config=settings)[0]) == 5
    assert len(model.generate([1, 2], generation_config=settings, max_new_tokens=4)[0]) == 6
    with pytest.raises(TypeError, match="max_tokens"):
        model.generate([1, 2], max_tokens=1)
    for bad in ([], None, [[]]):
        with pytest.raises(ValueError):
            model.generate(bad, max_new_tokens=1)


def test_streamers(model, tokenizer, capsys):
    inputs = tokenizer(QUESTION, return_tensors="pt")
    whole = tokenizer.decode(model.generate(**inputs, max_new_tokens=30)[0], skip_special_tokens=True)
    start = tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=True)
    streamer = gptq.TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=60)
    thread = threading.Thread(target=model.generate, kwargs=dict(**inputs, streamer=streamer, max_new_tokens=30))
    thread.start()
    pieces = list(streamer)
    thread.join()
    assert "".join(pieces) == whole[len(start) :].lstrip() and len(pieces) > 3
    model.generate(**inputs, streamer=gptq.TextStreamer(tokenizer, skip_special_tokens=True), max_new_tokens=30)
    assert capsys.readouterr().out == whole + "\n"
    with pytest.raises(ValueError, match="streamer"):
        model.generate([[1], [2]], streamer=streamer, max_new_tokens=1)


def test_threads_share_a_model(model, tokenizer):
    prompts = [tokenizer(f"Number {i} of the")["input_ids"] for i in range(6)]
    expected = [model.generate(ids, max_new_tokens=8) for ids in prompts]
    results: list = [None] * len(prompts)

    def work(i: int) -> None:
        for _ in range(3):
            results[i] = model.generate(prompts[i], max_new_tokens=8)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == expected


def test_the_gil_is_free(model):
    counted, done = 0, threading.Event()

    def work() -> None:
        model.generate([1, 2, 3], max_new_tokens=60, eos_token_id=[])
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        counted += 1
        time.sleep(0)
    thread.join()
    assert counted > 100


# ---- scores and the direct interface


def test_forward_gives_logits(model):
    logits = model(input_ids=np.array([[1, 5, 6], [1, 7, 0]]), attention_mask=np.array([[1, 1, 1], [1, 1, 0]])).logits
    assert logits.shape == (2, 3, 4096) and logits.dtype == np.float32
    assert np.allclose(logits[1, :2], model([1, 7]).logits[0])
    assert not logits[1, 2].any()


def test_engine(model, quantized_folder):
    engine = gptq.Engine(quantized_folder, device="cpu")
    result = engine.generate("It was", max_new_tokens=5)
    assert result.new_tokens == 5 and result.finish_reason == "length" and result.seed is None
    assert engine.generate(["It was", "He said"], max_new_tokens=5)[0].tokens == result.tokens
    assert "".join(engine.stream("It was", max_new_tokens=5)) == result.text
    assert "".join(model.stream("It was", max_new_tokens=5)) == result.text
    stream = engine.stream("It was", max_new_tokens=400, ignore_eos=True)
    next(stream)
    stream.close()  # cancels
    tokens = engine.encode("It was a bright cold day in April.")
    log_probs, best = engine.score(tokens)
    logits = engine.logits(tokens).astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert np.allclose(log_probs, [expected[i, t] for i, t in enumerate(tokens[1:])], atol=1e-4)
    assert best.tolist() == logits[:-1].argmax(axis=1).tolist()
    text = (DEMO / "eval.txt").read_text()[:3000]
    measured = engine.perplexity(text, 128)
    assert measured.windows > 3 and 5 < measured.perplexity < 200
    assert gptq.perplexity(quantized_folder, text, 128, device="cpu").perplexity == measured.perplexity
    with pytest.raises(ValueError, match="context"):
        engine.generate(list(range(5, 700)))
    with pytest.raises(RuntimeError, match="stopped by the callback"):
        engine.perplexity(text, 64, on_step=lambda done, total: False)
    with pytest.raises(RuntimeError, match="step"):
        engine.perplexity(text, 64, on_step=_raise)


def _raise(done, total):
    raise RuntimeError("no step")


def test_pipeline(model, tokenizer, quantized_folder):
    pipe = gptq.pipeline("text-generation", model=model, tokenizer=tokenizer)
    one = pipe("The old man", max_new_tokens=6)
    assert one[0]["generated_text"].startswith("The old man")
    assert (
        pipe("The old man", max_new_tokens=6, return_full_text=False)[0]["generated_text"]
        == one[0]["generated_text"][11:]
    )
    many = pipe(["The old man", "He said"], max_new_tokens=6)
    assert many[0] == one and len(many) == 2
    answer = pipe([{"role": "user", "content": "How are you today?"}], max_new_tokens=40)[0]["generated_text"]
    assert answer[-1]["role"] == "assistant" and answer[-1]["content"]
    other = gptq.pipeline("text-generation", model=quantized_folder, device="cpu")
    assert other("The old man", max_new_tokens=6) == one
    with pytest.raises(ValueError, match="summarization"):
        gptq.pipeline("summarization", model=model)


# ---- with torch and transformers


@pytest.mark.transformers
def test_torch_tensors_go_in_and_come_out(model):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO)
    inputs = tokenizer(QUESTION, return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=40)
    assert isinstance(out, torch.Tensor) and out.dtype == torch.int64 and str(model.device) == "cpu"
    assert out[0].tolist() == model.generate(inputs["input_ids"][0].tolist(), max_new_tokens=40)[0]
    streamer = transformers.TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    thread = threading.Thread(target=model.generate, kwargs=dict(**inputs, streamer=streamer, max_new_tokens=40))
    thread.start()
    pieces = "".join(streamer)
    thread.join()
    assert pieces.strip() == tokenizer.decode(out[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
    assert isinstance(model(inputs["input_ids"]).logits, torch.Tensor)


@pytest.mark.transformers
def test_greedy_answers_equal_those_of_transformers(original):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    reference = transformers.AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO)
    for text in (QUESTION, "The old man looked at the"):
        inputs = tokenizer(text, return_tensors="pt")
        for options in ({"max_new_tokens": 32}, {"max_length": inputs["input_ids"].shape[1] + 5}, {}):
            expected = reference.generate(**inputs, do_sample=False, **options)
            assert original.generate(**inputs, do_sample=False, **options).tolist() == expected.tolist(), options
    logits = reference(**inputs).logits.detach()
    assert torch.allclose(original(**inputs).logits, logits, atol=2e-3 * float(logits.abs().max()))


@pytest.mark.transformers
def test_the_pipeline_of_transformers_runs_the_model(original):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    reference = transformers.AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO)
    ours = transformers.TextGenerationPipeline(model=original, tokenizer=tokenizer)
    theirs = transformers.TextGenerationPipeline(model=reference, tokenizer=tokenizer)
    question = [{"role": "user", "content": "How are you today?"}]
    assert ours("The old man", do_sample=False) == theirs("The old man", do_sample=False)
    for given in (["The old man", "He said that"], question):
        for options in ({"max_new_tokens": 12}, {"max_new_tokens": 12, "return_full_text": False}):
            assert ours(given, do_sample=False, **options) == theirs(given, do_sample=False, **options), (
                given,
                options,
            )
    assert ours.generation_config.max_new_tokens == theirs.generation_config.max_new_tokens == 256
    assert ours.generation_config.do_sample == theirs.generation_config.do_sample
