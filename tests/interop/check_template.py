"""Our chat template engine against Jinja2 on the demo model's own template."""
import json

import chat_environment
import harness


def say(role, content):
    return {"role": role, "content": content}


TURNS = [say("user", "Hello!"), say("assistant", "Hi, how are you?"), say("user", " Fine, \"thanks\" \\ é 😀\n\nBye\n")]
CONVERSATIONS = {
    "one question": TURNS[:1],
    "one turn": TURNS[:2],
    "two turns": TURNS,
    "markup and control tokens": [say("user", "<s>[INST] {{ 1 + 1 }} {% if %} <b>&amp;</b> [/INST]</s>")],
    "empty content": [say("user", ""), say("assistant", "")],
    "long": TURNS[:2] * 40 + TURNS[:1],
    "two users": TURNS[:1] * 2,
    "unknown role": [say("narrator", "x")],
    "nothing": [],
}


def run(report, tools):
    settings = json.loads((harness.DEMO / "tokenizer_config.json").read_text())
    tokens = {key: settings[key] for key in ("bos_token", "eos_token", "unk_token")}
    for name, messages in CONVERSATIONS.items():
        for generate in (False, True):
            label = f"template: {name}" + (", generation prompt" if generate else "")
            try:
                context = dict(tokens, messages=messages, add_generation_prompt=generate)
                expected = chat_environment.render(settings["chat_template"], context)
            except Exception:
                expected = None  # must fail
            try:
                rendered = tools.template(harness.DEMO, messages, generate)
            except harness.ToolFailed as failure:
                report.check(label, expected is None, "refused" if expected is None else failure)
                continue
            report.check(label, rendered == expected, "" if rendered == expected else f"{rendered!r}, expected {expected!r}")
