"""Runs in AutoRound's environment: auto_round_worker.py JOBS.json, a list of jobs; quantizes, and prints one JSON line for each.

{"folder": F, "texts": [...], "settings": {...}, "out": FOLDER} is answered with {"ok": FOLDER of the checkpoint} or {"error": text}.
"""
import json
import os
import pathlib
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # AutoRound writes its progress to standard output

import torch  # noqa: E402
import transformers  # noqa: E402
from auto_round import AutoRound  # noqa: E402


def quantize(job):
    model = transformers.AutoModelForCausalLM.from_pretrained(job["folder"], dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["folder"])
    rounding = AutoRound(model, tokenizer, iters=2, nsamples=8, seqlen=64, batch_size=4, dataset=job["texts"], device_map="cpu",
                         **job["settings"])
    rounding.quantize_and_save(job["out"], format="auto_gptq")
    return str(next(pathlib.Path(job["out"]).rglob("config.json")).parent)


def main():
    for job in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        try:
            answer = {"ok": quantize(job)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
