// The global functions of a template.
#include "chat/jinja/globals.h"

#include <ctime>
#include <utility>

#include "chat/jinja/arguments.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/time_format.h"

namespace gptq::chat {

namespace {

constexpr uint64_t kMaxRangeItems = 100'000;  // as in Jinja's sandbox

Value range(Runtime& runtime, const Value&, const Arguments& arguments) {
  if (!arguments.named.empty()) fail("range() takes no keyword arguments");
  const auto& bounds = arguments.positional;
  if (bounds.empty() || bounds.size() > 3) fail("range expected from 1 to 3 arguments");
  const int64_t start = bounds.size() > 1 ? to_index(bounds[0], "a bound of range()") : 0;
  const int64_t stop = to_index(bounds[bounds.size() > 1 ? 1 : 0], "a bound of range()");
  const int64_t step = bounds.size() > 2 ? to_index(bounds[2], "the step of range()") : 1;
  if (step == 0) fail("range() arg 3 must not be zero");
  runtime.limits.hold(1);
  auto* range = runtime.heap.make<RangeObject>();
  range->start = start;
  range->stop = stop;
  range->step = step;
  const bool empty = step > 0 ? start >= stop : start <= stop;
  if (!empty) {
    const uint64_t distance = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                       : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
    const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : ~static_cast<uint64_t>(step) + 1;
    const uint64_t count = (distance - 1) / stride + 1;
    if (count > kMaxRangeItems) fail("a range of more than 100000 numbers");
    range->count = static_cast<int64_t>(count);
  }
  return Value::object(Kind::kRange, range);
}

// dict(other, a=1, ...) and namespace(other, a=1, ...); `other` is a mapping or a list of pairs.
Value collected(Runtime& runtime, const Arguments& arguments, Kind kind) {
  const Value dict = runtime.dict();
  if (arguments.positional.size() > 1) fail("dict expected at most 1 argument");
  for (const Value& source : arguments.positional) {
    if (source.is_undefined() && kind == Kind::kDict) continue;
    if (source.is_dict()) {
      for (const auto& [key, item] : source.dict().entries) dict.dict().set(runtime.limits, key, item);
      continue;
    }
    for (const Value& pair : iterate(runtime, source)) {
      const std::vector<Value> parts = iterate(runtime, pair);
      if (parts.size() != 2) fail("dict expects pairs");
      dict.dict().set(runtime.limits, parts[0], parts[1]);
    }
  }
  for (const auto& [name, item] : arguments.named) dict.dict().set(runtime.limits, name, item);
  return Value::object(kind, &dict.dict());
}

Value make_dict(Runtime& runtime, const Value&, const Arguments& arguments) {
  return collected(runtime, arguments, Kind::kDict);
}

Value make_namespace(Runtime& runtime, const Value&, const Arguments& arguments) {
  return collected(runtime, arguments, Kind::kNamespace);
}

Value raise_exception(Runtime& runtime, const Value&, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"message"}, "raise_exception");
  throw RaisedByTemplate{to_text(runtime, bound.at(0)).text};
}

Value strftime_now(Runtime& runtime, const Value&, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"format"}, "strftime_now");
  runtime.limits.work(bound.string(0).text.size());
  const auto seconds = static_cast<std::time_t>(runtime.clock);
  std::tm time{};
  if (::localtime_r(&seconds, &time) == nullptr) fail("the clock's time is outside the calendar");
  return runtime.string(format_time(time, bound.string(0).text));
}

// joiner(sep): "" the first time it is called, the separator from then on.
struct Joiner : Callable {
  explicit Joiner(Value between) : separator(std::move(between)) {}
  Value call(Runtime&, const Arguments&) override {
    const bool first = !std::exchange(used, true);
    return first ? Value::string("") : separator;
  }
  std::string name() const override { return "joiner"; }
  Value separator;
  bool used = false;
};

// cycler(a, b, ...): next(), current, reset().
struct Cycler : Callable {
  explicit Cycler(std::vector<Value> values) : items(std::move(values)) {}
  Value call(Runtime&, const Arguments&) override { fail("a cycler is not called; use next()"); }
  bool is_callable() const override { return false; }
  std::string name() const override { return "cycler"; }
  Value attribute(Runtime& runtime, const std::string& attribute_name) override {
    const Value self = Value::object(Kind::kCallable, this);
    if (attribute_name == "current") return items[position];
    if (attribute_name == "next") return runtime.native("next", next, self);
    if (attribute_name == "reset") return runtime.native("reset", reset, self);
    return Value::undefined("cycler." + attribute_name);
  }
  static Value next(Runtime&, const Value& self, const Arguments&) {
    auto& cycler = static_cast<Cycler&>(self.callable());
    const Value item = cycler.items[cycler.position];
    cycler.position = (cycler.position + 1) % cycler.items.size();
    return item;
  }
  static Value reset(Runtime&, const Value& self, const Arguments&) {
    static_cast<Cycler&>(self.callable()).position = 0;
    return Value::none();
  }
  std::vector<Value> items;
  size_t position = 0;
};

Value make_joiner(Runtime& runtime, const Value&, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sep"}, "joiner");
  runtime.limits.hold(1);
  return Value::object(Kind::kCallable, runtime.heap.make<Joiner>(bound.get(0, Value::string(", "))));
}

Value make_cycler(Runtime& runtime, const Value&, const Arguments& arguments) {
  if (arguments.positional.empty()) fail("at least one item has to be provided");
  runtime.limits.hold(arguments.positional.size() + 1);
  return Value::object(Kind::kCallable, runtime.heap.make<Cycler>(arguments.positional));
}

}  // namespace

std::map<std::string, Value> make_globals(Runtime& runtime) {
  return {{"range", runtime.native("range", range)},
          {"dict", runtime.native("dict", make_dict)},
          {"namespace", runtime.native("namespace", make_namespace)},
          {"raise_exception", runtime.native("raise_exception", raise_exception)},
          {"strftime_now", runtime.native("strftime_now", strftime_now)},
          {"joiner", runtime.native("joiner", make_joiner)},
          {"cycler", runtime.native("cycler", make_cycler)}};
}

}  // namespace gptq::chat
