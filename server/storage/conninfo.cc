#include "server/storage/conninfo.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace mgral::storage {
namespace {

struct Default {
  const char* keyword;
  const char* value;
};
constexpr Default kDefaults[] = {{"connect_timeout", "5"},      {"keepalives_idle", "30"},
                                 {"keepalives_interval", "10"}, {"keepalives_count", "3"},
                                 {"tcp_user_timeout", "60000"}, {"application_name", "mgral"}};

constexpr char kAdvice[] =
    "percent-encode what is special in a URI, e.g. a password's % as %25, @ as %40, / as %2F, or "
    "give the password by database_password_file";

using Parsed = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

// Null if libpq cannot read it; `problem` then says why.
Parsed Parse(const std::string& conninfo, std::string* problem) {
  char* error = nullptr;
  Parsed options(PQconninfoParse(conninfo.c_str(), &error), &PQconninfoFree);
  if (error != nullptr) {
    *problem = error;
    PQfreemem(error);
  }
  return options;
}

std::string ValueOf(const Parsed& options, const std::string& keyword) {
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (keyword == o->keyword) return o->val == nullptr ? "" : o->val;
  }
  return "";
}

// The message without what it quotes, which may be a part of a password and hold quotes itself.
std::string WithoutQuotes(const std::string& message) {
  std::string text(absl::StripAsciiWhitespace(message));
  const size_t first = text.find('"'), last = text.rfind('"');
  if (first != last) text.replace(first, last - first + 1, "\"...\"");
  return text;
}

absl::Status Unreadable(const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the option database is no address of PostgreSQL: ", why, " (", kAdvice, ")"));
}

}  // namespace

absl::Status CheckConninfo(const std::string& conninfo) {
  std::string problem;
  const Parsed options = Parse(conninfo, &problem);
  if (options == nullptr) return Unreadable(WithoutQuotes(problem));
  // A host that begins so is a socket's folder or name, which may hold anything.
  const std::string host = ValueOf(options, "host");
  const bool socket = !host.empty() && (host.front() == '/' || host.front() == '@');
  if (!socket && host.find_first_of("@/") != std::string::npos) {
    return Unreadable("what it gives as the host cannot be one");
  }
  const std::string port = ValueOf(options, "port");
  const bool numbers = std::all_of(port.begin(), port.end(),
                                   [](char c) { return absl::ascii_isdigit(c) || c == ','; });
  if (!numbers) return Unreadable("what it gives as the port is not a number");
  return absl::OkStatus();
}

std::string CompleteConninfo(const std::string& conninfo) {
  std::string problem;
  const Parsed options = Parse(conninfo, &problem);
  if (options == nullptr) return conninfo;
  std::string complete;
  const auto add = [&](const std::string& keyword, const std::string& value) {
    absl::StrAppend(&complete, complete.empty() ? "" : " ", keyword, "='",
                    absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
  };
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) {
      add(option->keyword, option->val);
      continue;
    }
    for (const Default& by_default : kDefaults) {
      if (std::string(option->keyword) == by_default.keyword) {
        add(by_default.keyword, by_default.value);
      }
    }
  }
  return complete;
}

std::string ShownConnectError(const std::string& conninfo, const std::string& message) {
  std::string problem;
  const Parsed options = Parse(conninfo, &problem);
  // "postgresql://user:12/34@host/db" is the port 12 and the database "34@host/db" for libpq.
  const bool misread =
      options == nullptr || ValueOf(options, "dbname").find('@') != std::string::npos;
  if (!misread) return message;
  return absl::StrCat(
      "connecting failed, and there is an @ in the name of the database: if it is "
      "not meant to be there, ",
      kAdvice);
}

}  // namespace mgral::storage
