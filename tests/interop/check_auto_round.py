"""AutoRound's `auto_gptq` export of the demo's first layers: our logits are those of the dense reference, and of GPTQModel where it reads them."""
import itertools
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import check_gptqmodel
import harness
import quantized_folder
import tiny_models

SETTINGS = [dict(bits=bits, sym=sym, group_size=group_size)
            for bits, (sym, group_size) in itertools.product((2, 3, 4, 8), ((True, 128), (False, 64)))
            if (bits, sym) != (8, False)]  # which AutoRound refuses


def python_of(environment):
    return subprocess.run([check_gptqmodel.HERE / "venv.sh", environment], capture_output=True, check=True, text=True).stdout.strip()


def run(report, tools):
    ids = check_gptqmodel.demo_ids(128, offset=5000)
    texts = [text for text in (harness.DEMO / "eval.txt").read_text().split("\n\n") if len(text) > 400][:32]
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        source = check_gptqmodel.small_demo(scratch / "source")
        jobs = [dict(folder=str(source), texts=texts, settings=settings, out=str(scratch / f"made{number}"))
                for number, settings in enumerate(SETTINGS)]
        (scratch / "jobs.json").write_text(json.dumps(jobs))
        result = subprocess.run([python_of("auto_round"), check_gptqmodel.HERE / "auto_round_worker.py", scratch / "jobs.json"],
                                capture_output=True, timeout=3000, cwd=scratch)
        made = [json.loads(line) for line in result.stdout.decode().splitlines()]
        report.check("auto_round: every job is answered", len(made) == len(jobs),
                     "" if len(made) == len(jobs) else result.stderr.decode(errors="replace")[-400:])
        # GPTQModel opens asymmetric v1 folders only of its own.
        theirs = [dict(do="logits", folder=answer.get("ok", ""), ids=ids, out=str(scratch / f"{number}.npy"))
                  for number, answer in enumerate(made) if SETTINGS[number]["sym"]]
        opened = dict(zip((job["folder"] for job in theirs),
                          zip(theirs, check_gptqmodel.answers_of(python_of("gptqmodel-7"), theirs, scratch))))
        for settings, answer in zip(SETTINGS, made):
            label = "auto_round: " + ", ".join(f"{key} {value}" for key, value in settings.items())
            with report.case(label):
                if "error" in answer:
                    report.check(label, False, answer["error"])
                    continue
                logits = tools.logits(answer["ok"], ids)
                report.same_logits(label, logits, tiny_models.logits(quantized_folder.dense_model(answer["ok"]), ids))
                if answer["ok"] in opened:
                    job, verdict = opened[answer["ok"]]
                    if "error" in verdict:
                        report.check(f"{label}: GPTQModel", False, verdict["error"])
                    else:
                        report.same_logits(f"{label}: GPTQModel", logits, np.load(job["out"]))
