#pragma once

// Inside of server/storage only: the one place where pqxx is used and its exceptions end.

#include <functional>
#include <optional>  // before pqxx, which looks for it
#include <pqxx/pqxx>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/storage/connection_pool.h"
#include "server/storage/state_names.h"

namespace mgral::storage {

// Thrown for an address of the database that cannot be used; holds nothing of it.
struct InvalidConninfo {
  absl::Status status;
};

struct Connection {
  explicit Connection(const std::string& conninfo);  // throws pqxx's errors and InvalidConninfo
  pqxx::connection pq;
  bool broken = false;  // not to be used again
};

// COPY into a table. Debian 12 has libpqxx 6, Debian 13 libpqxx 7, which makes it another way.
inline pqxx::stream_to CopyTo(pqxx::transaction_base& tx, const std::string& table,
                              const std::vector<std::string>& columns) {
#if PQXX_VERSION_MAJOR < 7
  return pqxx::stream_to(tx, table, columns);
#else
  return pqxx::stream_to::raw_table(tx, tx.quote_name(table), tx.conn().quote_columns(columns));
#endif
}

// A bytea parameter. pqxx cuts std::string parameters at their first NUL.
struct Bytes {
  const std::string& value;
};

// Thrown for text that PostgreSQL cannot hold (NUL, invalid UTF-8); becomes INVALID_ARGUMENT.
struct InvalidText {
  std::string text;
};
bool IsStorableText(const std::string& text);

// How a value goes to the server.
inline pqxx::binarystring Adapt(Bytes bytes) { return pqxx::binarystring(bytes.value); }
const std::string& Adapt(const std::string& text);
std::string Adapt(const char* text);
std::string Adapt(double value);  // exact, NaN too
inline bool Adapt(bool value) { return value; }
inline int Adapt(int value) { return value; }
inline int64_t Adapt(int64_t value) { return value; }
inline std::optional<int64_t> Adapt(std::optional<int64_t> value) { return value; }
std::optional<std::string> Adapt(const std::optional<std::string>& text);
std::optional<std::string> Adapt(std::optional<double> value);

// Runs one statement, in which states stand as their names (state_names.h). Columns of the result
// are read by name: row["key"].
template <typename... Args>
pqxx::result Exec(pqxx::transaction_base& tx, absl::string_view statement, const Args&... args) {
  return tx.exec_params(ReplaceStateNames(statement), Adapt(args)...);
}

// Fields of a row. Bytes, doubles and times are exact; a time is selected in microseconds since the
// epoch: (extract(epoch FROM x) * 1000000)::bigint.
std::string ReadBytes(const pqxx::field& field);
double ReadDouble(const pqxx::field& field);
std::vector<std::string> ReadTextArray(const pqxx::field& field);
absl::Time ReadTime(const pqxx::field& field);
inline std::string ReadText(const pqxx::field& field) {
  return std::string(field.c_str(), field.size());
}
template <typename T>
std::optional<T> ReadOptional(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return field.as<T>();
}

enum class Access {
  kRead,  // changes nothing: also repeated when the answer to COMMIT was lost
  kWrite,
};

// Runs `body` in one transaction and commits when it returns OK. A serialization failure or
// deadlock repeats it a few times, a connection lost before COMMIT once, so `body` may run several
// times and has to set its results anew. Errors: what `body` returns; UNAVAILABLE,
// RESOURCE_EXHAUSTED, INVALID_ARGUMENT, NOT_FOUND, INTERNAL by what the database says.
absl::Status RunTransaction(ConnectionPool& pool, Access access,
                            const std::function<absl::Status(pqxx::work&)>& body);

// The same for a body that returns absl::StatusOr<T>.
template <typename Body>
auto InTransaction(ConnectionPool& pool, Access access, const Body& body)
    -> std::invoke_result_t<Body, pqxx::work&> {
  using Result = std::invoke_result_t<Body, pqxx::work&>;
  if constexpr (std::is_same_v<Result, absl::Status>) {
    return RunTransaction(pool, access, body);
  } else {
    std::optional<Result> result;
    const absl::Status status = RunTransaction(pool, access, [&](pqxx::work& tx) {
      result.emplace(body(tx));
      return result->status();
    });
    if (!status.ok()) return status;
    return *std::move(result);
  }
}

// The status of the exception that is being handled.
struct SqlFailure {
  absl::Status status;
  bool conflict = false;  // serialization failure or deadlock
  bool broken = false;    // the connection is of no use any more
  bool in_doubt = false;  // the answer to COMMIT was lost
};
SqlFailure CurrentSqlFailure();

}  // namespace mgral::storage
