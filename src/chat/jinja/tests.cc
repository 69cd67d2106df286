// The table of tests.
#include "chat/jinja/tests.h"

#include <map>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/letter_case.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/text_functions.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

// A test of only the value's kind.
template <bool (*kHolds)(const Value&)>
bool kind_test(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a test");
  return kHolds(value);
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_string(const Value& value) { return value.is_string(); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_integer(const Value& value) { return value.is(Kind::kInt); }
bool is_float(const Value& value) { return value.is(Kind::kFloat); }
bool is_boolean(const Value& value) { return value.is(Kind::kBool); }
bool is_true(const Value& value) { return value.is(Kind::kBool) && value.flag(); }
bool is_false(const Value& value) { return value.is(Kind::kBool) && !value.flag(); }
bool is_mapping(const Value& value) { return value.is_dict(); }
bool is_callable(const Value& value) {
  if (value.is(Kind::kCallable)) return value.callable().is_callable();
  return value.is_undefined() || value.is(Kind::kLoop);
}
bool is_escaped(const Value&) { return false; }  // there is no Markup here

bool is_sequence(const Value& value) {
  return value.is_undefined() || value.is_string() || value.is_list() || value.is(Kind::kRange) || value.is_dict();
}

bool odd(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "odd");
  return equal(runtime, binary(runtime, Operator::kModulo, value, Value::integer(2)), Value::integer(1));
}
bool even(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "even");
  return equal(runtime, binary(runtime, Operator::kModulo, value, Value::integer(2)), Value::integer(0));
}

bool divisible_by(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"num"}, "divisibleby");
  return equal(runtime, binary(runtime, Operator::kModulo, value, bound.at(0)), Value::integer(0));
}

bool equal_to(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return equal(runtime, value, BoundArguments(arguments, {"other"}, "equalto").at(0));
}
bool not_equal_to(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return !equal_to(runtime, value, arguments);
}

enum class Order { kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

template <Order kOrder>
bool ordered(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const std::partial_ordering order =
      compare(runtime, value, BoundArguments(arguments, {"other"}, "a comparison").at(0));
  switch (kOrder) {
    case Order::kLess: return order < 0;
    case Order::kLessOrEqual: return order <= 0;
    case Order::kGreater: return order > 0;
    default: return order >= 0;
  }
}

bool in(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return contains(runtime, BoundArguments(arguments, {"seq"}, "in").at(0), value);
}

bool same_as(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"other"}, "sameas");
  const Value& other = bound.at(0);
  if (value.kind() != other.kind()) return false;
  return value.identity() != nullptr ? value.identity() == other.identity() : equal(runtime, value, other);
}

template <bool kUpper>
bool has_case(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a test");
  return is_case_of(to_text(runtime, value).text, kUpper);
}

bool is_filter(Runtime& runtime, const Value& value, const Arguments&) {
  hash_key(runtime.limits, value);  // fails where Python's look-up would
  return value.is_string() && find_filter(value.text()) != nullptr;
}
bool is_test(Runtime& runtime, const Value& value, const Arguments&) {
  hash_key(runtime.limits, value);
  return value.is_string() && find_test(value.text()) != nullptr;
}

}  // namespace

Test find_test(const std::string& name) {
  static const std::map<std::string, Test> kTests = {{"defined", kind_test<is_defined>},
                                                     {"undefined", kind_test<is_undefined>},
                                                     {"none", kind_test<is_none>},
                                                     {"string", kind_test<is_string>},
                                                     {"number", kind_test<is_number>},
                                                     {"integer", kind_test<is_integer>},
                                                     {"float", kind_test<is_float>},
                                                     {"boolean", kind_test<is_boolean>},
                                                     {"true", kind_test<is_true>},
                                                     {"false", kind_test<is_false>},
                                                     {"mapping", kind_test<is_mapping>},
                                                     {"iterable", kind_test<is_iterable>},
                                                     {"sequence", kind_test<is_sequence>},
                                                     {"callable", kind_test<is_callable>},
                                                     {"escaped", kind_test<is_escaped>},
                                                     {"odd", odd},
                                                     {"even", even},
                                                     {"divisibleby", divisible_by},
                                                     {"==", equal_to},
                                                     {"eq", equal_to},
                                                     {"equalto", equal_to},
                                                     {"!=", not_equal_to},
                                                     {"ne", not_equal_to},
                                                     {"<", ordered<Order::kLess>},
                                                     {"lt", ordered<Order::kLess>},
                                                     {"lessthan", ordered<Order::kLess>},
                                                     {"<=", ordered<Order::kLessOrEqual>},
                                                     {"le", ordered<Order::kLessOrEqual>},
                                                     {">", ordered<Order::kGreater>},
                                                     {"gt", ordered<Order::kGreater>},
                                                     {"greaterthan", ordered<Order::kGreater>},
                                                     {">=", ordered<Order::kGreaterOrEqual>},
                                                     {"ge", ordered<Order::kGreaterOrEqual>},
                                                     {"in", in},
                                                     {"sameas", same_as},
                                                     {"upper", has_case<true>},
                                                     {"lower", has_case<false>},
                                                     {"filter", is_filter},
                                                     {"test", is_test}};
  const auto found = kTests.find(name);
  return found == kTests.end() ? nullptr : found->second;
}

}  // namespace gptq::chat
