// Statements: one function per tag.
#include "chat/jinja/parser.h"

#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "chat/jinja/expression_parser.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/lexer.h"

namespace gptq::chat {

namespace {

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Body run() {
    Body body = statements({});
    if (!is(TokenKind::kEnd)) fail("found " + describe() + " without the tag that opens it");
    return body;
  }

 private:
  using StatementPtr = std::unique_ptr<Statement>;

  StatementPtr make_statement(StatementKind kind) const {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->place = peek().place;
    return statement;
  }

  void end_tag() {
    if (!is(TokenKind::kBlockEnd)) fail("found " + describe() + ", expected the end of the tag");
    take();
  }

  // Statements up to a tag with one of `ends`, whose name is left to be read. An empty list: up to the end.
  Body statements(std::initializer_list<std::string_view> ends) {
    const Level level(*this);
    Body body;
    while (!is(TokenKind::kEnd)) {
      if (is(TokenKind::kText)) {
        StatementPtr text = make_statement(StatementKind::kText);
        text->text = take().text;
        body.push_back(std::move(text));
      } else if (is(TokenKind::kPrintBegin)) {
        take();
        StatementPtr print = make_statement(StatementKind::kPrint);
        print->expr = tuple_expression();
        if (!is(TokenKind::kPrintEnd)) fail("found " + describe() + ", expected '}}'");
        take();
        check_names();
        body.push_back(std::move(print));
      } else {
        take();
        for (const std::string_view end : ends) {
          if (is_name(end)) return body;
        }
        body.push_back(tag());
      }
    }
    if (ends.size() > 0) fail("the template ends, expected '" + std::string(*(ends.end() - 1)) + "'");
    return body;
  }

  // Unknown filters and tests are accepted inside an if, where they may never be evaluated.
  void check_names() {
    if (!forgives_ && !unknown_.empty()) throw unknown_.front();
    unknown_.clear();
  }

  // A body in which `forgives_` holds or does not.
  Body body_with(bool forgives, std::initializer_list<std::string_view> ends) {
    const bool outer = std::exchange(forgives_, forgives);
    Body body = statements(ends);
    forgives_ = outer;
    return body;
  }

  // A body that a tag named `end` closes.
  Body body_until(std::string_view end) {
    end_tag();
    check_names();
    Body body = body_with(false, {end});
    take();
    return body;
  }

  StatementPtr tag() {
    using Reader = StatementPtr (Parser::*)();
    static const std::map<std::string, Reader, std::less<>> kTags = {
        {"if", &Parser::if_tag},       {"for", &Parser::for_tag},           {"set", &Parser::set_tag},
        {"macro", &Parser::macro_tag}, {"call", &Parser::call_tag},         {"filter", &Parser::filter_tag},
        {"with", &Parser::with_tag},   {"print", &Parser::print_tag},       {"block", &Parser::block_tag},
        {"break", &Parser::break_tag}, {"continue", &Parser::continue_tag}, {"generation", &Parser::generation_tag}};
    const auto found = is(TokenKind::kName) ? kTags.find(peek().text) : kTags.end();
    if (found == kTags.end()) refuse_tag();
    take();
    StatementPtr statement = (this->*found->second)();
    check_names();
    end_tag();
    return statement;
  }

  [[noreturn]] void refuse_tag() const {
    for (const std::string_view name : {"include", "import", "from", "extends"}) {
      if (is_name(name)) fail("the tag '" + std::string(name) + "' needs other files; a chat template is one file");
    }
    if (is_name("autoescape")) fail("the tag 'autoescape' is not supported: prompts are not HTML");
    fail("found " + describe() + ", which is not a tag that is known or expected here");
  }

  StatementPtr print_tag() {
    StatementPtr statement = make_statement(StatementKind::kPrint);
    statement->expr = make(ExprKind::kConcat);
    do append_child(*statement->expr, expression());
    while (accept_operator(","));
    return statement;
  }

  StatementPtr if_tag() {
    StatementPtr statement = make_statement(StatementKind::kIf);
    ExprPtr condition = without_condition();
    while (true) {
      unknown_.clear();
      end_tag();
      Body body = body_with(true, {"elif", "else", "endif"});
      const bool last = !condition;
      statement->branches.emplace_back(std::move(condition), std::move(body));
      if (accept_name("endif")) return statement;
      if (last) fail("found " + describe() + " after else, expected 'endif'");
      condition = nullptr;
      if (accept_name("elif"))
        condition = without_condition();
      else
        expect_name("else");
    }
  }

  StatementPtr for_tag() {
    StatementPtr statement = make_statement(StatementKind::kFor);
    ++loops_;
    statement->target = target(false);
    expect_name("in");
    statement->expr = without_condition();
    check_names();
    if (accept_name("if")) statement->condition = expression();
    statement->recursive = accept_name("recursive");
    end_tag();
    const bool outer = std::exchange(forgives_, false);
    check_names();
    forgives_ = outer;
    statement->body = body_with(false, {"else", "endfor"});
    --loops_;
    if (accept_name("else"))
      statement->orelse = body_until("endfor");
    else
      expect_name("endfor");
    return statement;
  }

  Target single_target(bool attributes) {
    Target result;
    if (accept_operator("(")) {
      result = target(false);
      expect_operator(")");
      return result;
    }
    for (const std::string_view name : {"true", "false", "none", "True", "False", "None"}) {
      if (is_name(name)) fail("cannot assign to '" + std::string(name) + "'");
    }
    result.name = take_name();
    if (attributes && accept_operator(".")) result.attribute = take_name();
    return result;
  }

  Target target(bool attributes) {
    const Level level(*this);
    Target first = single_target(attributes);
    if (!is_operator(",")) return first;
    Target several;
    several.parts.push_back(std::move(first));
    while (accept_operator(",")) {
      if (is_name("in") || is_operator("=") || is_operator(")")) break;
      several.parts.push_back(single_target(attributes));
    }
    return several;
  }

  StatementPtr set_tag() {
    StatementPtr statement = make_statement(StatementKind::kSet);
    statement->target = target(true);
    if (accept_operator("=")) {
      statement->expr = as_append(tuple_expression(), statement->target);
      if (statement->expr->kind == ExprKind::kSum || is_append(*statement->expr, statement->target)) {
        statement->kind = StatementKind::kAppend;
      }
      return statement;
    }
    statement->kind = StatementKind::kSetBlock;
    if (is_operator("|")) statement->expr = filter_chain(nullptr);
    statement->body = body_until("endset");
    return statement;
  }

  // Whether `expr` is the name in `target`.
  static bool is_target(const Expr& expr, const Target& target) {
    if (!target.parts.empty()) return false;
    if (target.attribute.empty()) return expr.kind == ExprKind::kName && expr.name == target.name;
    return expr.kind == ExprKind::kAttribute && expr.name == target.attribute &&
           expr.operands[0]->kind == ExprKind::kName && expr.operands[0]->name == target.name;
  }

  // target ~ more ~ ...
  static bool is_append(const Expr& expr, const Target& target) {
    return expr.kind == ExprKind::kConcat && is_target(*expr.operands[0], target);
  }

  static bool is_sum(const Expr& expr) { return expr.kind == ExprKind::kBinary && expr.operation == Operator::kAdd; }

  // target + more + ... becomes one sum of many operands; any other expression is returned unchanged.
  ExprPtr as_append(ExprPtr expr, const Target& target) const {
    const Expr* first = expr.get();
    while (is_sum(*first)) first = first->operands[0].get();
    if (!is_sum(*expr) || !is_target(*first, target)) return expr;
    std::vector<ExprPtr> operands;
    ExprPtr rest = std::move(expr);
    while (is_sum(*rest)) {
      operands.push_back(std::move(rest->operands[1]));
      ExprPtr left = std::move(rest->operands[0]);
      rest = std::move(left);
    }
    operands.push_back(std::move(rest));
    ExprPtr sum = make(ExprKind::kSum);
    for (auto operand = operands.rbegin(); operand != operands.rend(); ++operand)
      append_child(*sum, std::move(*operand));
    return sum;
  }

  // break and continue belong to loops inside the body, not around it.
  Body scoped_body(std::string_view end) {
    const int outer = loops_;
    loops_ = 0;
    Body body = body_until(end);
    loops_ = outer;
    return body;
  }

  std::vector<Parameter> parameters() {
    std::vector<Parameter> list;
    std::unordered_set<std::string> used;
    while (!accept_operator(")")) {
      if (!list.empty()) {
        expect_operator(",");
        if (accept_operator(")")) break;
      }
      Parameter parameter;
      parameter.name = single_target(false).name;
      if (!used.insert(parameter.name).second) fail("the parameter '" + parameter.name + "' twice");
      if (accept_operator("="))
        parameter.fallback = expression();
      else if (!list.empty() && list.back().fallback)
        fail("a parameter without a default after one with");
      list.push_back(std::move(parameter));
    }
    return list;
  }

  StatementPtr macro_tag() {
    StatementPtr statement = make_statement(StatementKind::kMacro);
    statement->name = take_name();
    expect_operator("(");
    statement->parameters = parameters();
    macro_body(*statement, "endmacro");
    return statement;
  }

  // The body of a macro or a call block. Special names that it uses count as used by an enclosing macro too.
  void macro_body(Statement& statement, std::string_view end) {
    const SpecialNames outer = std::exchange(special_names_, {});
    statement.body = scoped_body(end);
    statement.special_names = special_names_;
    special_names_.varargs |= outer.varargs;
    special_names_.kwargs |= outer.kwargs;
    special_names_.caller |= outer.caller;
    if (!statement.special_names.caller) return;
    for (const Parameter& parameter : statement.parameters) {
      if (parameter.name == "caller" && !parameter.fallback) fail("the parameter 'caller' needs a default");
    }
  }

  StatementPtr call_tag() {
    StatementPtr statement = make_statement(StatementKind::kCallBlock);
    if (accept_operator("(")) statement->parameters = parameters();
    statement->expr = expression();
    if (statement->expr->kind != ExprKind::kCall) fail("a call tag without a call");
    macro_body(*statement, "endcall");
    return statement;
  }

  StatementPtr filter_tag() {
    StatementPtr statement = make_statement(StatementKind::kFilterBlock);
    ExprPtr first = make(ExprKind::kFilter);
    append_child(*first, ExprPtr());
    first->name = dotted_name();
    if (accept_operator("(")) append_child(*first, call_arguments());
    first->filter = find_filter(first->name);
    if (first->filter == nullptr) fail(no_such_filter(first->name));
    statement->expr = filter_chain(std::move(first));
    statement->body = body_until("endfilter");
    return statement;
  }

  StatementPtr with_tag() {
    StatementPtr statement = make_statement(StatementKind::kScope);
    while (!is(TokenKind::kBlockEnd)) {
      if (!statement->assignments.empty()) expect_operator(",");
      Target name = single_target(false);
      expect_operator("=");
      statement->assignments.emplace_back(std::move(name), expression());
    }
    statement->body = body_until("endwith");
    return statement;
  }

  // Marks training targets; for prompts it is its body.
  StatementPtr generation_tag() {
    StatementPtr statement = make_statement(StatementKind::kScope);
    statement->body = scoped_body("endgeneration");
    return statement;
  }

  // A block that other templates could override. Here it is printed in place.
  StatementPtr block_tag() {
    StatementPtr statement = make_statement(StatementKind::kBlock);
    const std::string name = take_name();
    if (!blocks_.insert(name).second) fail("the block '" + name + "' is defined twice");
    const bool sees_all = accept_name("scoped");
    if (accept_name("required")) fail("a required block cannot be filled in: a chat template is one file");
    if (sees_all) statement->kind = StatementKind::kScope;
    statement->body = scoped_body("endblock");
    accept_name(name);
    return statement;
  }

  StatementPtr break_tag() { return loop_control(StatementKind::kBreak); }
  StatementPtr continue_tag() { return loop_control(StatementKind::kContinue); }
  StatementPtr loop_control(StatementKind kind) {
    if (loops_ == 0) fail("break or continue outside a loop");
    return make_statement(kind);
  }

  int loops_ = 0;
  bool forgives_ = false;
  std::set<std::string> blocks_;
};

}  // namespace

Body parse_template(const std::string& source) { return Parser(tokenize(source)).run(); }

}  // namespace gptq::chat
