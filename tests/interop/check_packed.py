"""Folders that Python packs, read by our engine: the demo model rounded to nearest in several formats."""
import pathlib
import tempfile

import harness
import quantized_folder
import tiny_models
from check_logits import demo_ids

# name: arguments of write_quantized
FOLDERS = {
    "4 bits g64 asym v2": dict(bits=4, group_size=64, sym=False, desc_act=False, checkpoint_format="gptq_v2"),
    "3 bits g128 sym v1": dict(bits=3, group_size=128, sym=True, desc_act=False, checkpoint_format="gptq"),
    "8 bits g32 act-order": dict(bits=8, group_size=32, sym=True, desc_act=True, checkpoint_format="gptq"),
    "4 bits g96, short last group, AutoGPTQ names": dict(bits=4, group_size=96, sym=False, desc_act=True, checkpoint_format="gptq",
                                                         autogptq_style=True),
    "2 bits, one group": dict(bits=2, group_size=-1, sym=False, desc_act=False, checkpoint_format="gptq_v2"),
}


def run(report, tools):
    ids = demo_ids(300, offset=5000)
    for name, packing in FOLDERS.items():
        with report.case(f"packed {name}"), tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            quantized_folder.write_quantized(harness.DEMO, folder, **packing, seed=7)
            theirs = tiny_models.logits(quantized_folder.dense_model(folder), ids)
            report.same_logits(f"packed {name}", tools.logits(folder, ids), theirs)
