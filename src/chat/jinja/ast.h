// The syntax tree of a template: expressions and statements as plain structs.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "chat/jinja/lexer.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/tests.h"
#include "chat/jinja/value.h"

namespace gptq::chat {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind {
  kConstant,   // value
  kName,       // name
  kList,       // operands
  kTuple,      // operands
  kDict,       // operands: key, value, key, value, ...
  kAttribute,  // operands[0] . name
  kItem,       // operands[0] [ operands[1] ]
  kSlice,      // operands[0] [ operands[1] : operands[2] : operands[3] ], each of the three may be null
  kCall,       // operands[0] ( call )
  kFilter,     // operands[0] | name ( call ); operands[0] is null in a filter block
  kTest,       // operands[0] is name ( call )
  kNot,        // operands[0]
  kNegative,   // operands[0]
  kPositive,   // operands[0]
  kAnd,
  kOr,           // operands[0], operands[1]
  kBinary,       // operands[0] operation operands[1]
  kSum,          // operands added from left to right; only where a variable grows by them
  kConcat,       // operands joined as text (~)
  kCompare,      // operands[0] comparisons[0] operands[1] comparisons[1] operands[2] ...
  kConditional,  // operands[1] if operands[0] else operands[2] (may be null)
};

enum class Comparison { kEqual, kUnequal, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kIn, kNotIn };

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;         // *list
  ExprPtr double_star;  // **dict
};

struct Expr {
  ExprKind kind;
  Place place;
  int height = 1;  // of the tree below, bounded so that walking it cannot exhaust the stack
  std::string name;
  Value value;
  std::vector<ExprPtr> operands;
  Operator operation = Operator::kAdd;
  Native filter = nullptr;  // nullptr: unknown name, an error only when it is evaluated
  Test test = nullptr;
  std::vector<Comparison> comparisons;
  CallArguments call;
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

// The target of an assignment: a name, an attribute of a namespace, or several targets for unpacking.
struct Target {
  std::string name;
  std::string attribute;
  std::vector<Target> parts;
};

struct Parameter {
  std::string name;
  ExprPtr fallback;  // null: undefined when not passed
};

// Special names used by a macro; it accepts the corresponding arguments only if it uses them.
struct SpecialNames {
  bool varargs = false;
  bool kwargs = false;
  bool caller = false;
};

enum class StatementKind {
  kText,         // text
  kPrint,        // expr
  kIf,           // branches: condition (null for else) and body
  kFor,          // target in expr [if condition]: body, else orelse; recursive
  kSet,          // target = expr
  kAppend,       // the same, where expr is a kConcat or a kSum whose first operand is the target
  kSetBlock,     // target = body through the filters of expr (may be null)
  kMacro,        // name(parameters): body
  kCallBlock,    // expr called with caller(parameters) = body
  kFilterBlock,  // body through expr
  kScope,        // body in a separate scope, after assigning the targets of `with`
  kBlock,        // body in a scope that sees only the outermost one
  kBreak,
  kContinue,
};

struct Statement {
  StatementKind kind;
  Place place;
  std::string text;
  std::string name;
  ExprPtr expr;
  ExprPtr condition;
  Target target;
  bool recursive = false;
  std::vector<Parameter> parameters;
  SpecialNames special_names;
  std::vector<std::pair<ExprPtr, Body>> branches;
  std::vector<std::pair<Target, ExprPtr>> assignments;
  Body body;
  Body orelse;
};

}  // namespace gptq::chat
