// Expressions: recursive descent with Jinja's precedence, from conditional (loosest) to postfix (tightest).
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja/ast.h"
#include "chat/jinja/lexer.h"

namespace gptq::chat {

// Reads tokens one after another; the statement parser builds on it.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  // Counts one level of nesting during its lifetime.
  class Level {
   public:
    explicit Level(ExpressionParser& parser) : parser_(parser) {
      constexpr int kMaxDepth = 100;
      if (++parser_.depth_ > kMaxDepth) parser_.fail("nesting deeper than 100");
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --parser_.depth_; }

   private:
    ExpressionParser& parser_;
  };

  SpecialNames special_names_;  // seen so far in the macro being read

  // Filters and tests that do not exist. They are an error at once, except under a condition: then only when evaluated.
  std::vector<TemplateError> unknown_;

  [[noreturn]] void fail(const std::string& reason) const { throw TemplateError{peek().place, reason}; }
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(position_ + ahead, tokens_.size() - 1)]; }
  Token take() {
    Token token = peek();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  bool is(TokenKind kind) const { return peek().kind == kind; }
  bool is_operator(std::string_view text) const { return is(TokenKind::kOperator) && peek().text == text; }
  bool is_name(std::string_view text) const { return is(TokenKind::kName) && peek().text == text; }
  bool accept_operator(std::string_view text);
  bool accept_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect_name(std::string_view text);
  std::string take_name();
  std::string dotted_name();
  std::string describe() const;  // the current token, for errors

  ExprPtr expression();                // with "a if b else c"
  ExprPtr tuple_expression();          // expression, or several with commas
  ExprPtr without_condition();         // of an if or a for tag: an "if" after it is not part of it
  ExprPtr filter_chain(ExprPtr base);  // | f | g after a base that may be null
  CallArguments call_arguments();      // after "("
  ExprPtr make(ExprKind kind) const;
  void append_child(Expr& parent, ExprPtr child) const;  // as the next operand; may be null
  void append_child(Expr& parent, CallArguments call) const;

 private:
  ExprPtr tuple_of(bool with_condition);
  ExprPtr either();
  ExprPtr both();
  ExprPtr negation();
  ExprPtr comparison();
  std::optional<Comparison> accept_comparison();
  std::optional<Operator> accept_arithmetic(std::initializer_list<std::string_view> signs);
  ExprPtr binary(Operator operation, ExprPtr left, ExprPtr right) const;
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filter);
  ExprPtr primary();
  ExprPtr postfix(ExprPtr base);
  ExprPtr filters_and_tests(ExprPtr base);
  ExprPtr filter(ExprPtr base);
  ExprPtr test(ExprPtr base);
  ExprPtr subscript(ExprPtr base);
  ExprPtr dict_literal();
  ExprPtr parenthesis();
  ExprPtr constant(Value value) const;
  ExprPtr make(ExprKind kind, ExprPtr operand) const;
  ExprPtr make(ExprKind kind, ExprPtr left, ExprPtr right) const;
  void update_height(Expr& parent, const ExprPtr& child) const;

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace gptq::chat
