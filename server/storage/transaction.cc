#include "server/storage/transaction.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/text.h"
#include "server/storage/conninfo.h"

namespace mgral::storage {
namespace {

constexpr int kMaxConflicts = 8;

std::string FirstLine(const char* what) {
  const std::string text = what;
  return std::string(absl::StripAsciiWhitespace(text.substr(0, text.find('\n'))));
}

absl::Status Unreachable(const char* what) {
  return base::Unavailable(absl::StrCat("the database cannot be reached: ", FirstLine(what)),
                           absl::Seconds(1));
}

SqlFailure FromSqlState(const std::string& state, const char* what) {
  SqlFailure failure;
  if (state == "40001" || state == "40P01") {
    failure.conflict = true;
    failure.status = base::Unavailable("the database is busy", absl::Milliseconds(100));
  } else if (state == "53100") {
    failure.status = base::Overloaded("the database's disk is full", absl::Seconds(60));
  } else if (absl::StartsWith(state, "08") || state == "57P01" || state == "57P02" ||
             state == "57P03" || state == "25P03") {
    failure.broken = true;
    failure.status = Unreachable(what);
  } else if (absl::StartsWith(state, "53")) {
    failure.status = base::Overloaded(
        absl::StrCat("the database is out of resources: ", FirstLine(what)), absl::Seconds(5));
  } else if (state == "55P03" || state == "57014" || state == "25006") {
    failure.status = base::Unavailable(absl::StrCat("the database gave up: ", FirstLine(what)),
                                       absl::Seconds(1));
  } else if (state == "23503") {
    // Only a pool that was deleted meanwhile leaves a row without its parent.
    failure.status = absl::NotFoundError("the pool was deleted");
  } else if (state == "22021" || state == "22P05") {
    failure.status = absl::InvalidArgumentError("text is not valid UTF-8");
  } else {
    failure.status =
        absl::InternalError(absl::StrCat("database error ", state, ": ", FirstLine(what)));
  }
  return failure;
}

// Before libpq sees it, whose error would quote it.
const std::string& Checked(const std::string& conninfo) {
  const absl::Status status = CheckConninfo(conninfo);
  if (!status.ok()) throw InvalidConninfo{status};
  return conninfo;
}

// One try. `*committing` tells whether the failure came with COMMIT.
absl::Status Try(Connection& connection, const std::function<absl::Status(pqxx::work&)>& body,
                 bool* committing) {
  pqxx::work tx(connection.pq);
  const absl::Status status = body(tx);
  if (!status.ok()) {
    tx.abort();
    return status;
  }
  *committing = true;
  tx.commit();
  return status;
}

}  // namespace

Connection::Connection(const std::string& conninfo) try : pq(Checked(conninfo)) {
#if PQXX_VERSION_MAJOR < 7
  // pqxx would reconnect silently and lose these settings; the pool replaces connections instead.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  pq.inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
  pqxx::nontransaction setup(pq);
  // Plans of short queries must not wait for a compiler, and a hung client must not keep locks.
  setup.exec(
      "SET jit = off; SET TIME ZONE 'UTC'; SET client_min_messages = warning; "
      "SET idle_in_transaction_session_timeout = '10min'; SET lock_timeout = '60s'; "
      "SET client_encoding = 'UTF8'");
} catch (const pqxx::broken_connection& error) {
  throw pqxx::broken_connection(ShownConnectError(conninfo, error.what()));
}

bool IsStorableText(const std::string& text) {
  return text.find('\0') == std::string::npos && base::IsUtf8(text);
}

const std::string& Adapt(const std::string& text) {
  if (!IsStorableText(text)) throw InvalidText{text};
  return text;
}

std::string Adapt(const char* text) { return text; }
std::string Adapt(double value) { return absl::StrFormat("%.17g", value); }

std::optional<std::string> Adapt(const std::optional<std::string>& text) {
  if (text) Adapt(*text);
  return text;
}

std::optional<std::string> Adapt(std::optional<double> value) {
  if (!value) return std::nullopt;
  return Adapt(*value);
}

std::string ReadBytes(const pqxx::field& field) { return pqxx::binarystring(field).str(); }

double ReadDouble(const pqxx::field& field) {
  double value = 0;
  if (!absl::SimpleAtod(field.c_str(), &value)) throw pqxx::conversion_error("not a number");
  return value;
}

std::vector<std::string> ReadTextArray(const pqxx::field& field) {
  std::vector<std::string> items;
  using Part = pqxx::array_parser::juncture;
  pqxx::array_parser parser = field.as_array();
  for (auto item = parser.get_next(); item.first != Part::done; item = parser.get_next()) {
    if (item.first == Part::string_value) items.push_back(item.second);
  }
  return items;
}

absl::Time ReadTime(const pqxx::field& field) { return absl::FromUnixMicros(field.as<int64_t>()); }

SqlFailure CurrentSqlFailure() {
  SqlFailure failure;
  try {
    throw;
  } catch (const InvalidText&) {
    failure.status = absl::InvalidArgumentError("text holds a NUL byte or is not valid UTF-8");
  } catch (const InvalidConninfo& error) {
    failure.status = error.status;
  } catch (const pqxx::in_doubt_error& error) {
    failure.status = Unreachable("the connection was lost while committing");
    failure.broken = failure.in_doubt = true;
  } catch (const pqxx::statement_completion_unknown& error) {
    failure.status = Unreachable("the connection was lost while committing");
    failure.broken = failure.in_doubt = true;
  } catch (const pqxx::transaction_rollback& error) {
    failure = FromSqlState("40001", error.what());
  } catch (const pqxx::broken_connection& error) {
    failure.status = Unreachable(error.what());
    failure.broken = true;
  } catch (const pqxx::sql_error& error) {
    failure = FromSqlState(error.sqlstate(), error.what());
  } catch (const std::bad_alloc&) {
    failure.status = base::Overloaded("out of memory", absl::Seconds(5));
  } catch (const std::exception& error) {
    failure.status = absl::InternalError(absl::StrCat("storage: ", FirstLine(error.what())));
  }
  return failure;
}

absl::Status RunTransaction(ConnectionPool& pool, Access access,
                            const std::function<absl::Status(pqxx::work&)>& body) {
  int conflicts = 0, losses = 0;
  while (true) {
    absl::StatusOr<ConnectionPool::Handle> handle = pool.Acquire();
    if (!handle.ok()) return handle.status();
    Connection& connection = **handle;
    bool committing = false;
    try {
      return Try(connection, body, &committing);
    } catch (...) {
      SqlFailure failure = CurrentSqlFailure();
      failure.broken |= !connection.pq.is_open();
      connection.broken = failure.broken;
      if (failure.conflict && ++conflicts < kMaxConflicts) {
        absl::SleepFor(absl::Milliseconds(conflicts));
        continue;
      }
      // Nothing was committed unless COMMIT was under way.
      const bool safe = !committing || access == Access::kRead;
      if (failure.broken && safe && ++losses <= 1) continue;
      return failure.status;
    }
  }
}

}  // namespace mgral::storage
