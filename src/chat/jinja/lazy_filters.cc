// Filters whose result is a lazy iterator, like Python's generators: map, select, unique, batch.
#include <algorithm>
#include <set>
#include <utility>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/letter_case.h"
#include "chat/jinja/members.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/tests.h"

namespace gptq::chat {

namespace {

// Arguments are evaluated when the first item is requested, and not at all when the value is empty or false.
class Lazy : public Iterator {
 public:
  Lazy(Value value, Arguments arguments) : value_(std::move(value)), arguments_(std::move(arguments)) {}

 protected:
  bool next_source(Runtime& runtime, Value& item) {
    runtime.limits.step();
    const Nesting level(runtime.limits);
    if (source_ == nullptr) source_ = &start_iteration(runtime, value_);
    return source_->next(runtime, item);
  }
  bool begins() { return !std::exchange(begun_, true); }

  Value value_;
  Arguments arguments_;

 private:
  Iterator* source_ = nullptr;
  bool begun_ = false;
};

template <typename T>
Value lazy(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return runtime.iterator<T>(value, arguments);
}

// map(attribute=..., default=...) or map("filter", arguments...).
class Map : public Lazy {
 public:
  using Lazy::Lazy;
  bool next(Runtime& runtime, Value& item) override {
    if (!truth(value_)) return false;
    if (begins()) prepare();
    if (!next_source(runtime, item)) return false;
    item = filter_ != nullptr ? filter_(runtime, item, arguments_)
                              : attribute_path(runtime, item, path_, fallback_.is_none() ? nullptr : &fallback_);
    return true;
  }

 private:
  void prepare() {
    if (arguments_.positional.empty()) {
      const BoundArguments bound(arguments_, {"attribute", "default"}, "map");
      path_ = bound.at(0);
      fallback_ = bound.get(1, Value::none());
      return;
    }
    const Value name = arguments_.positional[0];
    filter_ = name.is_string() ? find_filter(name.text()) : nullptr;
    if (filter_ == nullptr) fail("map: there is no such filter" + (name.is_string() ? ": " + name.text() : ""));
    arguments_.positional.erase(arguments_.positional.begin());
  }

  Native filter_ = nullptr;
  Value path_, fallback_;
};

// select and reject, by a test on the item or on one of its attributes; without a test by truth.
template <bool kKeep, bool kByAttribute>
class Choose : public Lazy {
 public:
  using Lazy::Lazy;
  bool next(Runtime& runtime, Value& item) override {
    if (!truth(value_)) return false;
    if (begins()) prepare();
    while (next_source(runtime, item)) {
      const Value subject = kByAttribute ? attribute_path(runtime, item, path_) : item;
      const bool holds = test_ != nullptr ? test_(runtime, subject, arguments_) : truth(subject);
      if (holds == kKeep) return true;
    }
    return false;
  }

 private:
  void prepare() {
    auto& positional = arguments_.positional;
    if (kByAttribute) {
      if (positional.empty()) fail("Missing parameter for attribute name");
      path_ = positional[0];
      positional.erase(positional.begin());
    }
    if (positional.empty()) return;
    const Value name = positional[0];
    test_ = name.is_string() ? find_test(name.text()) : nullptr;
    if (test_ == nullptr) fail("there is no such test" + (name.is_string() ? ": " + name.text() : ""));
    positional.erase(positional.begin());
  }

  Test test_ = nullptr;
  Value path_;
};

class Unique : public Lazy {
 public:
  using Lazy::Lazy;
  bool next(Runtime& runtime, Value& item) override {
    const BoundArguments bound(arguments_, {"case_sensitive", "attribute"}, "unique");
    while (next_source(runtime, item)) {
      Value key = attribute_path(runtime, item, bound.get(1, Value::none()));
      if (key.is_string() && !bound.flag(0, false)) key = runtime.string(lower(runtime, key.marked()));
      std::string hash = hash_key(runtime.limits, key);
      const size_t size = hash.size();
      if (!seen_.insert(std::move(hash)).second) continue;
      runtime.limits.hold(2);
      runtime.limits.produce(size);
      return true;
    }
    return false;
  }

 private:
  std::set<std::string> seen_;
};

class Items : public Lazy {
 public:
  using Lazy::Lazy;
  bool next(Runtime& runtime, Value& item) override {
    if (value_.is_undefined()) return false;
    if (!value_.is_dict()) fail("Can only get item pairs from a mapping.");
    const auto& entries = value_.dict().entries;
    if (position_ == entries.size()) return false;
    item = runtime.tuple({entries[position_].first, entries[position_].second});
    ++position_;
    return true;
  }

 private:
  size_t position_ = 0;
};

class Reversed : public Lazy {
 public:
  using Lazy::Lazy;
  bool next(Runtime& runtime, Value& item) override {
    if (begins()) items_ = iterate(runtime, value_);
    if (items_.empty()) return false;
    item = items_.back();
    items_.pop_back();
    return true;
  }

 private:
  std::vector<Value> items_;
};

class Batch : public Lazy {
 public:
  using Lazy::Lazy;
  bool next(Runtime& runtime, Value& item) override {
    const BoundArguments bound(arguments_, {"linecount", "fill_with"}, "batch");
    const Value& size = bound.at(0);
    std::vector<Value> line;
    if (has_held_) line.push_back(held_);
    has_held_ = false;
    while (next_source(runtime, held_)) {
      // A line whose size is never reached extends to the end; with size zero the first line is an empty list.
      if (equal(runtime, Value::integer(static_cast<int64_t>(line.size())), size)) {
        has_held_ = true;
        item = runtime.list(std::move(line));
        return true;
      }
      runtime.limits.hold(1);
      line.push_back(held_);
    }
    if (line.empty()) return false;
    if (!bound.is_none_or_missing(1) && compare(runtime, Value::integer(static_cast<int64_t>(line.size())), size) < 0) {
      const int64_t wanted = to_index(size, "the line count of batch");
      runtime.limits.hold(static_cast<size_t>(wanted));
      line.resize(static_cast<size_t>(wanted), bound.at(1));
    }
    item = runtime.list(std::move(line));
    return true;
  }

 private:
  Value held_;
  bool has_held_ = false;
};

class Slices : public Lazy {
 public:
  using Lazy::Lazy;
  bool next(Runtime& runtime, Value& item) override {
    const BoundArguments bound(arguments_, {"slices", "fill_with"}, "slice");
    const int64_t count = to_index(bound.at(0), "the number of slices");
    if (begins()) {
      items_ = iterate(runtime, value_);
      if (count == 0) fail("integer division or modulo by zero");
    }
    if (number_ >= count) return false;
    runtime.limits.step();
    const auto all = static_cast<int64_t>(items_.size());
    const int64_t size = all / count, longer = all % count;
    const int64_t end = begin_ + size + (number_ < longer ? 1 : 0);
    std::vector<Value> part(items_.begin() + begin_, items_.begin() + end);
    if (!bound.is_none_or_missing(1) && number_ >= longer) part.push_back(bound.at(1));
    item = runtime.list(std::move(part));
    begin_ = end;
    ++number_;
    return true;
  }

 private:
  std::vector<Value> items_;
  int64_t number_ = 0, begin_ = 0;
};

Value reverse(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "reverse");
  if (value.is_string()) return slice(runtime, value, Value::none(), Value::none(), Value::integer(-1));
  if (!is_iterable(value) || value.is(Kind::kLoop)) fail("argument must be iterable");
  if (!value.is(Kind::kIterator)) return runtime.iterator<Reversed>(value, arguments);
  std::vector<Value> items = iterate(runtime, value);
  std::reverse(items.begin(), items.end());
  return runtime.list(std::move(items));
}

}  // namespace

const std::map<std::string, Native>& lazy_filters() {
  static const std::map<std::string, Native> kFilters = {{"map", lazy<Map>},
                                                         {"select", lazy<Choose<true, false>>},
                                                         {"reject", lazy<Choose<false, false>>},
                                                         {"selectattr", lazy<Choose<true, true>>},
                                                         {"rejectattr", lazy<Choose<false, true>>},
                                                         {"unique", lazy<Unique>},
                                                         {"items", lazy<Items>},
                                                         {"reverse", reverse},
                                                         {"batch", lazy<Batch>},
                                                         {"slice", lazy<Slices>}};
  return kFilters;
}

}  // namespace gptq::chat
