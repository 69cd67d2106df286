// Statements: one function for each tag.
#include "text/template/parser.h"

#include <map>
#include <utility>

#include "text/template/expression_parser.h"
#include "text/template/lexer.h"

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
    statement->line = peek().line;
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

  // A body that a tag named `end` closes.
  Body body_until(std::string_view end) {
    end_tag();
    Body body = statements({end});
    take();
    return body;
  }

  StatementPtr tag() {
    using Reader = StatementPtr (Parser::*)();
    static const std::map<std::string, Reader, std::less<>> kTags = {{"if", &Parser::if_tag},
                                                                     {"for", &Parser::for_tag},
                                                                     {"set", &Parser::set_tag},
                                                                     {"macro", &Parser::macro_tag},
                                                                     {"call", &Parser::call_tag},
                                                                     {"filter", &Parser::filter_tag},
                                                                     {"with", &Parser::with_tag},
                                                                     {"break", &Parser::break_tag},
                                                                     {"continue", &Parser::continue_tag},
                                                                     {"generation", &Parser::generation_tag}};
    const auto found = is(TokenKind::kName) ? kTags.find(peek().text) : kTags.end();
    if (found == kTags.end()) fail("found " + describe() + ", which is not a tag that is known or expected here");
    take();
    StatementPtr statement = (this->*found->second)();
    end_tag();
    return statement;
  }

  StatementPtr if_tag() {
    StatementPtr statement = make_statement(StatementKind::kIf);
    ExprPtr condition = tuple_expression();
    while (true) {
      end_tag();
      Body body = statements({"elif", "else", "endif"});
      const bool last = !condition;
      statement->branches.emplace_back(std::move(condition), std::move(body));
      if (accept_name("endif")) return statement;
      if (last) fail("found " + describe() + " after else, expected 'endif'");
      condition = nullptr;
      if (accept_name("elif"))
        condition = tuple_expression();
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
    if (accept_name("if")) statement->condition = expression();
    statement->recursive = accept_name("recursive");
    end_tag();
    statement->body = statements({"else", "endfor"});
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
      statement->expr = tuple_expression();
      return statement;
    }
    statement->kind = StatementKind::kSetBlock;
    if (is_operator("|")) statement->expr = filter_chain(nullptr);
    statement->body = scoped_body("endset");
    return statement;
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
    while (!accept_operator(")")) {
      if (!list.empty()) {
        expect_operator(",");
        if (accept_operator(")")) break;
      }
      Parameter parameter;
      parameter.name = take_name();
      if (accept_operator("=")) parameter.fallback = expression();
      list.push_back(std::move(parameter));
    }
    return list;
  }

  StatementPtr macro_tag() {
    StatementPtr statement = make_statement(StatementKind::kMacro);
    statement->name = take_name();
    expect_operator("(");
    const SpecialNames outer = std::exchange(special_names_, {});
    statement->parameters = parameters();
    statement->body = scoped_body("endmacro");
    statement->special_names = std::exchange(special_names_, outer);
    return statement;
  }

  StatementPtr call_tag() {
    StatementPtr statement = make_statement(StatementKind::kCallBlock);
    if (accept_operator("(")) statement->parameters = parameters();
    statement->expr = expression();
    if (statement->expr->kind != ExprKind::kCall) fail("a call tag without a call");
    statement->body = scoped_body("endcall");
    return statement;
  }

  StatementPtr filter_tag() {
    StatementPtr statement = make_statement(StatementKind::kFilterBlock);
    ExprPtr first = make(ExprKind::kFilter);
    adopt(*first, ExprPtr());
    first->name = take_name();
    if (accept_operator("(")) adopt(*first, call_arguments());
    statement->expr = filter_chain(std::move(first));
    statement->body = scoped_body("endfilter");
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

  // Marks what a model is trained on; for prompts it is its body.
  StatementPtr generation_tag() {
    StatementPtr statement = make_statement(StatementKind::kScope);
    statement->body = body_until("endgeneration");
    return statement;
  }

  StatementPtr break_tag() { return loop_control(StatementKind::kBreak); }
  StatementPtr continue_tag() { return loop_control(StatementKind::kContinue); }
  StatementPtr loop_control(StatementKind kind) {
    if (loops_ == 0) fail("break or continue outside a loop");
    return make_statement(kind);
  }

  int loops_ = 0;
};

}  // namespace

Body parse_template(const std::string& source) { return Parser(tokenize(source)).run(); }

}  // namespace gptq::chat
