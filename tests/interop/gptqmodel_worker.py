"""Runs in GPTQModel's environment: gptqmodel_worker.py JOBS.json, a list of jobs; prints one JSON line for each.

{"do": "logits", "folder": F, "ids": [...], "out": FILE.npy}         what GPTQModel makes of a folder, in fp32
{"do": "transformers", "folder": F, "ids": [...], "out": FILE.npy}   the same through transformers
{"do": "quantize", "folder": F, "texts": [...], "settings": {...}, "out": FOLDER}
An answer is {"ok": true} or {"error": text}.
"""
import json
import os
import pathlib
import sys

os.environ["GPTQMODEL_CPU_WORKERS"] = "2"
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiling its kernels takes longer than all of the work here
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # GPTQModel writes its progress to standard output

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig  # noqa: E402


def save_logits(model, job):
    model = torch.nn.Module.float(model).eval()  # weights are unpacked with fp16 scales, and then multiplied in fp32
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([job["ids"]])).logits[0]
    np.save(job["out"], logits.float().numpy())


def load(job):
    model = GPTQModel.load(job["folder"], device="cpu", backend=BACKEND.TORCH, dtype=torch.float16)
    save_logits(model.model, job)


def load_by_transformers(job):
    save_logits(transformers.AutoModelForCausalLM.from_pretrained(job["folder"], device_map="cpu", dtype=torch.float16), job)


def quantize(job):
    settings = QuantizeConfig(offload_to_disk=False, device="cpu", **job["settings"])
    model = GPTQModel.load(job["folder"], settings)
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["folder"])
    rows = [tokenizer(text, truncation=True, max_length=64, return_tensors="pt") for text in job["texts"]]
    model.quantize([{k: row[k] for k in ("input_ids", "attention_mask")} for row in rows], batch_size=1, backend=BACKEND.TORCH)
    model.save(job["out"])


def main():
    for job in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        try:
            {"logits": load, "transformers": load_by_transformers, "quantize": quantize}[job["do"]](job)
            answer = {"ok": True}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
