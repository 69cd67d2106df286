"""Chat templates that each use one construct of Jinja on the messages they are given."""

# Every message in one line, through an expression in which `m` is the message and `c` its content.
EACH = "{%% for m in messages %%}{%% set c = m.content if m.content is string else '' %%}%s;{%% endfor %%}"

EXPRESSIONS = {
    "trim": "{{ c|trim }}", "strip_chars": "{{ c.strip(' ?!') }}|{{ c.lstrip() }}|{{ c.rstrip('\\n') }}", "case": "{{ c|upper }}{{ c|lower }}{{ c|title }}{{ c.swapcase() }}{{ c|capitalize }}",
    "split": "{{ c.split() }}{{ c.split(' ', 1) }}{{ c.rsplit('\\n', 1) }}{{ c.splitlines() }}", "partition": "{{ c.partition(' ')[0] }}{{ c.rpartition(' ')|list }}",
    "slices": "{{ c[1:] }}|{{ c[:-1] }}|{{ c[::-1] }}|{{ c[::2] }}|{{ c[-3:] }}|{{ c[5:1:-1] }}|{{ c[0] }}", "replace": "{{ c|replace('a', '<a>') }}{{ c.replace('e', '', 1) }}{{ c.replace('', '.') }}",
    "find": "{{ c.find('a') }}{{ c.rfind('e') }}{{ c.count('e') }}{{ c.startswith(('H', 'W')) }}{{ c.endswith('?') }}{{ 'a' in c }}", "length": "{{ c|length }}{{ c|wordcount }}{{ messages|length }}",
    "repr": "{{ m }}{{ [c] }}{{ (c, 1) }}{{ {'c': c} }}{{ m|string }}", "json": "{{ m|tojson }}", "json_ascii": "{{ m|tojson(ensure_ascii=true) }}", "json_indent": "{{ m|tojson(indent=2) }}",
    "json_tight": "{{ m|tojson(separators=(',', ':')) }}", "json_sorted": "{{ m|tojson(sort_keys=true, indent='\\t') }}", "items": "{% for k, v in m.items() %}{{ k }}={{ v }},{% endfor %}{% for k, v in m|items %}{{ k }}{% endfor %}",
    "dictsort": "{% for k, v in m|dictsort %}{{ k }}={{ v|tojson }},{% endfor %}", "keys": "{{ m.keys()|list }}{{ m.values()|list|length }}{{ 'content' in m }}{{ 'x' in m.keys() }}{{ m.keys() }}",
    "get": "{{ m.get('name') }}{{ m.get('name', 'nobody') }}{{ m['nothing'] }}{{ m.nothing is defined }}", "percent": "{{ '%s said %r (%d)' % (m.role, c, loop.index) }}{{ '%5.1f%%' % loop.index }}",
    "format": "{{ '{} {0!r}'.format(c) if false else '{0:>12}|{1:03d}'.format(m.role, loop.index) }}", "format_filter": "{{ '%s-%s'|format(m.role, c) }}", "indent": "{{ c|indent }}|{{ c|indent(2, true) }}|{{ c|indent(1, blank=true) }}",
    "truncate": "{{ c|truncate(8) }}{{ c|truncate(8, true, '', 0) }}", "center": "{{ m.role|center(15) }}{{ m.role.ljust(10, '.') }}{{ m.role.zfill(8) }}", "concat": "{{ m.role ~ ': ' ~ c ~ 1 ~ none ~ 2.0 ~ [c] }}", "join": "{{ c|join('-') }}{{ c|list|join }}",
    "first_last": "{{ c|first }}{{ c|last }}{{ messages|first|attr('role') }}{{ messages[-1].role }}", "conditional": "{{ 'U' if m.role == 'user' else 'A' if m.role == 'assistant' }}", "logic": "{{ m.name or c or 'none' }}{{ m.name and c }}{{ not c }}",
    "compare": "{{ 0 < loop.index <= 2 }}{{ m.role < 'b' }}{{ m == messages[0] }}{{ m.role in ['user', 'tool'] }}{{ m.role not in 'assistant' }}", "tests": "{{ m is mapping }}{{ c is string }}{{ m.content is none }}{{ m.content is iterable }}{{ m.x is undefined }}{{ m.content is sequence }}",
    "loop": "{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.cycle('a', 'b', 'c') }}", "neighbours": "{{ loop.previtem.role if loop.previtem else '^' }}>{{ loop.nextitem.role if loop.nextitem is defined else '$' }}",
    "changed": "{% if loop.changed(m.role) %}{{ m.role }}{% endif %}", "chars": "{% for ch in c %}{{ ch }}{{ loop.last and '.' or ',' }}{% endfor %}", "unique_chars": "{{ c|unique|join }}{{ c|reverse }}{{ c|sort|join }}", "default": "{{ m.name|default('?') }}{{ c|default('empty', true) }}{{ m.content|d('x') }}",
    "escapes": "{{ c|e }}", "safe": "{{ c|safe }}", "urlencode": "{{ c|urlencode }}", "int_float": "{{ c|int }}{{ c|float(1.5) }}{{ '12'|int + loop.index }}{{ 7 // 2 }}{{ -7 % 3 }}{{ 2 ** 3 }}{{ 1 / 4 }}", "in_block": "{% if 'think' in c %}{{ c.split('think')[-1] }}{% elif c %}{{ c }}{% else %}-{% endif %}",
    "set_block": "{% set x %} <{{ c }}> {% endset %}{{ x|trim }}{{ x|length }}", "filter_block": "{% filter upper|replace('A', '4') %}{{ c }} x{% endfilter %}", "with": "{% with a = c, b = loop.index %}{{ a }}{{ b }}{% endwith %}{{ a }}", "comments": "{#- note -#} a {# b #} {{ c }}{#\n#}\n",
    "generation": "{% generation %}{{ c }}{% endgeneration %}", "raw": "{% raw %}{{ c }}{% endraw %}{{ c }}", "print": "{% print c, m.role %}", "break": "{% if loop.index == 3 %}{% break %}{% endif %}{{ c }}", "continue": "{% if m.role == 'system' %}{% continue %}{% endif %}{{ c }}",
    "parts": "{% if m.content is string %}{{ m.content }}{% elif m.content is iterable %}{% for p in m.content %}{{ p.text if p.type == 'text' else '[' ~ p.type ~ ']' }}{% endfor %}{% else %}{{ m.content }}{% endif %}",
    "calls": "{% for t in m.tool_calls|default([], true) %}{{ t.function.name }}({% for k, v in (t.function.arguments.items() if t.function.arguments is mapping else []) %}{{ k }}={{ v|tojson }}{{ ', ' if not loop.last }}{% endfor %}){{ t.id }}{% endfor %}",
}

WHOLE = {
    "namespace": "{% set ns = namespace(n=0, last='', seen=[]) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.last = m.role %}{% set ns.seen = ns.seen + [m.role] %}{% endfor %}{{ ns.n }}{{ ns.last }}{{ ns.seen }}{{ ns }}",
    "scopes": "{% set x = 'out' %}{% for m in messages %}{{ x }}{% set x = m.role %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 'if' %}{% endif %}{{ x }}",
    "macros": "{% macro line(m, sep=': ', end='\n') %}{{ m.role ~ sep ~ m.content }}{{ end }}{% endmacro %}{% for m in messages %}{{ line(m) }}{{ line(m, end='') }}{{ line(sep='>', m=m) }}{% endfor %}{{ line.name }}{{ line.arguments }}{{ line }}",
    "macro_recursive": "{% macro tree(v, n=0) %}{% if v is mapping %}{% for k, w in v.items() %}{{ '  ' * n ~ k }}\n{{ tree(w, n + 1) }}{% endfor %}{% elif v is sequence and v is not string %}{% for w in v %}{{ tree(w, n + 1) }}{% endfor %}{% else %}{{ '  ' * n ~ v }}\n{% endif %}{% endmacro %}{{ tree(messages) }}{{ tree(tools) }}",
    "macro_varargs": "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }}{{ m(1, 2, x=3) }}{{ m(*[4, 5], **{'y': 6}) }}",
    "call_block": "{% macro box(title) %}<{{ title }}>{{ caller(1) }}</{{ title }}>{% endmacro %}{% for m in messages %}{% call(n) box(m.role) %}{{ m.content }}{{ n }}{% endcall %}{% endfor %}",
    "caller_missing": "{% macro box() %}{{ caller is defined }}{{ caller() if caller else 'none' }}{% endmacro %}{{ box() }}{% call box() %}x{% endcall %}",
    "recursive_loop": "{% for v in messages recursive %}{% if v is mapping %}{{ v.role }}{{ loop(v.content) if v.content is sequence and v.content is not string }}{% else %}{{ v }}{% endif %}{{ loop.depth }}{% endfor %}",
    "loop_else": "{% for m in messages if m.role == 'tool' %}{{ loop.index }}{{ m.content }}{% else %}no tools{% endfor %}",
    "selectattr": "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list }}{{ messages|rejectattr('role', 'in', ['user', 'system'])|list|length }}{{ messages|selectattr('tool_calls')|list|length }}{{ messages|selectattr('content', 'string')|map(attribute='content')|map('trim')|join('|') }}",
    "generators": "{% set g = messages|selectattr('role', 'equalto', 'tool') %}{% if g %}always{% endif %}{{ g|list|length }}{{ g|list|length }}{{ messages|map(attribute='role')|first }}",
    "groupby": "{% for g in messages|groupby('role') %}{{ g.grouper }}{{ g.list|length }}{{ g[0] }}{% endfor %}{% for role, all in messages|groupby('role') %}{{ role }}:{{ all|map(attribute='content')|list }}{% endfor %}",
    "sorts": "{{ messages|sort(attribute='role')|map(attribute='role')|list }}{{ messages|map(attribute='role')|unique|list }}{{ messages|map(attribute='role')|sort(reverse=true)|join }}{{ messages|map(attribute='role')|list|max }}",
    "batch": "{% for row in messages|batch(2, 'pad') %}[{% for m in row %}{{ m.role if m is mapping else m }} {% endfor %}]{% endfor %}{{ messages|map(attribute='role')|slice(2)|list }}",
    "slices": "{{ messages[1:]|length }}{{ messages[:-1]|map(attribute='role')|list }}{{ (messages[::-1]|first).role }}{{ messages[5:]|length }}{{ messages[-1:][0].role }}",
    "range": "{% for i in range(messages|length) %}{{ i }}{{ messages[i].role }}{% endfor %}{{ range(3) }}{{ range(10)[2:5]|list }}{{ range(5, 0, -2)|list }}{{ 3 in range(4) }}",
    "joiner": "{% set sep = joiner(', ') %}{% set c = cycler('a', 'b') %}{% for m in messages %}{{ sep() }}{{ c.next() }}{{ m.role }}{{ c.current }}{% endfor %}{{ c.reset() }}{{ c.current }}",
    "tools": "{% if tools %}{% for t in tools %}{{ t.function.name }}: {{ t.function.description|default('-', true) }} {{ t.function.parameters.properties|items|list|length if t.function.parameters.properties }}{{ t|tojson(indent=4) }}{% endfor %}{% else %}no tools{% endif %}{{ tools is defined }}{{ tools is none }}",
    "raise": "{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant', 'tool'] %}{{ raise_exception('unknown role ' ~ m.role) }}{% endif %}{% endfor %}fine",
    "dates": "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %-d %B %Y %H:%M:%S %j %U %W %y %I%p %e %k %l %u %w %G-%V %F %T %D %R %c %x %X %r %C %h %n%t%% %P %s %_d %^a %05d') }}",
    "whitespace": "  {% for m in messages %}  \n    {%- if m.role == 'user' -%}  \n  U {{- m.content -}}  \n {% elif true +%}\n  {%+ set x = 1 %}\n  O\n{% endif %}\n\t{% endfor %}\n\n",
    "whitespace_lines": "{% if messages %}\n  a\n  {% if true %}\n  b\n  {% endif %}\n{# c #}\n  d {% if true %}\n e {% endif %} \n{% endif %}\n\n",
    "extra_variables": "{{ enable_thinking }}{{ enable_thinking is defined }}{{ enable_thinking is false }}{{ reasoning_effort|default('medium') }}{{ custom|tojson if custom is defined }}{{ date_string }}",
    "special_tokens": "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ unk_token }}{{ bos_token + 'x' }}",
    "generation_prompt": "{% for m in messages %}{{ m.role }}{% if not loop.last %}|{% endif %}{% endfor %}{% if add_generation_prompt %}>{% endif %}{{ add_generation_prompt is defined and add_generation_prompt is true }}",
    "literals": "{{ [1, 2.0, 1e-7, 1e22, 0x1f, 'a\\n\\'b\"', \"it's\", true, none, (1,), {}, [], {'k': [1, {'z': none}]}] }}{{ 'a' 'b' }}{{ 1_000 }}{{ 'é\\u00e9\\x41😀' }}",
    "arithmetic": "{{ 7 / 2 }}{{ 7 // 2 }}{{ -7 // 2 }}{{ -7 % 3 }}{{ 2 ** 10 }}{{ 1 + 2 * 3 - 4 }}{{ 0.1 + 0.2 }}{{ 1e16 + 1 }}{{ -2 ** 2 }}{{ 'ab' * 3 }}{{ [1] * 2 + [3] }}{{ 10 // 0.3 }}{{ -5 % 2.5 }}{{ true + true }}",
    "dict_calls": "{{ dict(a=1, b=messages|length) }}{{ dict({'x': 1}, y=2) }}{{ {'a': 1}.items() }}{{ {'a': 1}.copy() == {'a': 1} }}{{ dict([('k', 'v')]).k }}",
    "block": "{% block head %}[{{ messages|length }}]{% endblock %}{% for m in messages %}{% block body scoped %}{{ m.role }}{% endblock %}{% endfor %}",
    "errors_undefined": "{{ nothing.attribute }}", "errors_type": "{{ messages + 'x' }}", "errors_call": "{{ messages() }}", "errors_filter": "{{ messages|no_such_filter }}", "errors_syntax": "{% for m in messages %}{{ m.role }}", "errors_sandbox": "{{ messages.append(1) }}",
    "undefined_chain": "{{ nothing }}{{ nothing is defined }}{{ nothing|default('d') }}{{ nothing|length }}{{ nothing|list }}{{ nothing == none }}{{ nothing or 'or' }}{% for x in nothing %}x{% else %}e{% endfor %}{{ messages[99] is defined }}",
}

TEMPLATES = {f"each_{name}": EACH % expression for name, expression in EXPRESSIONS.items()} | {f"whole_{name}": template for name, template in WHOLE.items()}
