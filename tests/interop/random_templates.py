"""Random small templates from a grammar, and random variables for them."""
import random

NAMES = ["a", "b", "s", "t", "n", "f", "xs", "ys", "d", "e", "people", "flag", "nothing", "missing", "u", "words"]
LITERALS = ["0", "1", "2", "3", "-1", "7", "10", "255", "1.0", "0.5", "2.5", "-3.75", "1e3", "1e-7", "1e16", "0x1f", "0b11", "0o17", "1_000",
            "true", "false", "none", "True", "None", "''", "'a'", "'abc'", "\"it's\"", "'x,y,z'", "' pad '", "'\\n'", "'a\\tb'", "'é😀'", "'%s|%s'",
            "'ß'", "'İI'", "'ΑΣ'", "'ǆ'", "'a' 'b'", "'line1\\nline2\\n\\nline4'", "'one two  three'", "'Hello World'", "'{}-{}'", "'12'", "' 3.7 '",
            "[]", "[1, 2, 3]", "['b', 'a', 'C']", "[1, 'a', none]", "(1, 2)", "(1,)", "()", "{}", "{'k': 1}", "{'a': 'x', 'b': [1]}", "{1: 2, 'z': {}}",
            "[[3, 'c'], [1, 'a'], [2, 'b']]", "'\\u00e9'", "'\\x41'", "'\\101'", "'\\q'"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "~", "+", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in", "not in"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence", "true", "false",
         "callable", "odd", "even", "divisibleby 3", "divisibleby(2)", "eq 1", "equalto 'a'", "ne 2", "lt 3", "gt(1)", "le 2", "ge 2", "in [1, 'a']",
         "in 'abc'", "upper", "lower", "filter", "test", "sameas none", "greaterthan 1", "lessthan 2"]
FILTERS = ["length", "count", "string", "upper", "lower", "title", "capitalize", "trim", "trim('a')", "list", "first", "last", "reverse",
           "reverse|list", "join", "join(',')", "join(', ', attribute='name')", "tojson", "tojson(indent=2)", "tojson(ensure_ascii=true)",
           "tojson(sort_keys=true)", "tojson(separators=(',', ':'))", "tojson(indent=0)", "tojson(indent='> ')", "default('d')", "d", "default(1, true)",
           "default('x', boolean=true)", "int", "int(5)", "int(0, 16)", "int(base=2)", "float", "float(1.5)", "abs", "round", "round(1)", "round(2, 'ceil')",
           "round(0, 'floor')", "round(-1)", "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "sort(attribute='name')", "sort(attribute='age,name')",
           "sort(attribute=0)", "dictsort", "dictsort(by='value')", "dictsort(reverse=true)", "dictsort(true, 'key', true)", "min", "max", "min(true)",
           "max(attribute='age')", "sum", "sum(attribute='age')", "sum(start=5)", "unique|list", "unique(true)|list", "unique(attribute='age')|list",
           "map('upper')|list", "map('string')|join('|')", "map(attribute='name')|list", "map(attribute='x.y', default='?')|list", "map('default', 'z')|list",
           "map('length')|list", "map('int', 3)|list", "select|list", "select('odd')|list", "select('string')|list", "reject('none')|list",
           "reject|list", "selectattr('name')|list", "selectattr('age', 'gt', 20)|list", "selectattr('name', 'equalto', 'Bob')|list|length",
           "rejectattr('age', 'defined')|list", "rejectattr('name', 'in', ['Bob', 'x'])|map(attribute='name')|list", "batch(2)|list", "batch(2, 'f')|list",
           "batch(3, fill_with=none)|list", "slice(2)|list", "slice(3, 'f')|list", "groupby('age')", "groupby('name')|list", "groupby('age')|map('first')|list",
           "replace('a', 'b')", "replace('', '-')", "replace('a', '', 1)", "replace('b', 2)", "indent", "indent(2, true)", "indent(1, blank=true)", "indent('>')",
           "truncate(5)", "truncate(6, true)", "truncate(9, false, '!', 0)", "center(9)", "wordcount", "format", "format(1, 'b')", "format(1)", "items|list",
           "attr('upper')", "attr('name')", "urlencode", "filesizeformat", "filesizeformat(true)", "xmlattr"]
METHODS = [".split()", ".split(',')", ".split(' ', 1)", ".rsplit(',', 1)", ".rsplit(none, 1)", ".split(none, 1)", ".strip()", ".lstrip()", ".rstrip()",
           ".strip('ab')", ".lstrip('x')", ".rstrip('\\n')", ".upper()", ".lower()", ".title()", ".capitalize()", ".swapcase()", ".casefold()",
           ".replace('a', 'X')", ".replace('a', 'X', 1)", ".replace('', '.')", ".startswith('a')", ".startswith(('x', 'a'))", ".endswith('c')", ".endswith('d', 1)",
           ".find('b')", ".find('b', 1, 3)", ".rfind('a')", ".index('a')", ".rindex('a', 0, 9)", ".count('a')", ".count('')", ".count('a', -2)", ".partition(' ')",
           ".rpartition(',')", ".join(['1', '2'])", ".join(words)", ".ljust(7, '.')", ".rjust(7)", ".center(8, '*')", ".zfill(6)", ".isdigit()", ".isalpha()",
           ".isalnum()", ".isspace()", ".isupper()", ".islower()", ".istitle()", ".isnumeric()", ".isdecimal()", ".isascii()", ".isprintable()", ".splitlines()",
           ".splitlines(true)", ".expandtabs(4)", ".removeprefix('a')", ".removesuffix('c')", ".format(1, 2)", ".format(n, b=s)", ".items()", ".keys()", ".values()",
           ".get('a')", ".get('zz', 'none')", ".get('name')", ".copy()", ".items()|list", ".keys()|list", ".values()|list|length", ".name", ".age", ".a", ".x.y", ".k", ".0",
           ".count(1)", ".index(1)", ".append(1)", ".pop()", ".update({})", "['name']", "['a']", "['upper']()", "[0]", "[-1]", "[1:]", "[:2]", "[-2:]", "[::-1]",
           "[::2]", "[1:9:2]", "[5:1:-1]", "[:-1]", "[n]", "[n:]", "[1.0]", "['zz']", "[none]", "[0][0]", "[1, 2]", "[true]", ".real", ".is_integer()", ".bit_length()"]
GLOBALS = ["range(3)", "range(1, 6, 2)", "range(5, 0, -2)", "range(n)", "dict(a=1, b='x')", "dict(d, z=2)", "dict([('p', 1)])", "namespace(v=1).v", "joiner('|')()",
           "cycler('p', 'q').next()", "strftime_now('%d %b %Y')", "strftime_now('%A %-d %B')", "range(3)|list", "range(4)[1:]", "range(3) == range(0, 3, 1)"]
FORMATS = ["%s", "%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%x", "%X", "%#x", "%o", "%#o", "%e", "%.2e", "%f", "%.1f", "%08.3f", "%g", "%.3g", "%#g", "%G", "%c", "%r", "%a", "%%",
           "%.2s", "%8s", "%-8s|", "%(a)s", "%*d", "%.*f", "%i", "%u", "%y", "%", "%.3d", "%5%"]
SPECS = ["", ":>6", ":<6", ":^7", ":*^9", ":06d", ":+d", ":,", ":_", ":x", ":#x", ":b", ":o", ":e", ":.2f", ":8.2f", ":%", ":.1%", ":g", ":.3g", ":.3", ":n", ":c", ":s", ":.2s", ":=+6d",
         ":010,.1f", ":,.2f", ":{}", "!r", "!s:>5", "!a", ":é>5", ":z.1f", ":#o", ":_x", ":08,d", ":X"]
TEXTS = ["text", " ", "\n", "\n\n", "  \n", " x ", "\t", "é", "{", "}", "a\n  b", "\n    ", "%", "#", "'", "\r\n"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.loops = 0
        self.macros = []

    def pick(self, items):
        return self.r.choice(items)

    def chance(self, p):
        return self.r.random() < p

    # --- values
    def string(self):
        r = self.r
        alphabet = self.pick(["abc", "ab ,", "aAbBßÄ é", " \n\t", "0123456789", "xyz'\"\\", "ΑΣσς ", "漢字 😀", "<>&/%{}", "ǆİıﬁŉ", "a\u00a0\u2003b\u0301", "\x00\x1c\x7f\x85"])
        return "".join(r.choice(alphabet) for _ in range(r.randrange(0, 9)))

    def value(self, depth=0):
        r = self.r
        kind = r.randrange(12 if depth < 2 else 7)
        if kind == 0:
            return r.choice([0, 1, 2, 3, -1, 5, 12, 100, 2**40, -7])
        if kind == 1:
            return r.choice([0.0, 1.0, -0.5, 2.25, 1e20, 1e-9, 3.14159, 100.0, 1 / 3, 2.675, 1e15, 123456.789])
        if kind == 2:
            return r.choice([True, False, None])
        if kind < 7:
            return self.string()
        if kind < 10:
            return [self.value(depth + 1) for _ in range(r.randrange(0, 5))]
        return {r.choice(["a", "b", "k", "name", "age", "x", "items", "Z", "é", self.string()]): self.value(depth + 1) for _ in range(r.randrange(0, 4))}

    def context(self):
        r = self.r
        people = [{"name": r.choice(["Bob", "Ann", "bob", "Zoë", "Cy"]), "age": r.choice([20, 25, 30, 30.0])} for _ in range(r.randrange(0, 5))]
        if self.chance(0.3):
            for person in people:
                if self.chance(0.3):
                    person.pop(r.choice(["name", "age"]))
        numbers = [r.choice([0, 1, 2, 3, -4, 2.5, 7]) for _ in range(r.randrange(0, 6))]
        words = [self.string() for _ in range(r.randrange(0, 5))]
        return {"a": self.value(), "b": self.value(), "s": self.string(), "t": self.string() + "abc", "n": r.randrange(-3, 9), "f": r.choice([0.5, 1.0, -2.25, 1e10]),
                "xs": numbers, "ys": [self.value(1) for _ in range(r.randrange(0, 4))], "d": {k: self.value(1) for k in r.sample(["a", "b", "x", "name", "C"], r.randrange(0, 5))},
                "e": {}, "people": people, "flag": self.chance(0.5), "nothing": None, "u": self.string(), "words": words}

    # --- expressions
    def atom(self):
        roll = self.r.random()
        if roll < 0.5:
            return self.pick(NAMES)
        if roll < 0.85:
            return self.pick(LITERALS)
        if roll < 0.93:
            return self.pick(GLOBALS)
        if roll < 0.96 and self.loops:
            return "loop." + self.pick(["index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem", "nextitem", "depth", "depth0", "cycle('a', 'b')",
                                        "changed(n)", "changed(x)", "nosuch"])
        if roll < 0.98 and self.macros:
            return self.macro_call()
        return self.pick(["ns.v", "ns.w", "x", "y"])

    def macro_call(self):
        arguments = [self.expression(1) for _ in range(self.r.randrange(0, 3))]
        if self.chance(0.3):
            arguments.append(self.pick(["p", "q", "r", "zz"]) + "=" + self.expression(1))
        return f"{self.pick(self.macros)}({', '.join(arguments)})"

    def expression(self, depth=2):
        if depth <= 0:
            return self.atom()
        roll = self.r.random()
        deeper = depth - 1
        if roll < 0.22:
            return self.atom()
        if roll < 0.42:
            return f"{self.operand(deeper)}|{self.pick(FILTERS)}"
        if roll < 0.58:
            method = self.pick(METHODS)
            # Jinja's optimizer makes a slice of a constant that has none undefined, where others fail.
            return f"{self.pick(NAMES) if ':' in method and method[0] == '[' else self.operand(deeper)}{method}"
        if roll < 0.74:
            return f"{self.expression(deeper)} {self.pick(BINARY)} {self.expression(deeper)}"
        if roll < 0.80:
            return f"{self.operand(deeper)} is {self.pick(['', '', 'not '])}{self.pick(TESTS)}"
        if roll < 0.85:
            tail = "" if self.chance(0.3) else f" else {self.expression(deeper)}"
            return f"{self.expression(deeper)} if {self.expression(deeper)}{tail}"
        if roll < 0.88:
            return f"[{', '.join(self.expression(deeper) for _ in range(self.r.randrange(0, 4)))}]"
        if roll < 0.91:
            keys = ["'a'", "'b'", "1", "'name'", "s"]
            return "{" + ", ".join(f"{self.pick(keys)}: {self.expression(deeper)}" for _ in range(self.r.randrange(0, 3))) + "}"
        if roll < 0.94:
            return f"({self.expression(deeper)})"
        if roll < 0.955:
            return f"{self.pick(['not ', '-', '+', 'not not '])}{self.operand(deeper)}"
        if roll < 0.975:
            values = self.pick(["n", "f", "s", "(n, s)", "(s,)", "xs", "d", "(f, f)", "(n, n)", "(3, 7)", "a", "b", "()", "(f, 2)", "(2, f)"])
            return f"'{''.join(self.pick(FORMATS) for _ in range(self.r.randrange(1, 3)))}' % {values}"
        if roll < 0.985:
            return f"'{{{self.pick(['', '0', 'k', '0.x', '0[a]', '0.name', '1'])}{self.pick(SPECS)}}}'.format({self.pick(['n', 'f', 's', 'd', 'a', 'flag', 'n, 4', 'xs', 'k=n', '12345678', '-1234.5', 'none'])})"
        if roll < 0.99:
            return f"{self.expression(deeper)} ** {self.pick(['2', '0', '-1', '3', '0.5'])}"
        return f"{self.expression(deeper)} < {self.expression(deeper)} <= {self.expression(deeper)}"

    def operand(self, depth):
        inner = self.expression(depth)
        # Behind a test without parentheses, a dot would make a longer name of it.
        return inner if self.chance(0.45) and " is " not in inner else f"({inner})"

    # --- statements
    def tag(self, inside):
        left, right = self.pick(["", "", "-", "-", "+"]), self.pick(["", "", "-", "-", "+"])
        space = self.pick([" ", " ", " ", "", "\n"])
        return f"{{%{left}{space if left or not inside.startswith(('-', '+')) else ' '}{inside} {right}%}}"

    def output(self, expression):
        left, right = self.pick(["", "", "", "-", "+"]), self.pick(["", "", "", "-"])
        return f"{{{{{left} {expression} {right}}}}}"

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.r.randrange(1, 4)))

    def isolated(self, depth):
        """A body in which the loop around it cannot be left."""
        outer, self.loops = self.loops, 0
        body = self.body(depth)
        self.loops = outer
        return body

    def statement(self, depth):
        roll = self.r.random()
        if depth <= 0 or roll < 0.22:
            return self.pick(TEXTS)
        if roll < 0.52:
            return self.output(self.expression())
        if roll < 0.60:
            middle = ""
            if self.chance(0.3):
                middle += self.tag("elif " + self.expression(2)) + self.body(depth - 1)
            if self.chance(0.5):
                middle += self.tag("else") + self.body(depth - 1)
            return self.tag("if " + self.expression(2)) + self.body(depth - 1) + middle + self.tag("endif")
        if roll < 0.70:
            return self.loop(depth)
        if roll < 0.78:
            target, value = self.pick([("x", None), ("y", None), ("ns.v", None), ("ns.w", None), ("x, y", "(1, 2)"), ("(x, y)", "[s, n]"), ("x", "x ~ s"), ("x", "x + 'a' + s"),
                                       ("ns.v", "ns.v ~ s ~ ns.v"), ("ns.v", "ns.v + [n] + [x]"), ("n", "n + 1"), ("s", "s + t + s")])
            return self.tag(f"set {target} = {value or self.expression(2)}")
        if roll < 0.82:
            filters = self.pick(["", "", " | upper", " | trim | length", " | replace('a', 'b')"])
            return self.tag(f"set {self.pick(['x', 'y', 'ns.v'])}{filters}") + self.body(depth - 1) + self.tag("endset")
        if roll < 0.86:
            name = self.pick(["m1", "m2", "m3"])
            parameters = self.pick(["", "p", "p, q", "p, q='dq'", "p=1, q=p, r=none", "p, caller=none"])
            body = self.pick(["", "", "{{ varargs }}", "{{ kwargs }}", "{{ caller() if caller }}", "{{ caller(1) }}", "{{ p }}{{ q }}"]) + self.isolated(depth - 1)
            text = self.tag(f"macro {name}({parameters})") + body + self.tag("endmacro")
            self.macros.append(name)
            return text
        if roll < 0.88 and self.macros:
            return self.tag(f"call{self.pick(['', '(x)', '(x, y=2)'])} {self.macro_call()}") + self.isolated(depth - 1) + self.tag("endcall")
        if roll < 0.90:
            return self.tag("filter " + self.pick(["upper", "trim", "replace('a', 'b')|upper", "indent(2)", "title"])) + self.body(depth - 1) + self.tag("endfilter")
        if roll < 0.92:
            return self.tag("with " + self.pick(["", "x = 1", "x = n, y = x", "x=s"])) + self.body(depth - 1) + self.tag("endwith")
        if roll < 0.93:
            return self.tag("generation") + self.isolated(depth - 1) + self.tag("endgeneration")
        if roll < 0.94:
            return "{%" + self.pick(["", "-", "+"]) + " raw " + self.pick(["", "-"]) + "%}" + self.pick(["{{ x }}", " {% if %} ", "\n"]) + "{%" + self.pick(["", "-", "+"]) + " endraw " + self.pick(["", "-", "+"]) + "%}"
        if roll < 0.96:
            return "{#" + self.pick(["", "-", "+"]) + self.pick([" note ", "", " {{ x }} ", "\n"]) + self.pick(["", "-", "+"]) + "#}"
        if roll < 0.97 and self.loops:
            return self.tag("if " + self.expression(1)) + self.tag(self.pick(["break", "continue"])) + self.tag("endif")
        if roll < 0.98:
            return self.tag("print " + self.expression(2))
        return self.pick(TEXTS) + self.output(self.expression(1))

    def loop(self, depth):
        target, source = self.pick([("x", None), ("x", "xs"), ("x", "words"), ("x", "people"), ("k, v", "d.items()"), ("k, v", "d|items"), ("k", "d"), ("x", "range(4)"), ("x", "s"),
                                    ("x, y", "[(1, 2), ('a', 'b')]"), ("x", "xs|select('odd')"), ("x", "people|map(attribute='name')"), ("i", "xs|reverse"), ("x", "ys")])
        condition = f" if {self.pick(['x', 'x is odd', 'x != ns.v', 'not x', 'loop is defined', 'true'])}" if self.chance(0.2) else ""
        recursive = self.chance(0.06)
        self.loops += 1
        body = self.body(depth - 1) + (self.pick(["{{ loop(x) if x is sequence and x is not string and loop.depth < 4 }}", "{{ loop([]) }}"]) if recursive else "")
        self.loops -= 1
        if self.chance(0.25):
            body += self.pick(["{{ loop.index }}", "{{ loop.last }}{{ loop.length }}", "{{ loop.previtem }}{{ loop.nextitem }}", "{% set ns.v = x %}", "{{ loop }}", "{{ loop.revindex }}"])
        other = self.tag("else") + self.body(depth - 1) if self.chance(0.2) else ""
        source = source or self.expression(2)
        return self.tag(f"for {target} in {source}{condition}{' recursive' if recursive else ''}") + body + other + self.tag("endfor")

    def template(self):
        start = self.pick(["{% set ns = namespace(v=0, w='') %}", "{%- set ns = namespace(v='') -%}", "{% set ns = namespace() %}\n", ""])
        return start + "".join(self.statement(3) for _ in range(self.r.randrange(1, 5)))


def cases(seed, count):
    for i in range(count):
        generator = Generator(f"{seed}-{i}")
        context = generator.context()
        if i % 3 == 0:
            generator.loops, generator.macros = 0, []
            yield generator.output(generator.expression(3)), context
        else:
            yield generator.template(), context
