// One function for each level of precedence.
#include "chat/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <unordered_set>

#include "chat/jinja/filters.h"
#include "chat/jinja/tests.h"

namespace gptq::chat {

bool ExpressionParser::accept_operator(std::string_view text) {
  if (!is_operator(text)) return false;
  take();
  return true;
}

bool ExpressionParser::accept_name(std::string_view text) {
  if (!is_name(text)) return false;
  take();
  return true;
}

void ExpressionParser::expect_operator(std::string_view text) {
  if (!accept_operator(text)) fail("found " + describe() + ", expected '" + std::string(text) + "'");
}

void ExpressionParser::expect_name(std::string_view text) {
  if (!accept_name(text)) fail("found " + describe() + ", expected '" + std::string(text) + "'");
}

std::string ExpressionParser::take_name() {
  if (!is(TokenKind::kName)) fail("found " + describe() + ", expected a name");
  return take().text;
}

std::string ExpressionParser::describe() const {
  switch (peek().kind) {
    case TokenKind::kEnd: return "the end of the template";
    case TokenKind::kBlockEnd: return "the end of the tag";
    case TokenKind::kPrintEnd: return "'}}'";
    default: return "'" + peek().text.substr(0, 40) + "'";
  }
}

ExprPtr ExpressionParser::make(ExprKind kind) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->place = peek().place;
  return expr;
}

ExprPtr ExpressionParser::make(ExprKind kind, ExprPtr operand) const {
  ExprPtr expr = make(kind);
  append_child(*expr, std::move(operand));
  return expr;
}

ExprPtr ExpressionParser::make(ExprKind kind, ExprPtr left, ExprPtr right) const {
  ExprPtr expr = make(kind, std::move(left));
  append_child(*expr, std::move(right));
  return expr;
}

void ExpressionParser::update_height(Expr& parent, const ExprPtr& child) const {
  constexpr int kMaxHeight = 250;
  if (!child) return;
  parent.height = std::max(parent.height, child->height + 1);
  if (parent.height > kMaxHeight) fail("an expression of more than 250 levels");
}

void ExpressionParser::append_child(Expr& parent, ExprPtr child) const {
  update_height(parent, child);
  parent.operands.push_back(std::move(child));
}

void ExpressionParser::append_child(Expr& parent, CallArguments call) const {
  for (const ExprPtr& argument : call.positional) update_height(parent, argument);
  for (const auto& [name, argument] : call.named) update_height(parent, argument);
  update_height(parent, call.star);
  update_height(parent, call.double_star);
  parent.call = std::move(call);
}

ExprPtr ExpressionParser::constant(Value value) const {
  ExprPtr expr = make(ExprKind::kConstant);
  expr->value = std::move(value);
  return expr;
}

ExprPtr ExpressionParser::expression() {
  const Level level(*this);
  const size_t known_before = unknown_.size();
  ExprPtr expr = either();
  while (accept_name("if")) {
    ExprPtr condition = either();
    ExprPtr otherwise = accept_name("else") ? expression() : nullptr;
    ExprPtr choice = make(ExprKind::kConditional, std::move(condition), std::move(expr));
    append_child(*choice, std::move(otherwise));
    expr = std::move(choice);
    unknown_.erase(unknown_.begin() + static_cast<std::ptrdiff_t>(known_before), unknown_.end());
  }
  return expr;
}

ExprPtr ExpressionParser::tuple_expression() { return tuple_of(true); }
ExprPtr ExpressionParser::without_condition() { return tuple_of(false); }

ExprPtr ExpressionParser::tuple_of(bool with_condition) {
  const Level level(*this);
  ExprPtr first = with_condition ? expression() : either();
  if (!is_operator(",")) return first;
  ExprPtr tuple = make(ExprKind::kTuple, std::move(first));
  while (accept_operator(",")) {
    const bool ends = is(TokenKind::kBlockEnd) || is(TokenKind::kPrintEnd) || is_operator(")");
    if (ends) break;
    append_child(*tuple, with_condition ? expression() : either());
  }
  return tuple;
}

ExprPtr ExpressionParser::either() {
  ExprPtr left = both();
  while (accept_name("or")) left = make(ExprKind::kOr, std::move(left), both());
  return left;
}

ExprPtr ExpressionParser::both() {
  ExprPtr left = negation();
  while (accept_name("and")) left = make(ExprKind::kAnd, std::move(left), negation());
  return left;
}

ExprPtr ExpressionParser::negation() {
  if (!accept_name("not")) return comparison();
  const Level level(*this);
  return make(ExprKind::kNot, negation());
}

std::optional<Comparison> ExpressionParser::accept_comparison() {
  static const std::map<std::string, Comparison, std::less<>> kSigns = {
      {"==", Comparison::kEqual},       {"!=", Comparison::kUnequal}, {"<", Comparison::kLess},
      {"<=", Comparison::kLessOrEqual}, {">", Comparison::kGreater},  {">=", Comparison::kGreaterOrEqual}};
  if (accept_name("in")) return Comparison::kIn;
  if (is_name("not") && peek(1).kind == TokenKind::kName && peek(1).text == "in") {
    take();
    take();
    return Comparison::kNotIn;
  }
  const auto sign = is(TokenKind::kOperator) ? kSigns.find(peek().text) : kSigns.end();
  if (sign == kSigns.end()) return std::nullopt;
  take();
  return sign->second;
}

ExprPtr ExpressionParser::comparison() {
  ExprPtr first = sum();
  ExprPtr compare;
  while (const std::optional<Comparison> sign = accept_comparison()) {
    if (!compare) compare = make(ExprKind::kCompare, std::move(first));
    compare->comparisons.push_back(*sign);
    append_child(*compare, sum());
  }
  return compare ? std::move(compare) : std::move(first);
}

// The operator at the current token, of those in `signs`.
std::optional<Operator> ExpressionParser::accept_arithmetic(std::initializer_list<std::string_view> signs) {
  static const std::map<std::string, Operator, std::less<>> kSigns = {
      {"+", Operator::kAdd},          {"-", Operator::kSubtract}, {"*", Operator::kMultiply}, {"/", Operator::kDivide},
      {"//", Operator::kFloorDivide}, {"%", Operator::kModulo},   {"**", Operator::kPower}};
  for (const std::string_view sign : signs) {
    if (accept_operator(sign)) return kSigns.find(sign)->second;
  }
  return std::nullopt;
}

ExprPtr ExpressionParser::binary(Operator operation, ExprPtr left, ExprPtr right) const {
  ExprPtr expr = make(ExprKind::kBinary, std::move(left), std::move(right));
  expr->operation = operation;
  return expr;
}

ExprPtr ExpressionParser::sum() {
  ExprPtr left = concatenation();
  while (const std::optional<Operator> sign = accept_arithmetic({"+", "-"})) {
    left = binary(*sign, std::move(left), concatenation());
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  ExprPtr first = product();
  if (!is_operator("~")) return first;
  ExprPtr concat = make(ExprKind::kConcat, std::move(first));
  while (accept_operator("~")) append_child(*concat, product());
  return concat;
}

ExprPtr ExpressionParser::product() {
  ExprPtr left = power();
  while (const std::optional<Operator> sign = accept_arithmetic({"*", "/", "//", "%"})) {
    left = binary(*sign, std::move(left), power());
  }
  return left;
}

ExprPtr ExpressionParser::power() {
  ExprPtr left = unary(true);
  while (accept_operator("**")) left = binary(Operator::kPower, std::move(left), unary(true));
  return left;
}

ExprPtr ExpressionParser::unary(bool with_filter) {
  const Level level(*this);
  ExprPtr expr;
  if (accept_operator("-"))
    expr = make(ExprKind::kNegative, unary(false));
  else if (accept_operator("+"))
    expr = make(ExprKind::kPositive, unary(false));
  else
    expr = primary();
  expr = postfix(std::move(expr));
  return with_filter ? filters_and_tests(std::move(expr)) : std::move(expr);
}

ExprPtr ExpressionParser::primary() {
  switch (peek().kind) {
    case TokenKind::kString: {
      std::string text;
      while (is(TokenKind::kString)) text += take().text;  // adjacent strings are concatenated
      return constant(Value::string(text));
    }
    case TokenKind::kInt: {
      int64_t number = 0;
      const std::string digits = take().text;
      const bool prefixed = digits.size() > 1 && digits[0] == '0' && !(digits[1] >= '0' && digits[1] <= '9');
      const char letter = prefixed ? digits[1] : '\0';
      const int base = letter == 'x' || letter == 'X' ? 16 : letter == 'o' || letter == 'O' ? 8 : prefixed ? 2 : 10;
      const char* end = digits.data() + digits.size();
      const auto read = std::from_chars(digits.data() + (prefixed ? 2 : 0), end, number, base);
      if (read.ec != std::errc() || read.ptr != end) fail("the integer " + digits + " is broken or above 64 bits");
      return constant(Value::integer(number));
    }
    case TokenKind::kFloat: {
      double number = 0;
      const std::string digits = take().text;
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
      return constant(Value::real(number));
    }
    case TokenKind::kName: {
      const std::string name = take().text;
      if (name == "varargs") special_names_.varargs = true;
      if (name == "kwargs") special_names_.kwargs = true;
      if (name == "caller") special_names_.caller = true;
      if (name == "true" || name == "True") return constant(Value::boolean(true));
      if (name == "false" || name == "False") return constant(Value::boolean(false));
      if (name == "none" || name == "None") return constant(Value::none());
      ExprPtr expr = make(ExprKind::kName);
      expr->name = name;
      return expr;
    }
    default: break;
  }
  if (accept_operator("(")) return parenthesis();
  if (accept_operator("{")) return dict_literal();
  if (!accept_operator("[")) fail("found " + describe() + ", expected a value");
  ExprPtr list = make(ExprKind::kList);
  while (!accept_operator("]")) {
    if (!list->operands.empty()) {
      expect_operator(",");
      if (accept_operator("]")) break;
    }
    append_child(*list, expression());
  }
  return list;
}

ExprPtr ExpressionParser::parenthesis() {
  if (accept_operator(")")) return make(ExprKind::kTuple);
  ExprPtr expr = tuple_of(true);
  expect_operator(")");
  return expr;
}

ExprPtr ExpressionParser::dict_literal() {
  ExprPtr dict = make(ExprKind::kDict);
  while (!accept_operator("}")) {
    if (!dict->operands.empty()) {
      expect_operator(",");
      if (accept_operator("}")) break;
    }
    append_child(*dict, expression());
    expect_operator(":");
    append_child(*dict, expression());
  }
  return dict;
}

ExprPtr ExpressionParser::postfix(ExprPtr base) {
  while (true) {
    if (accept_operator(".")) {
      if (is(TokenKind::kInt)) {  // x.0
        ExprPtr index = primary();
        base = make(ExprKind::kItem, std::move(base), std::move(index));
        continue;
      }
      const std::string name = take_name();
      base = make(ExprKind::kAttribute, std::move(base));
      base->name = name;
    } else if (accept_operator("[")) {
      base = subscript(std::move(base));
    } else if (accept_operator("(")) {
      base = make(ExprKind::kCall, std::move(base));
      append_child(*base, call_arguments());
    } else {
      return base;
    }
  }
}

// After "[": one subscript or slice, or several with commas, which are a tuple.
ExprPtr ExpressionParser::subscript(ExprPtr base) {
  ExprPtr bounds[3];
  int colons = 0;
  while (!is_operator("]") && !is_operator(",")) {
    if (accept_operator(":")) {
      if (++colons > 2) fail("a slice with more than three parts");
    } else if (bounds[colons]) {
      fail("found " + describe() + ", expected ']'");
    } else {
      bounds[colons] = expression();
    }
  }
  if (colons == 0 && !bounds[0]) fail("found " + describe() + ", expected a subscript");
  if (is_operator(",")) {
    if (colons > 0) fail("a slice among several subscripts is not supported");
    ExprPtr tuple = make(ExprKind::kTuple, std::move(bounds[0]));
    while (accept_operator(",")) append_child(*tuple, expression());
    bounds[0] = std::move(tuple);
  }
  expect_operator("]");
  if (colons == 0) return make(ExprKind::kItem, std::move(base), std::move(bounds[0]));
  ExprPtr slice = make(ExprKind::kSlice, std::move(base));
  for (ExprPtr& bound : bounds) append_child(*slice, std::move(bound));
  return slice;
}

CallArguments ExpressionParser::call_arguments() {
  CallArguments arguments;
  std::unordered_set<std::string> used;
  bool first = true;
  while (!accept_operator(")")) {
    if (!first) {
      expect_operator(",");
      if (accept_operator(")")) break;
    }
    first = false;
    if (accept_operator("**")) {
      if (arguments.double_star) fail("a second ** in a call");
      arguments.double_star = expression();
    } else if (accept_operator("*")) {
      if (arguments.star || arguments.double_star) fail("a * after a * or ** in a call");
      arguments.star = expression();
    } else if (is(TokenKind::kName) && peek(1).kind == TokenKind::kOperator && peek(1).text == "=") {
      if (arguments.double_star) fail("an argument after ** in a call");
      const std::string name = take_name();
      take();
      if (!used.insert(name).second) fail("the argument '" + name + "' twice");
      arguments.named.emplace_back(name, expression());
    } else {
      if (!arguments.named.empty() || arguments.star || arguments.double_star) {
        fail("a positional argument after a named one");
      }
      arguments.positional.push_back(expression());
    }
  }
  return arguments;
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr base) {
  while (true) {
    if (accept_operator("|")) {
      base = filter(std::move(base));
    } else if (accept_name("is")) {
      base = test(std::move(base));
    } else if (accept_operator("(")) {
      base = make(ExprKind::kCall, std::move(base));
      append_child(*base, call_arguments());
    } else {
      return base;
    }
  }
}

ExprPtr ExpressionParser::filter_chain(ExprPtr base) {
  while (accept_operator("|")) base = filter(std::move(base));
  return base;
}

std::string ExpressionParser::dotted_name() {
  std::string name = take_name();
  while (accept_operator(".")) name += "." + take_name();
  return name;
}

ExprPtr ExpressionParser::filter(ExprPtr base) {
  const Place place = peek().place;
  ExprPtr expr = make(ExprKind::kFilter, std::move(base));
  expr->name = dotted_name();
  expr->filter = find_filter(expr->name);
  if (expr->filter == nullptr) unknown_.push_back({place, no_such_filter(expr->name)});
  if (accept_operator("(")) append_child(*expr, call_arguments());
  return expr;
}

ExprPtr ExpressionParser::test(ExprPtr base) {
  const bool negated = accept_name("not");
  const Place place = peek().place;
  ExprPtr expr = make(ExprKind::kTest, std::move(base));
  expr->name = dotted_name();
  expr->test = find_test(expr->name);
  if (expr->test == nullptr) unknown_.push_back({place, "there is no test named '" + expr->name + "'"});
  if (accept_operator("(")) {
    append_child(*expr, call_arguments());
  } else {
    // "is divisibleby 3": a value may follow without parentheses.
    const TokenKind kind = peek().kind;
    const bool keyword = is_name("else") || is_name("or") || is_name("and");
    const bool value = kind == TokenKind::kString || kind == TokenKind::kInt || kind == TokenKind::kFloat ||
                       (kind == TokenKind::kName && !keyword) || is_operator("[") || is_operator("{");
    if (is_name("is")) fail("a test after a test; write 'and' between them");
    if (value) {
      CallArguments call;
      call.positional.push_back(postfix(primary()));
      append_child(*expr, std::move(call));
    }
  }
  return negated ? make(ExprKind::kNot, std::move(expr)) : std::move(expr);
}

}  // namespace gptq::chat
