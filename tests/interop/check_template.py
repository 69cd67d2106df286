"""Our chat template engine against Jinja2: whole templates on many conversations, and random small templates."""
import json
import os
import re
import signal
import subprocess
import warnings

import chat_environment
import construct_templates
import family_templates
import harness
import random_templates

RANDOM_CASES = int(os.environ.get("GPTQ_RANDOM_TEMPLATES", "4000"))
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


def tool(name, description, properties, **more):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {"type": "object", "properties": properties, **more}}}


def call(name, arguments, number=1):
    return {"id": f"call{number:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


WEATHER = tool("get_weather", "The weather, \"now\" & <here>.", {"city": {"type": "string", "description": "e.g. Zürich"}, "days": {"type": "integer", "default": 3},
                                                               "unit": {"type": "string", "enum": ["celsius", "kelvin"]}}, required=["city"])
SEARCH = tool("search", "Two\nlines", {"terms": {"type": "array", "items": {"type": "string"}}, "limit": {"type": ["integer", "null"]},
                                       "options": {"type": "object", "properties": {"exact": {"type": "boolean"}}, "required": []}, "weight": {"type": "number", "default": 0.5}})
OBJECT_CALL = [say("user", "Weather in Zürich?"), {"role": "assistant", "content": None, "tool_calls": [call("get_weather", {"city": "Zürich", "days": 2, "x": [1.5, None, {"a": True}]})]},
               say("tool", "{\"degrees\": 21.5}", tool_call_id="call00001", name="get_weather"), say("assistant", "It is 21.5 °C."), say("user", "Thanks")]
STRING_CALL = [say("user", "Weather?"), say("assistant", "", tool_calls=[call("get_weather", "{\"city\": \"Bern\"}")]), say("tool", "rain", tool_call_id="call00001")]
PARALLEL = [say("user", "Both?"), say("assistant", "Looking.", tool_calls=[call("get_weather", {"city": "Bern"}), call("search", {"terms": ["a", "b"], "limit": None}, 2)]),
            say("tool", "sun", tool_call_id="call00001"), say("tool", "[1, 2]", tool_call_id="call00002"), say("assistant", "Done.")]
PARTS = [say("user", [{"type": "text", "text": "What is this? "}, {"type": "image"}, {"type": "text", "text": "é"}]), say("assistant", [{"type": "text", "text": "A cat."}])]
TURNS = [say("user", " Hi <b>there</b> "), say("assistant", "Hello \"you\"\n"), say("user", "Tschüß 😀\n\nbye'\\")]
THINKING = [say("user", "1+1?"), say("assistant", "<think>\nadd\n</think>\n\n2"), say("user", "/no_think 2+2?"), say("assistant", "<think>\nadd again\n</think>\n\n4")]

# name: variables of the template, besides the special tokens
CONVERSATIONS = {
    "question": {"messages": TURNS[:1], "add_generation_prompt": True},
    "turn": {"messages": TURNS[:2], "add_generation_prompt": False},
    "turns": {"messages": TURNS, "add_generation_prompt": True},
    "system": {"messages": [say("system", "Be brief.\n")] + TURNS, "add_generation_prompt": True},
    "system_tools": {"messages": [say("system", " Use tools. ")] + TURNS[:1], "tools": [WEATHER, SEARCH], "add_generation_prompt": True},
    "object_call": {"messages": OBJECT_CALL, "tools": [WEATHER], "add_generation_prompt": True},
    "object_call_open": {"messages": OBJECT_CALL[:3], "tools": [WEATHER, SEARCH], "add_generation_prompt": True},
    "string_call": {"messages": STRING_CALL, "tools": [WEATHER], "add_generation_prompt": True},
    "parallel_calls": {"messages": PARALLEL, "tools": [WEATHER, SEARCH]},
    "parts": {"messages": PARTS, "add_generation_prompt": True},
    "thinking": {"messages": THINKING, "enable_thinking": True},
    "no_thinking": {"messages": THINKING[:3], "add_generation_prompt": True, "enable_thinking": False, "thinking": True, "reasoning_effort": "high"},
    "reasoning": {"messages": [say("user", "1+1?"), say("assistant", "2", reasoning_content="\nadd\n", thinking="add")], "thinking_budget": 400},
    "empty_content": {"messages": [say("user", ""), say("assistant", ""), say("user", " ")], "add_generation_prompt": True},
    "null_content": {"messages": [say("user", "x"), say("assistant", None)]},
    "unknown_role": {"messages": TURNS[:1] + [say("narrator", "…")]},
    "two_users": {"messages": TURNS[:1] * 2, "add_generation_prompt": True},
    "system_only": {"messages": [say("system", "alone")]},
    "nothing": {"messages": [], "add_generation_prompt": True},
    "no_content_key": {"messages": [{"role": "user"}]},
    "white_space": {"messages": [say("user", "\t a \r\n\u00a0b\u2003\u3000\x0b \n"), say("assistant", "\n\n  c\n")], "add_generation_prompt": True},
    "unicode": {"messages": [say("user", "ΑΣ İıß ﬁ ǆ e\u0301 漢字 👩‍👩‍👧 \u202e\ud7ff\ue000\U0010ffff \x00\x7f\x85")], "add_generation_prompt": True},
    "control_tokens": {"messages": [say("user", "<s>[INST] {{ 1 + 1 }} {% if %} <|im_end|>&amp;</s>")], "add_generation_prompt": True},
    "variables": {"messages": TURNS, "date_string": "1 Jan 2030", "builtin_tools": ["search", "code_interpreter"], "tools_in_user_message": False, "custom_tools": [WEATHER],
                  "documents": [{"title": "T", "text": "D"}], "custom": {"a": [1, 2.0]}, "controls": {"length": "long"}, "tools": [SEARCH]},
}


class Slow(Exception):
    pass


def on_alarm(*_):
    raise Slow


def expected(template, context):
    """What Jinja2 prints; None when it refuses; ... when that cannot be compared."""
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        text = template().render(**context)
    except (Slow, RecursionError, MemoryError):
        return ...
    except Exception:  # what a template can raise has no common base
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    # Addresses of objects, and halves of surrogate pairs.
    return ... if re.search(r"(?i) at 0x|<class|\W0x[0-9a-f]{9,}", text) or re.search("[\ud800-\udfff]", text) else text


def differs(wanted, answer):
    if wanted is ...:
        return False
    if "error" in answer:
        # Python's integers have no end and its powers may be complex: documented differences.
        return wanted is not None and not re.search("64 bits|complex number", answer["error"])
    return answer["text"] != wanted


def compare(report, program, label, rows):
    """rows: (name, template source, variables)"""
    source = "".join(json.dumps({"template": template, "context": context}) + "\n" for _, template, context in rows)
    result = subprocess.run([program], input=source, capture_output=True, text=True, timeout=600, env=os.environ | {"TZ": "UTC"})
    answers = [json.loads(line) for line in result.stdout.split("\n") if line]
    if len(answers) != len(rows):
        return report.check(label, False, f"{len(answers)} answers to {len(rows)} rows: {result.stderr[-300:]}")
    environment = chat_environment.environment()
    failures, refused = [], 0
    for (name, source, context), answer in zip(rows, answers):
        wanted = expected(lambda: environment.from_string(source), context)
        refused += wanted is None
        if differs(wanted, answer):
            failures.append(f"{name}: {source[:400]!r}\n  on {json.dumps(context)[:600]}\n  gave {str(answer)[:600]}\n  not  {str(wanted)[:600]!r}")
    for failure in failures[:5]:
        print(failure)
    report.check(label, not failures, f"{len(rows)} renderings, {refused} refused by both" if not failures else f"{len(failures)} of {len(rows)} differ")


def run(report, tools):
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, on_alarm)
    program = tools.dump_logits.parent / "render_templates"
    templates = family_templates.FAMILIES | construct_templates.TEMPLATES
    assert len(templates) >= 120
    for name, template in templates.items():
        rows = [(chat, template, TOKENS | variables) for chat, variables in CONVERSATIONS.items()]
        compare(report, program, f"template: {name}", rows)
    rows = [(f"case {i}", *case) for i, case in enumerate(random_templates.cases(20240706, RANDOM_CASES))]
    compare(report, program, "template: random", rows)
    check_demo(report, tools)


def check_demo(report, tools):
    """The program itself, on the demo model's template."""
    settings = json.loads((harness.DEMO / "tokenizer_config.json").read_text())
    tokens = {key: settings[key] for key in ("bos_token", "eos_token", "unk_token")}
    for name in ("question", "turn", "turns", "two_users", "unknown_role", "nothing", "control_tokens", "empty_content"):
        messages = CONVERSATIONS[name]["messages"]
        for generate in (False, True):
            environment = chat_environment.environment()
            context = dict(tokens, messages=messages, add_generation_prompt=generate)
            wanted = expected(lambda: environment.from_string(settings["chat_template"]), context)
            try:
                answer = tools.template(harness.DEMO, messages, generate)
            except harness.ToolFailed:
                answer = None
            report.check(f"template: demo, {name}, {'with' if generate else 'no'} generation prompt", answer == wanted)
