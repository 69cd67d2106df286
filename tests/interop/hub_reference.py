"""What huggingface_hub and transformers do, one call a process, for they read the environment when they are imported:
hub_reference.py ACTION JSON_ARGUMENTS. Prints one JSON line."""
import json
import os
import sys


def snapshot(repo, **options):
    import huggingface_hub

    return huggingface_hub.snapshot_download(repo, **options)


def upload(folder, repo, **options):
    import huggingface_hub

    api = huggingface_hub.HfApi()
    api.create_repo(repo, private=options.pop("private", False), exist_ok=True)
    return api.upload_folder(repo_id=repo, folder_path=folder, **options).oid


def login(token):
    import huggingface_hub

    huggingface_hub.login(token=token, add_to_git_credential=False)
    return None


def switch(name):
    import huggingface_hub

    huggingface_hub.auth_switch(name)
    return None


def logout(name=None):
    import huggingface_hub

    huggingface_hub.logout(name)
    return None


def logins():
    from huggingface_hub.utils import get_stored_tokens, get_token

    return {"active": get_token(), "stored": get_stored_tokens()}


def scan(repo):
    """Every file of the cache, as the library's own scan sees it."""
    import huggingface_hub

    info = huggingface_hub.scan_cache_dir()
    assert not info.warnings, info.warnings
    return sorted(str(f.file_path.relative_to(r.snapshot_path)) for m in info.repos if m.repo_id == repo for r in m.revisions for f in r.files)


def card(repo):
    import huggingface_hub

    return huggingface_hub.ModelCard.load(repo).data.to_dict()


def last_logits(model, ids):
    import torch
    import transformers

    loaded = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.no_grad():
        return loaded(torch.tensor([ids])).logits[0, -1].tolist()


if __name__ == "__main__":
    result = globals()[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.flush()
    os.write(1, ("\n" + json.dumps(result) + "\n").encode())
