# %% [markdown]
# # A walk through the Python package
#
# Every cell runs on a CPU in seconds with the demo model of this repository. Open the file in an editor that knows `# %%` cells, or run
# it as a script.

# %% [markdown]
# ## Quantize
#
# Calibration examples are texts, conversations, or token ids; each is one window. More text is better: the report measures its errors
# on text that did not calibrate.

# %%
import json
import tempfile
from pathlib import Path

import gptq

source = Path("models/demo")
target = Path(tempfile.mkdtemp()) / "demo-4bit"
rows = [json.loads(line) for line in (source / "calibration.jsonl").read_text().splitlines()]

model = gptq.GPTQModel.load(source, gptq.QuantizeConfig(bits=4, group_size=128), device="cpu")
log = model.quantize(rows[:64])
worst = max(log["gptq"], key=lambda module: module["error"])
print(f"largest error: {worst['error']:.2%} in {worst['name']}")

# %% [markdown]
# ## Save, load, compare

# %%
tokenizer = gptq.AutoTokenizer.from_pretrained(source)
model.save(target)
tokenizer.save_pretrained(target)

text = (source / "eval.txt").read_text()[:20000]
for folder in (source, target):
    measured = gptq.perplexity(folder, text, window=256, device="cpu")
    print(f"{folder.name}: perplexity {measured.perplexity:.2f} over {measured.tokens} tokens")

# %% [markdown]
# ## Chat

# %%
model = gptq.GPTQModel.load(target, device="cpu")
conversation = [{"role": "user", "content": "How are you today?"}]
inputs = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_tensors="pt")
outputs = model.generate(**inputs, max_new_tokens=40)
print(tokenizer.decode(outputs[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True))

# %% [markdown]
# ## Stream, sample, batch

# %%
for piece in model.stream("The old man looked at the", max_new_tokens=20):
    print(piece, end="")
print()

tokenizer.pad_token = tokenizer.eos_token
batch = tokenizer(["The old man", "It was a dark and stormy"], padding=True, padding_side="left", return_tensors="pt")
for row in model.generate(**batch, max_new_tokens=12, do_sample=True, temperature=0.8, seed=1):
    print(tokenizer.decode(row, skip_special_tokens=True))

# %% [markdown]
# ## Scores
#
# Log probabilities of the tokens of a text, as evaluation harnesses use them.

# %%
engine = gptq.Engine(target, device="cpu")
tokens = engine.encode("It was a bright cold day in April.")
log_probs, likeliest = engine.score(tokens)
for token, log_prob in zip(tokens[1:], log_probs):
    print(f"{log_prob:7.2f}  {engine.decode([token])!r}")
