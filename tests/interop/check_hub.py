"""The Hub's client against huggingface_hub and transformers, both talking to the local Hub of tests/hub: caches, uploads,
logins."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import harness
import numpy as np
import yaml

REFERENCE = pathlib.Path(__file__).with_name("hub_reference.py")
WRITE, READ = "hf_anninteropwrite", "hf_anninteropread"


class LocalHub:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = json.loads(self.process.stdout.readline())["endpoint"]

    def __call__(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Side:
    """One of the two programs, with a home of its own."""

    def __init__(self, hub, home, **variables):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()}
        self.environment = dict(clean, HF_ENDPOINT=hub.endpoint, HF_HOME=str(home), HF_HUB_DISABLE_TELEMETRY="1", **variables)
        self.home = home

    def call(self, command, stdin=""):
        result = subprocess.run(list(map(str, command)), env=self.environment, input=stdin, capture_output=True, text=True, timeout=600)
        if result.returncode != 0:
            raise harness.ToolFailed(f"{command[:3]} gave {result.returncode}: {result.stderr[-800:]}")
        return result.stdout


class Ours(Side):
    def __init__(self, gptq, *arguments, **variables):
        super().__init__(*arguments, **variables)
        self.gptq = gptq

    def __call__(self, *arguments, stdin=""):
        return self.call([self.gptq, *arguments], stdin).strip()


class Theirs(Side):
    def __call__(self, action, **arguments):
        return json.loads(self.call([sys.executable, REFERENCE, action, json.dumps(arguments)]).strip().split("\n")[-1])


def tree(root):
    """Every name below a folder: a link's target, a file's hash."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = "-> " + os.readlink(path)
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


def differences(ours, theirs):
    return [f"{name}: {ours.get(name)}, expected {theirs.get(name)}" for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]


def same_tree(report, name, ours, theirs):
    wrong = differences(tree(ours), tree(theirs))
    report.check(name, not wrong, "; ".join(wrong[:4]))


def write_random_model(folder, seed):
    """A small repository with folders, an empty file, names that URLs must encode, and files of many sizes."""
    rng = random.Random(seed)
    files = {"config.json": b'{"model_type": "llama"}', "README.md": b"---\nlicense: mit\n---\n# Model\n", "empty.txt": b"",
             "model.safetensors": rng.randbytes(rng.randrange(1, 3_000_000)), "a b/c#d?e%f.txt": b"odd name",
             "sub/deep/er/notes.md": "räksmörgås\n".encode() * rng.randrange(1, 500), "tokenizer.json": rng.randbytes(70_000)}
    for i in range(rng.randrange(1, 12)):
        files[f"sub/{i}/{rng.randrange(1000)}.bin"] = rng.randbytes(rng.randrange(1, 50_000))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextlib.contextmanager
def playground(tools):
    hub = LocalHub(tools.dump_logits.parent / "local_hub_main")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            hub(user="ann", token=WRITE, role="write", token_name="server")
            hub(user="ann2", token=READ, role="read", token_name="laptop")
            yield hub, pathlib.Path(scratch)
        finally:
            hub.close()


def check_caches(report, tools, hub, scratch):
    for seed in range(6):
        repo, folder = f"org/random-{seed}", scratch / f"model-{seed}"
        write_random_model(folder, seed)
        hub(set="resolve_cache", value=seed % 2)
        hub(set="gzip", value=seed // 2 % 2)
        commits = [hub(commit=repo, folder=str(folder))["commit"]]
        ours, theirs = Ours(tools.gptq, hub, scratch / f"ours-{seed}"), Theirs(hub, scratch / f"theirs-{seed}")
        ours("pull", repo, "--include", "*")
        theirs("snapshot", repo=repo)
        same_tree(report, f"hub: cache of {repo}", ours.home / "hub", theirs.home / "hub")
        (folder / "config.json").write_text('{"model_type": "mistral"}')
        commits.append(hub(commit=repo, folder=str(folder))["commit"])
        ours("pull", repo, "--include", "*")
        theirs("snapshot", repo=repo)
        ours("pull", f"{repo}@{commits[0]}", "--include", "*")
        theirs("snapshot", repo=repo, revision=commits[0])
        same_tree(report, f"hub: cache of {repo}, two commits", ours.home / "hub", theirs.home / "hub")
        ours("pull", repo, "--local-dir", scratch / f"ours-local-{seed}", "--include", "*.json", "--include", "sub/")
        theirs("snapshot", repo=repo, local_dir=str(scratch / f"theirs-local-{seed}"), allow_patterns=["*.json", "sub/"])
        ours_local, theirs_local = (tree(scratch / f"{side}-local-{seed}") for side in ("ours", "theirs"))
        wrong = [d for d in differences(ours_local, theirs_local) if ".metadata" not in d.split(":")[0]]  # they hold the time
        report.check(f"hub: --local-dir of {repo}", not wrong, "; ".join(wrong[:4]))

        # Each finds the other's files: a commit and offline mode need no request.
        hub(requests=True)
        for side, home in (("we", theirs.home), ("they", ours.home)):
            for offline in ({}, {"HF_HUB_OFFLINE": "1"}):
                where = {"revision": commits[1]} if not offline else {}
                if side == "we":
                    Ours(tools.gptq, hub, home, **offline)("pull", f"{repo}@{where['revision']}" if where else repo, "--include", "*")
                else:
                    Theirs(hub, home, **offline)("snapshot", repo=repo, **where)
                requests = hub(requests=True)
                report.check(f"hub: {side} find all of {repo} in the other's cache, {'offline' if offline else 'a commit'}", not requests, requests[:3])
        files = Theirs(hub, ours.home)("scan", repo=repo)
        report.check(f"hub: huggingface_hub's scan of our cache of {repo}", len(files) >= 14, files[:3])
        ours("cache", "verify")
        Ours(tools.gptq, hub, theirs.home)("cache", "verify")


def check_uploads(report, tools, hub, scratch):
    ours = Ours(tools.gptq, hub, scratch / "push-home", HF_TOKEN=WRITE)
    theirs = Theirs(hub, scratch / "push-home-2", HF_TOKEN=WRITE, HF_HUB_DISABLE_XET="1")  # the local Hub knows Git LFS alone
    log = []
    for parts in (0, 1):
        hub(set="multipart_from", value=1_000_000 if parts else -1)
        hub(set="part_size", value=300_000)
        folder = scratch / f"push-{parts}"
        write_random_model(folder, 100 + parts)
        label = "in parts" if parts else "in one piece"
        ours("push", folder, f"ann/ours-{parts}", "--no-card")
        theirs("upload", folder=str(folder), repo=f"ann/theirs-{parts}")
        for repo in (f"ann/ours-{parts}", f"ann/theirs-{parts}"):
            for name, root in (("we", ours("pull", repo, "--include", "*")), ("they", theirs("snapshot", repo=repo))):
                wrong = differences({k: v for k, v in contents(root).items() if k != ".gitattributes"}, contents(folder))
                report.check(f"hub: {repo}, sent {label}, read by {name}", not wrong, "; ".join(wrong[:4]))
        log += hub(requests=True)
        theirs("upload", folder=str(folder), repo=f"ann/ours-{parts}")
        ours("push", folder, f"ann/theirs-{parts}", "--no-card")
        sent = [r["target"] for r in hub(requests=True) if r["method"] == "PUT" or "/commit/" in r["target"]]
        report.check(f"hub: neither sends again what the other sent {label}", not sent, sent[:3])
    elsewhere = [r for r in log if r["host"] == "storage"]
    leaked = [r for r in elsewhere if r["authorized"]]
    report.check("hub: no token at the storage", elsewhere and not leaked, leaked[:3])


def check_cards(report, tools, hub, scratch):
    base = scratch / "base"
    shutil.copytree(harness.DEMO, base)
    (base / "LICENSE").write_text("As you like.")
    terms = {"license": "other", "license_name": "it's: \"mine\" # & yours", "license_link": "LICENSE", "language": ["en", "no", "räk"]}
    for name, block in (("plain", {"license": "apache-2.0", "language": ["no"]}), ("odd", terms)):
        (base / "README.md").write_text("---\n" + yaml.safe_dump(block, allow_unicode=True) + "model-index:\n- license: wrong\n---\n# Base\n")
        commit = hub(commit=f"ann/{name}", folder=str(base))["commit"]
        ours = Ours(tools.gptq, hub, scratch / "cards", HF_TOKEN=WRITE)
        ours("quantize", f"ann/{name}", "-o", scratch / f"{name}-4bit", "--samples", 4, "--seqlen", 64, "--gptaq", 0)
        ours("push", scratch / f"{name}-4bit", f"ann/{name}-4bit")
        card = Theirs(hub, scratch / "cards-2", HF_TOKEN=WRITE)("card", repo=f"ann/{name}-4bit")
        expected = dict(block, base_model=f"ann/{name}", base_model_relation="quantized", library_name="transformers",
                        pipeline_tag="text-generation", tags=["gptq", "4-bit"])
        report.check(f"hub: {name} card, read by huggingface_hub", card == expected, "" if card == expected else f"{card}, expected {expected}")
        text = pathlib.Path(ours("pull", f"ann/{name}-4bit"), "README.md").read_text()
        report.check(f"hub: {name} card names the base commit", f"| base commit | {commit} |" in text)


def contents(root):
    root = pathlib.Path(root)
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()}


def check_logins(report, tools, hub, scratch):
    home = scratch / "logins"
    ours, theirs = Ours(tools.gptq, hub, home), Theirs(hub, home)

    def files():
        return {name: (home / name).read_text() for name in ("token", "stored_tokens") if (home / name).exists()}

    ours("auth", "login", stdin=WRITE + "\n")
    seen = theirs("logins")
    report.check("hub: they see our login", seen == {"active": WRITE, "stored": {"server": WRITE}}, seen)
    by_us = files()
    shutil.rmtree(home)
    theirs("login", token=WRITE)
    report.check("hub: login files are the same", by_us == files(), "")
    theirs("login", token=READ)
    listed = json.loads(ours("auth", "list", "--json"))["logins"]
    expected = [("laptop", True), ("server", False)]
    report.check("hub: we see their logins", [(e["name"], e["active"]) for e in listed] == expected, listed)
    report.check("hub: no token in what we print", WRITE not in json.dumps(listed) and READ not in json.dumps(listed))
    ours("auth", "switch", "server")
    report.check("hub: they see our switch", theirs("logins")["active"] == WRITE)
    theirs("switch", name="laptop")
    report.check("hub: we see their switch", json.loads(ours("auth", "whoami", "--json"))["token_name"] == "laptop")
    ours("auth", "logout", "laptop")
    seen = theirs("logins")
    report.check("hub: they see us forget one login", seen == {"active": None, "stored": {"server": WRITE}}, seen)
    theirs("login", token=READ)
    theirs("logout", name="laptop")
    report.check("hub: we see them forget one login", [e["name"] for e in json.loads(ours("auth", "list", "--json"))["logins"]] == ["server"])
    ours("auth", "logout")
    report.check("hub: all logins are gone", theirs("logins") == {"active": None, "stored": {}})
    modes = {oct((home).stat().st_mode & 0o777)}
    report.check("hub: the folder of logins is the owner's alone", modes == {"0o700"}, modes)


def check_models(report, tools, hub, scratch):
    hub(commit="org/demo", folder=str(harness.DEMO))
    home = scratch / "models"
    folder = Ours(tools.gptq, hub, home)("pull", "org/demo")
    hub(requests=True)
    ids = [1, 5, 77, 1234, 9, 300]
    theirs = np.array(Theirs(hub, home, HF_HUB_OFFLINE="1")("last_logits", model="org/demo", ids=ids))
    report.check("hub: transformers loads what we pulled, without a request", not hub(requests=True))
    report.same_logits("hub: its logits are ours", tools.logits(folder, ids)[-1], theirs)
    Theirs(hub, home)("last_logits", model="org/demo", ids=ids)
    fetched = [r for r in hub(requests=True) if r["method"] == "GET" and "model.safetensors" in r["target"]]
    report.check("hub: online it fetches no weights again", not fetched, fetched[:3])


def run(report, tools):
    with playground(tools) as (hub, scratch):
        for check in (check_caches, check_uploads, check_cards, check_logins, check_models):
            with report.case(check.__name__):
                check(report, tools, hub, scratch)
