// Every operation of a template that goes through its input counts that: a table of all filters, methods, tests,
// functions and operators, each on input that is larger than the bounds of the rendering.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <gptq/error.h>

#include "chat/jinja/filters.h"
#include "chat/jinja/globals.h"
#include "chat/jinja/members.h"
#include "chat/jinja/template.h"
#include "chat/jinja/tests.h"

namespace gptq::chat {
namespace {

constexpr size_t kTextSize = size_t{1} << 16, kItems = size_t{1} << 12;
constexpr Bounds kBounds{.steps = 1 << 10, .work = kTextSize / 2, .produced = kTextSize / 2, .held = 1 << 10};

Value repeated(const std::string& part, size_t size = kTextSize) {
  std::string text;
  while (text.size() < size) text += part;
  return Value::string(text);
}

Value list_of(Runtime& runtime, const Value& item) {
  auto* list = runtime.heap.make<ListObject>();
  list->items.assign(kItems, item);
  return Value::object(Kind::kList, list);
}

Value dict_of(Runtime& runtime, const Value& item, size_t count = kItems) {
  Limits unbounded({SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX});
  auto* dict = runtime.heap.make<DictObject>();
  for (size_t i = 0; i < count; ++i) dict->set(unbounded, "k" + std::to_string(i), item);
  return Value::object(Kind::kDict, dict);
}

// What is there before the rendering counts for nothing.
void define(Runtime& runtime, Scope& scope) {
  scope.set("s", repeated("ab "));
  scope.set("t", repeated("ab "));
  scope.set("spaces", repeated(" "));
  scope.set("tabs", repeated("\t"));
  scope.set("lines", repeated("\n"));
  scope.set("digits", repeated("1"));
  scope.set("json", Value::string("[" + repeated("1,").text() + "1]"));
  scope.set("braces", repeated("{{"));
  scope.set("dots", repeated("."));
  scope.set("l", list_of(runtime, Value::integer(1)));
  scope.set("l2", list_of(runtime, Value::integer(1)));
  scope.set("empties", list_of(runtime, Value::string("")));
  scope.set("records", list_of(runtime, dict_of(runtime, Value::integer(1), 1)));
  scope.set("d", dict_of(runtime, Value::integer(1)));
  scope.set("d2", dict_of(runtime, Value::integer(1)));
  scope.set("nones", dict_of(runtime, Value::none()));
}

// Empty, or the reason why the rendering was refused.
std::string refusal(const std::string& source) {
  try {
    Template(source).render(0, define, kBounds);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// Goes through its whole input.
const std::vector<std::string> kCounted = {
    "s|upper", "s|lower", "s|capitalize", "s|title", "spaces|trim", "s|trim('ab ')", "s|replace('q', '')",
    "spaces|replace(' ', '')", "s|indent", "lines|indent", "s|truncate(99999999)", "s|center(5)", "s|wordcount",
    "s|format", "'%.0s'|format(s)", "s|tojson", "l|tojson", "d|tojson(sort_keys=true)", "json|from_json", "s|escape",
    "s|e", "s|forceescape", "s|urlencode", "d|urlencode", "nones|xmlattr", "s|length", "s|count", "l|last", "d|last",
    "l|list", "empties|join", "empties|join(s)", "l|sort", "records|sort(attribute='k0')", "d|dictsort", "l|min",
    "l|max", "l|sum", "records|sum('k0')", "records|groupby('k0')", "l|map('string')|list",
    "records|map(attribute='k0')|list", "records|map(attribute=dots)|list", "l|select|list", "l|reject|list",
    "records|selectattr('k0')|list", "records|rejectattr('k0')|list", "l|unique|list", "d|items|list", "s|reverse",
    "l|reverse|list", "l|batch(7)|list", "l|batch(99999999)|list", "l|slice(3)|list", "digits|int", "digits|float",
    "s|float", "digits|filesizeformat", "l|string", "[s, s]|map('upper')|join",
    //
    "s.upper()", "s.lower()", "s.casefold()", "s.title()", "s.capitalize()", "s.swapcase()", "spaces.strip()",
    "spaces.lstrip()", "spaces.rstrip()", "s.strip('ab ')", "'x'.strip(s)", "s.split()", "s.split('q')",
    "spaces.split(' ')", "s.rsplit(none, 9)", "s.rsplit('q')", "spaces.rsplit(' ', 999999)", "spaces.rsplit()",
    "lines.splitlines()", "s.splitlines()", "s.startswith(s)", "s.startswith('a', 5)", "s.endswith(t)",
    "s.removeprefix('q')", "s.removesuffix('q')", "s.replace('q', '')", "spaces.replace(' ', '')", "''.join(empties)",
    "s.join(empties)", "s.find('q')", "s.rfind('q')", "s.index('q')", "s.rindex('q')", "s.count('q')",
    "s.partition('q')", "s.rpartition('q')", "s.ljust(5)", "s.rjust(5)", "s.center(5)", "'a'.center(999999)",
    "s.zfill(5)", "digits.isalnum()", "spaces.isspace()", "digits.isdigit()", "digits.isdecimal()",
    "digits.isnumeric()", "s.isascii()", "s.isprintable()", "s.islower()", "s.isupper()", "s.istitle()",
    "digits.isalpha()", "tabs.expandtabs(0)", "s.format()", "braces.format()", "'{}'.format(s)", "'{!a}'.format(s)",
    "s.format_map(nones)", "''.format_map(d)", "d.items()", "d.keys()", "d.values()", "d.copy()", "l.count(1)",
    "l.index(2)", "l.copy()",
    //
    "s is upper", "s is lower", "'q' is in s", "2 is in l", "s is eq(t)", "s is equalto(t)", "s is ne(t)", "s is ge(t)",
    "s is gt(t)", "s is greaterthan(t)", "s is le(t)", "s is lt(t)", "s is lessthan(t)", "s is sameas(t)", "s is odd",
    "s is even", "s is divisibleby(2)", "s is filter", "s is test",
    //
    "dict(d)", "namespace(d)", "dict(**d)", "cycler(*l)", "raise_exception(s)", "strftime_now(s)",
    //
    "s + 'x'", "s ~ 'x'", "s * 2", "'' * 99999", "l + l", "[] + l", "l * 2", "s == t", "s < t", "s != t", "'q' in s",
    "'q' not in s", "2 in l", "l == l2", "l < l2", "d == d2", "s[::2]", "s[::-1]", "s[5:]", "s[60000]", "s[-60000]",
    "l[1:]", "{s: 1}", "d[s]", "d.get(s)", "s % ()", "'%s' % s", "'%a' % (s,)", "(1, s)|string"};

// Looks at its input's kind, length in items or beginning only.
const std::vector<std::string> kConstant = {
    "s|default(1)", "s|d(1)", "s|string", "s|safe", "l|first", "s|first", "d|attr('k0')", "1|abs", "1.5|round",
    "l|length", "d|count",
    //
    "s.startswith('ab')", "s.endswith('b ')", "d.get('k0')",
    //
    "s is defined", "s is undefined", "s is none", "s is string", "s is number", "s is integer", "s is float",
    "s is boolean", "s is true", "s is false", "d is mapping", "l is iterable", "l is sequence", "s is callable",
    "s is escaped", "1 is odd",
    //
    "range(9)", "joiner()", "s and l", "not s", "l[5]", "s[5]", "s or 1", "s if l else d"};

bool any_has(const std::string& part) {
  for (const auto* table : {&kCounted, &kConstant}) {
    for (const std::string& expression : *table) {
      if (expression.find(part) != std::string::npos) return true;
    }
  }
  return false;
}

TEST(TemplateCosts, WhatGoesThroughItsInputIsCounted) {
  for (const std::string& expression : kCounted) {
    const std::string reason = refusal("{% set x = " + expression + " %}");
    EXPECT_NE(reason.find("more than"), std::string::npos) << expression << ": " << reason;
  }
}

TEST(TemplateCosts, WhatDoesNotIsFree) {
  for (const std::string& expression : kConstant) {
    EXPECT_EQ(refusal("{% for i in range(99) %}{% set x = " + expression + " %}{% endfor %}"), "") << expression;
  }
}

TEST(TemplateCosts, StatementsAreCounted) {
  for (const std::string source :
       {"{{ s }}", "{% for x in l %}{% endfor %}", "{% for x in s %}{% break %}{% endfor %}", "{% set a, b = l %}",
        "{% for x in l if false %}{% endfor %}", "{% set x %}{{ s }}{% endset %}",
        "{% filter upper %}{{ s }}{% endfilter %}", "{% macro m() %}{{ varargs }}{% endmacro %}{{ m(*l) }}",
        "{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(**d) }}", "{% for x in [1] %}{{ loop.changed(*l) }}{% endfor %}",
        "{% for x in [1] %}{{ loop.cycle(*l) }}{% endfor %}", "{% set n = namespace(x=s) %}{% set n.x = n.x ~ s %}"}) {
    EXPECT_NE(refusal(source).find("more than"), std::string::npos) << source;
  }
}

TEST(TemplateCosts, TheTablesHaveEveryOperation) {
  for (const auto* filters :
       {&text_filters(), &list_filters(), &lazy_filters(), &number_filters(), &markup_filters()}) {
    for (const auto& [name, function] : *filters) EXPECT_TRUE(any_has("|" + name)) << name;
  }
  for (const std::string name :
       {"capitalize", "casefold",     "center",       "count",   "encode",     "endswith",    "expandtabs",
        "find",       "format",       "format_map",   "index",   "isalnum",    "isalpha",     "isascii",
        "isdecimal",  "isdigit",      "isidentifier", "islower", "isnumeric",  "isprintable", "isspace",
        "istitle",    "isupper",      "join",         "ljust",   "lower",      "lstrip",      "maketrans",
        "partition",  "removeprefix", "removesuffix", "replace", "rfind",      "rindex",      "rjust",
        "rpartition", "rsplit",       "rstrip",       "split",   "splitlines", "startswith",  "strip",
        "swapcase",   "title",        "translate",    "upper",   "zfill"}) {
    EXPECT_TRUE(string_method(name) == nullptr || any_has("." + name + "(")) << name;
  }
  for (const std::string name :
       {"boolean",  "callable", "defined", "divisibleby", "eq",        "equalto", "escaped", "even",     "false",
        "filter",   "float",    "ge",      "greaterthan", "gt",        "in",      "integer", "iterable", "le",
        "lessthan", "lower",    "lt",      "mapping",     "ne",        "none",    "number",  "odd",      "sameas",
        "sequence", "string",   "test",    "true",        "undefined", "upper"}) {
    EXPECT_NE(find_test(name), nullptr) << name;
    EXPECT_TRUE(any_has(" is " + name)) << name;
  }
  Runtime runtime(0);
  for (const auto& [name, function] : make_globals(runtime)) EXPECT_TRUE(any_has(name + "(")) << name;
}

// These took minutes when they compared every name with every other one.
TEST(TemplateCosts, KeywordArgumentsTakeLinearTime) {
  std::string parameters, arguments;
  for (int i = 0; i < 30'000; ++i) {
    parameters += (i > 0 ? ", a" : "a") + std::to_string(i);
    arguments += (i > 0 ? ", a" : "a") + std::to_string(i) + "=1";
  }
  const std::string macro = "{% macro m(" + parameters + ") %}{% endmacro %}";
  EXPECT_NO_THROW(Template(macro + "{{ m(" + arguments + ") }}").render(0, define));
  EXPECT_NO_THROW(Template("{{ dict(" + arguments + ", **d)|length }}").render(0, define));
}

}  // namespace
}  // namespace gptq::chat
