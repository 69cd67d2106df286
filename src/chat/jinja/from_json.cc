// One case for each kind of JSON value.
#include "chat/jinja/from_json.h"

#include <string>

#include "core/json.h"

namespace gptq::chat {

Value from_json(Runtime& runtime, const OrderedJson& json, bool marked) {
  runtime.limits.step();
  switch (json.type()) {
    case OrderedJson::value_t::null: return Value::none();
    case OrderedJson::value_t::boolean: return Value::boolean(json.get<bool>());
    case OrderedJson::value_t::number_integer: return Value::integer(json.get<int64_t>());
    case OrderedJson::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
        fail("the integer " + std::to_string(json.get<uint64_t>()) + " does not fit in 64 bits");
      }
      return Value::integer(json.get<int64_t>());
    case OrderedJson::value_t::number_float: return Value::real(json.get<double>());
    case OrderedJson::value_t::string: {
      MarkedText text;
      text.append(json.get_ref<const std::string&>(), marked ? '\1' : '\0');
      return runtime.string(std::move(text));
    }
    case OrderedJson::value_t::array: {
      std::vector<Value> items;
      for (const OrderedJson& item : json) items.push_back(from_json(runtime, item, marked));
      return runtime.list(std::move(items));
    }
    case OrderedJson::value_t::object: {
      const Value dict = runtime.dict();
      for (const auto& [key, item] : json.items()) {
        dict.dict().set(runtime.limits, runtime.string(key), from_json(runtime, item, marked));
      }
      return dict;
    }
    default: fail("a JSON value of an unknown kind");
  }
}

}  // namespace gptq::chat
