// gptq auth: logs in to the Hub and out, shows and switches logins.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "help.h"
#include "input.h"
#include "option_tree.h"
#include "output.h"
#include "progress.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr const char* kAuthFooter = R"(Actions:
  login [NAME]      Ask for a token, validate it, store it (as NAME, else under its own name), make it active
  whoami            Show the account of the token in use
  list              List the stored logins, without their tokens
  switch NAME       Make another stored login the active one
  logout [NAME]     Remove one login, or all of them

The token is read from --token, from standard input if that is a pipe, or typed without echo. Logins are stored where
huggingface_hub and the hf program store them ($HF_HOME/token and $HF_HOME/stored_tokens), readable by the owner only;
HF_TOKEN takes precedence over them.

Examples:
  gptq auth login
  gptq auth login laptop < token.txt
  gptq auth whoami --json
  gptq auth switch laptop
)";

struct AuthArguments {
  std::string action, name, token;
};

std::string may_do(const Identity& identity) {
  if (identity.token_role == "read") return "read access to everything that the account can read";
  if (identity.token_role == "write") return "read and write access to everything that the account can access";
  if (identity.token_role != "fineGrained") return "not reported by the Hub";
  return fmt::format(
      "{}; {} gated repositories",
      identity.permissions.empty() ? "no permissions" : fmt::format("{}", fmt::join(identity.permissions, ", ")),
      identity.reads_gated ? "can read" : "cannot read");
}

Json to_json(const Identity& identity) {
  return {{"name", identity.name},
          {"full_name", identity.full_name},
          {"organizations", identity.organizations},
          {"token_name", identity.token_name},
          {"token_role", identity.token_role},
          {"permissions", identity.permissions},
          {"reads_gated", identity.reads_gated},
          {"token_source", identity.token_source}};
}

void show(const Identity& identity, const CommonOptions& common) {
  if (!identity.reads_gated) {
    say("warning: this fine-grained token cannot read gated repositories (Llama, Gemma, Mistral and others); enable "
        "\"Read access to contents of all public gated repos you can access\" in its settings, or use a read token");
  }
  if (common.json) return put_json(to_json(identity));
  Table table({{""}, {""}});
  table.add(
      {"user", identity.full_name.empty() ? identity.name : fmt::format("{} ({})", identity.name, identity.full_name)});
  if (!identity.organizations.empty())
    table.add({"organizations", fmt::format("{}", fmt::join(identity.organizations, ", "))});
  table.add({"token", identity.token_name + ", from " + identity.token_source});
  table.add({"permissions", may_do(identity)});
  put(table.str());
}

std::string token_to_store(const AuthArguments& a) {
  if (!a.token.empty()) return a.token;
  if (!stdin_is_terminal()) return read_text("-");
  say("Create a token at https://huggingface.co/settings/tokens and paste it here; the input is hidden.");
  return read_secret("Token: ");
}

int login(const AuthArguments& a, const CommonOptions& common) {
  show(log_in(token_to_store(a), a.name), common);
  return 0;
}

int whoami(const AuthArguments& a, const CommonOptions& common) {
  show(who_am_i(a.token), common);
  return 0;
}

int list(const AuthArguments&, const CommonOptions& common) {
  const std::vector<StoredLogin> logins = stored_logins();
  if (common.json) {
    Json json = Json::array();
    for (const StoredLogin& login : logins)
      json.push_back({{"name", login.name}, {"token", login.redacted}, {"active", login.active}});
    put_json({{"logins", std::move(json)}});
    return 0;
  }
  if (logins.empty()) say("No logins are stored; run `gptq auth login`.");
  Table table({{""}, {"name"}, {"token"}});
  for (const StoredLogin& login : logins) table.add({login.active ? "*" : "", login.name, login.redacted});
  if (!logins.empty()) put(table.str());
  return 0;
}

int change(const AuthArguments& a, const CommonOptions& common) {
  if (a.name.empty()) throw Error(ErrorKind::kUsage, "switching logins: give a NAME; `gptq auth list` shows them");
  switch_login(a.name);
  return list(a, common);
}

int logout(const AuthArguments& a, const CommonOptions& common) {
  log_out(a.name);
  return list(a, common);
}

struct Verb {
  const char* name;
  int (*run)(const AuthArguments&, const CommonOptions&);
};

constexpr Verb kVerbs[] = {
    {"login", login}, {"whoami", whoami}, {"list", list}, {"switch", change}, {"logout", logout},
};

int run_auth_command(const AuthArguments& a, const CommonOptions& common) {
  if (a.action.starts_with("hf_") || a.name.starts_with("hf_")) {
    throw Error(ErrorKind::kUsage,
                "found a token in place of an action or a name; pass tokens with --token or through a pipe");
  }
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs) {
    if (a.action == verb.name) return verb.run(a, common);
    names.push_back(verb.name);
  }
  const std::string guess = nearest(a.action, names);
  throw Error(ErrorKind::kUsage,
              fmt::format("gptq auth has no action '{}'{}; expected one of {}", a.action,
                          guess.empty() ? "" : fmt::format("; did you mean {}?", guess), fmt::join(names, ", ")));
}

}  // namespace

Action add_auth(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<AuthArguments>();
  app.add_option("ACTION", arguments->action, "login, whoami, list, switch or logout")
      ->required()
      ->check(suggestion({"login", "whoami", "list", "switch", "logout"}));
  app.add_option("NAME", arguments->name, "Name of a stored login");
  app.add_option("--token", arguments->token, "Token to log in with or to check; a pipe is safer")->type_name("TOKEN");
  app.footer(kAuthFooter);
  return [arguments, &common] { return run_auth_command(*arguments, common); };
}

}  // namespace gptq::cli
