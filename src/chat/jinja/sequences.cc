// Subscripts and slices.
#include <algorithm>

#include "chat/jinja/operations.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

bool begins_char(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

// The byte offset of the character `index` characters before the end; npos if there are fewer.
size_t char_offset_from_end(Runtime& runtime, const std::string& text, size_t index) {
  size_t position = text.size();
  while (position > 0) {
    --position;
    if (begins_char(text[position]) && --index == 0) break;
  }
  runtime.limits.work(text.size() - position);
  return index == 0 ? position : std::string::npos;
}

Value char_at(Runtime& runtime, const Value& string, int64_t index, const Value& missing) {
  const std::string& text = string.text();
  const size_t begin = index < 0 ? char_offset_from_end(runtime, text, static_cast<size_t>(-(index + 1)) + 1)
                                 : char_offset(runtime, text, static_cast<size_t>(index));
  if (begin >= text.size()) return missing;
  size_t end = begin;
  next_char(text, end);
  return runtime.string(substring(string.marked(), begin, end));
}

struct SliceBounds {
  int64_t begin, end, stride;
  size_t count() const {
    const int64_t distance = stride > 0 ? end - begin : begin - end;
    if (distance <= 0) return 0;
    const uint64_t step = stride > 0 ? static_cast<uint64_t>(stride) : ~static_cast<uint64_t>(stride) + 1;
    return static_cast<size_t>((static_cast<uint64_t>(distance) - 1) / step + 1);
  }
  size_t at(size_t place) const { return static_cast<size_t>(begin + static_cast<int64_t>(place) * stride); }
};

// Python's rules: bounds are clamped, negative ones count from the end, a negative step walks backwards.
SliceBounds slice_bounds(int64_t size, const Value& start, const Value& stop, const Value& step) {
  const int64_t stride = step.is_none() ? 1 : to_index(step, "a slice step");
  if (stride == 0) fail("slice step cannot be zero");
  const int64_t min = stride > 0 ? 0 : -1;
  const int64_t max = stride > 0 ? size : size - 1;
  const auto bound = [&](const Value& value, int64_t fallback) {
    if (value.is_none()) return fallback;
    int64_t index = to_index(value, "a slice bound");
    if (index < 0) index = index < -size ? min : index + size;
    return std::clamp(index, min, max);
  };
  return {bound(start, stride > 0 ? min : max), bound(stop, stride > 0 ? max : min), stride};
}

Value slice_string(Runtime& runtime, const Value& string, const SliceBounds& bounds) {
  const std::string& text = string.text();
  const size_t count = bounds.count();
  if (bounds.stride == 1 || count == 0) {
    if (count == 0) return runtime.string(MarkedText{});
    const size_t begin = char_offset(runtime, text, static_cast<size_t>(bounds.begin));
    const size_t end = begin + char_offset(runtime, text.substr(begin), static_cast<size_t>(bounds.end - bounds.begin));
    return runtime.string(substring(string.marked(), begin, end));
  }
  runtime.limits.produce(text.size());
  std::vector<uint32_t> starts;
  for (size_t position = 0; position < text.size(); ++position) {
    if (begins_char(text[position])) starts.push_back(static_cast<uint32_t>(position));
  }
  starts.push_back(static_cast<uint32_t>(text.size()));
  MarkedText out;
  for (size_t place = 0; place < count; ++place) {
    const size_t i = bounds.at(place);
    out.append(substring(string.marked(), starts[i], starts[i + 1]));
  }
  return runtime.string(std::move(out));
}

Value slice_range(Runtime& runtime, const RangeObject& range, const SliceBounds& bounds) {
  runtime.limits.hold(1);
  auto* part = runtime.heap.make<RangeObject>();
  part->start = range.start + bounds.begin * range.step;
  part->stop = range.start + bounds.end * range.step;
  part->count = static_cast<int64_t>(bounds.count());
  if (__builtin_mul_overflow(range.step, bounds.stride, &part->step)) fail("an integer does not fit in 64 bits");
  return Value::object(Kind::kRange, part);
}

}  // namespace

MarkedText substring(const MarkedText& text, size_t begin, size_t end) { return text.substr(begin, end - begin); }

size_t char_offset(Runtime& runtime, const std::string& text, size_t index) {
  size_t position = 0;
  for (; position < text.size(); ++position) {
    if (begins_char(text[position]) && index-- == 0) break;
  }
  runtime.limits.work(position);
  return position;
}

int64_t slice_bound(const Value& value, int64_t size, int64_t fallback) {
  if (value.is_none()) return fallback;
  const int64_t index = to_index(value, "a slice bound");
  return index < 0 ? std::max<int64_t>(index + size, 0) : std::min(index, size);
}

Value item(Runtime& runtime, const Value& container, const Value& key) {
  if (container.is_undefined()) fail_undefined(container);
  const Value missing = Value::undefined(key.is_string() ? type_name(container) + "." + key.text() : "the item");
  switch (container.kind()) {
    case Kind::kDict: {
      if (key.is(Kind::kList) || key.is(Kind::kDict)) return missing;
      const Value* found = container.dict().find(runtime.limits, key);
      return found != nullptr ? *found : missing;
    }
    case Kind::kNamespace: {
      const Value* found = key.is_string() ? container.dict().find(key.text()) : nullptr;
      return found != nullptr ? *found : missing;
    }
    case Kind::kString: return key.is_integer() ? char_at(runtime, container, key.integer(), missing) : missing;
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange: break;
    default: return missing;
  }
  if (!key.is_integer()) return missing;
  const auto size = static_cast<int64_t>(length(runtime, container));
  const int64_t index = key.integer() < 0 ? key.integer() + size : key.integer();
  if (index < 0 || index >= size) return missing;
  return container.is(Kind::kRange) ? container.range().at(index) : container.list().items[static_cast<size_t>(index)];
}

Value slice(Runtime& runtime, const Value& sequence, const Value& start, const Value& stop, const Value& step) {
  if (sequence.is_undefined()) fail_undefined(sequence);
  if (!sequence.is_list() && !sequence.is_string() && !sequence.is(Kind::kRange)) {
    fail("'" + type_name(sequence) + "' object cannot be sliced");
  }
  const SliceBounds bounds = slice_bounds(static_cast<int64_t>(length(runtime, sequence)), start, stop, step);
  if (sequence.is_string()) return slice_string(runtime, sequence, bounds);
  if (sequence.is(Kind::kRange)) return slice_range(runtime, sequence.range(), bounds);
  std::vector<Value> items;
  items.reserve(bounds.count());
  for (size_t place = 0; place < bounds.count(); ++place) items.push_back(sequence.list().items[bounds.at(place)]);
  return sequence.is(Kind::kList) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
}

}  // namespace gptq::chat
