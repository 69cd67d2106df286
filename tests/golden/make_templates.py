"""Makes tests/golden/jinja/*.json: chat templates and unit templates with what Jinja2 renders for them."""
import json
import pathlib
import sys

import template_chats
import template_python
import template_syntax
import template_values

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "interop"))
import chat_environment  # noqa: E402
import construct_templates  # noqa: E402

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

# Standard Jinja that none of the counted real templates uses; an engine may leave these out and say so.
RARE = {"arithmetic_mixed", "filter_attr", "filter_batch_slice", "filter_format", "filter_groupby", "filter_truncate_words",
        "filter_escape_off", "joiner_cycler", "loop_cycle_changed", "loop_depth", "loop_recursive", "macro_varargs",
        "string_format", "string_is", "string_operators", "string_partition", "list_methods", "with_block"}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Looks up the weather, \"now\" & here.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Name of the city, e.g. Zürich"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "days": {"type": "integer", "default": 3}}, "required": ["city"]}}}
SEARCH = {"type": "function", "function": {
    "name": "search", "description": "", "parameters": {"type": "object", "properties": {
        "terms": {"type": "array", "items": {"type": "string"}}, "limit": {"type": ["integer", "null"]},
        "options": {"type": "object", "properties": {"exact": {"type": "boolean"}, "tags": {"type": "array"}}, "required": ["exact"]}}}}}
CALL = {"id": "abc123XYZ", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}}

USER = [say("user", "Hello!")]
TURNS = [say("user", " Hi <b>there</b> "), say("assistant", "Hello \"you\"\n"), say("user", "Tschüß 😀\nbye")]
SYSTEM = [say("system", "Be brief.\n")] + TURNS
TOOLS = [say("user", "Weather in Zürich?"), {"role": "assistant", "content": None, "tool_calls": [CALL]},
         say("tool", "{\"degrees\": 21.5}", tool_call_id="abc123XYZ", name="get_weather"), say("assistant", "It is 21.5 °C."),
         say("user", "Thanks")]
THINKING = [say("user", "1+1?"), say("assistant", "<think>\nadd\n</think>\n\n2"), say("user", "2+2?"),
            say("assistant", "<think>\nadd again\n</think>\n\n4")]
REASONING = [say("user", "1+1?"), say("assistant", "2", reasoning_content="\nadd\n")]

# name of the conversation: context
CHATS = {
    "user": {"messages": USER},
    "user_generate": {"messages": USER, "add_generation_prompt": True},
    "turns": {"messages": TURNS, "add_generation_prompt": True},
    "turns_complete": {"messages": TURNS[:2], "add_generation_prompt": False},
    "system": {"messages": SYSTEM, "add_generation_prompt": True},
    "tools_offered": {"messages": SYSTEM, "tools": [WEATHER, SEARCH], "add_generation_prompt": True},
    "tools_used": {"messages": TOOLS, "tools": [WEATHER], "add_generation_prompt": True},
    "tool_answer_last": {"messages": TOOLS[:3], "tools": [WEATHER], "add_generation_prompt": True},
    "tools_null": {"messages": USER, "tools": None, "documents": None},
    "thinking": {"messages": THINKING},
    "thinking_generate": {"messages": THINKING[:3], "add_generation_prompt": True, "enable_thinking": False},
    "reasoning": {"messages": REASONING, "enable_thinking": True, "reasoning_effort": "high"},
    "two_users": {"messages": USER + USER},
    "system_only": {"messages": SYSTEM[:1]},
    "unknown_role": {"messages": USER + [say("narrator", "…")]},
    "empty": {"messages": []},
    "keywords": {"messages": USER, "date_string": "1 Jan 2030", "builtin_tools": ["search", "code_interpreter"],
                 "tools_in_user_message": False, "custom_tools": [WEATHER]},
}


def files():
    """File name -> its cases (name, template, context)."""
    for family, template in template_chats.TEMPLATES.items():
        yield f"chat_{family}", [(f"{family}_{chat}", template, TOKENS | context) for chat, context in CHATS.items()]
    context = TOKENS | CHATS["tools_used"]
    yield "constructs", [(name, template, context) for name, template in construct_templates.TEMPLATES.items()]
    units = template_syntax.CASES + template_values.CASES + template_python.CASES
    yield "vectors", [case for case in units if case[0] not in RARE]
    yield "rare", [case for case in units if case[0] in RARE]


def vector(name, template, context):
    row = {"name": name, "template": template, "context": context}
    try:
        return row | {"expected": chat_environment.render(template, context)}
    except Exception as error:  # what a template can raise has no common base
        print(f"  {name}: {type(error).__name__}")
        return row | {"error": True}


def write(name, cases):
    rows = [vector(*case) for case in cases]
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        must_fail = row["name"].startswith(("error_", "sandbox_", "whole_errors_")) and row["name"] != "error_raise_not_reached"
        assert ("error" in row) == must_fail or name.startswith("chat_"), row
    folder = HERE / "jinja"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(f"{name}: {len(rows)} vectors, {sum('error' in row for row in rows)} of them errors")


def main():
    for name, cases in files():
        write(name, cases)


if __name__ == "__main__":
    main()
