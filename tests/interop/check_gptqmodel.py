"""Real GPTQModel in both directions: it opens what we write, we open what it writes. GPTQ_INTEROP_FULL=1 is the whole matrix."""
import itertools
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

import harness
import quantized_folder
import tiny_models
from check_logits import demo_ids

HERE = pathlib.Path(__file__).resolve().parent
FULL = os.environ.get("GPTQ_INTEROP_FULL", "0") == "1"
LAYERS = 2  # of the demo model: every width and order passes through the same code in each layer

# name: options of `gptq quantize`
RULES = ["--rule", r".*\.0\..*down_proj:bits=8,group_size=32", "--rule", ".*v_proj:bits=3", "--skip", r".*\.1\.mlp\.down_proj"]
SHORT_OURS = {
    "4 bits sym": ["--bits", 4],
    "3 bits asym act-order v2": ["--bits", 3, "--asym", "--desc-act"],
    "4 bits, rules": ["--bits", 4, *RULES],
}
SHORT_THEIRS = {"4 bits asym v1": dict(bits=4, group_size=64, sym=False, desc_act=False, format="gptq")}
DYNAMIC = {r"+:.*\.0\..*down_proj": dict(bits=8, group_size=32), "-:.*down_proj": {}, r".*\.1\.self_attn\..*": dict(bits=3)}


def all_ours():
    matrix = itertools.product((2, 3, 4, 8), (True, False), (False, True), ("gptq", "gptq_v2"))
    cases = {f"{bits} bits {'sym' if sym else 'asym'}{' act-order' if desc_act else ''} {form}":
             ["--bits", bits, "--format", form, "--group-size", 64] + ["--asym"] * (not sym) + ["--desc-act"] * desc_act
             for bits, sym, desc_act, form in matrix}
    return SHORT_OURS | cases | {
        "4 bits, one group": ["--bits", 4, "--group-size", -1],
        "4 bits, groups of 32, plain GPTQ": ["--bits", 4, "--group-size", 32, "--gptaq", 0],
        "4 bits, static groups": ["--bits", 4, "--desc-act", "--static-groups"],
        "4 bits, one linear skipped everywhere": ["--bits", 4, "--skip", ".*down_proj"],
    }


def all_theirs():
    matrix = itertools.product((2, 3, 4, 8), (True, False), (False, True), ("gptq", "gptq_v2"))
    cases = {f"{bits} bits {'sym' if sym else 'asym'}{' act-order' if desc_act else ''} {form}":
             dict(bits=bits, group_size=64, sym=sym, desc_act=desc_act, format=form) for bits, sym, desc_act, form in matrix}
    return SHORT_THEIRS | cases | {
        "4 bits, one group": dict(bits=4, group_size=-1, sym=True, desc_act=False, act_group_aware=False, format="gptq"),
        "4 bits, rules": dict(bits=4, group_size=128, sym=True, desc_act=False, format="gptq", dynamic=DYNAMIC),
    }


def without_faults_of_5(ours, theirs):
    """GPTQModel 5 reads 3 bits and widths of rules only in format gptq_v2 (docs/formats.md), and fails to quantize with DYNAMIC."""
    ours = {label: options for label, options in ours.items() if not (label.startswith("3 bits") and label.endswith(" gptq"))}
    ours["4 bits, rules"] = [*ours["4 bits, rules"], "--format", "gptq_v2"]
    return ours, {label: settings for label, settings in theirs.items() if label != "4 bits, rules"}


def small_demo(folder):
    """The demo model's first layers: seconds instead of minutes."""
    folder.mkdir()
    tensors = {name: t for name, t in quantized_folder.read_tensors(harness.DEMO).items()
               if not name.startswith("model.layers.") or int(name.split(".")[2]) < LAYERS}
    quantized_folder.safetensors.torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = quantized_folder.read_json(harness.DEMO / "config.json") | {"num_hidden_layers": LAYERS}
    quantized_folder.write_json(folder / "config.json", config)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (folder / name).write_bytes((harness.DEMO / name).read_bytes())
    return folder


def answers_of(python, jobs, scratch):
    """One answer for each job; a worker that dies leaves the rest unanswered."""
    (scratch / "jobs.json").write_text(json.dumps(jobs))
    result = subprocess.run([python, HERE / "gptqmodel_worker.py", scratch / "jobs.json"], capture_output=True, timeout=3000,
                            cwd=scratch)  # GPTQModel writes logs where it stands
    answers = [json.loads(line) for line in result.stdout.decode().splitlines()]
    lost = {"error": result.stderr.decode(errors="replace")[-400:]}
    return answers + [lost] * (len(jobs) - len(answers))


def run_version(report, tools, version, ours, theirs, through):
    """`through`: how our folders are opened, "logits" (GPTQModel alone) or also "transformers"."""
    python = subprocess.run([HERE / "venv.sh", version], capture_output=True, check=True, text=True).stdout.strip()
    ids = demo_ids(128, offset=5000)
    texts = [(harness.DEMO / "eval.txt").read_text()[start : start + 400] for start in range(0, 6400, 400)]
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        source = small_demo(scratch / "source")
        jobs, checks = [], []

        def add(label, compare, **job):
            jobs.append(job)
            checks.append((label, compare))

        for number, (label, options) in enumerate(ours.items()):
            folder = scratch / f"ours{number}"
            tools.run(tools.gptq, "quantize", source, "-o", folder, *options, "--calibration", harness.DEMO / "calibration.jsonl",
                      "--samples", 8, "--seqlen", 64, "--clip", "none", "--device", "cpu")
            for way in through:
                # transformers reads no "dynamic", and takes a kernel that wants groups of at most 256.
                if way != "transformers" or label not in ("4 bits, rules", "4 bits, one group"):
                    add(f"{version} opens ours through {way}: {label}", folder, do=way, folder=str(folder), ids=ids,
                        out=str(scratch / f"{folder.name}-{way}.npy"))
        for number, (label, settings) in enumerate(theirs.items()):
            folder = scratch / f"theirs{number}"
            add(f"{version} quantizes: {label}", None, do="quantize", folder=str(source), texts=texts, settings=settings, out=str(folder))
            add(f"ours opens {version}'s: {label}", folder, do="logits", folder=str(folder), ids=ids, out=str(scratch / f"{folder.name}.npy"))
        for (label, folder), job, answer in zip(checks, jobs, answers_of(python, jobs, scratch)):
            with report.case(label):
                if "error" in answer:
                    report.check(label, False, answer["error"])
                elif folder:
                    logits = tools.logits(folder, ids)
                    report.same_logits(label, logits, np.load(job["out"]))
                    if job["do"] == "logits":
                        report.same_logits(f"{label}: the dense reference", logits,
                                           tiny_models.logits(quantized_folder.dense_model(folder), ids))


def run(report, tools):
    if not FULL:
        return run_version(report, tools, "gptqmodel-7", SHORT_OURS, SHORT_THEIRS, ["logits", "transformers"])
    run_version(report, tools, "gptqmodel-7", all_ours(), all_theirs(), ["logits", "transformers"])
    run_version(report, tools, "gptqmodel-5", *without_faults_of_5(all_ours(), all_theirs()), ["logits"])
