#pragma once

#include <iosfwd>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/progress.h"
#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace mgral::client {

// Exit codes of `mgral`.
enum ExitCode { kExitOk = 0, kExitFailed = 1, kExitUsage = 2, kExitNoConnection = 3 };

// Keys stay in the order in which they are set.
using Json = nlohmann::ordered_json;

// What the commands of one run of `mgral` share: global options, connection, output. A command's
// callback does its work and passes the outcome to Finish, exactly once.
class Session {
 public:
  Session(std::ostream& out, std::ostream& error) : out_(out), error_(error) {}

  // Filled by the global options before a command's callback runs.
  std::string server = "127.0.0.1:50051";
  bool json = false;
  double timeout_seconds = 120;
  std::string tls_ca, tls_certificate, tls_key;  // file names
  bool tls = false;
  std::string api_key_file;
  bool insecure_key = false;

  // Connects at the first call; an error names a file that cannot be read.
  absl::StatusOr<Client*> client();

  // Human output. With --json, nothing but PrintJson may write to it.
  std::ostream& out() { return out_; }
  // The one document of a run with --json, to stdout.
  void PrintJson(const Json& document);
  // A remark on stderr, also with --json.
  void Note(const std::string& text);
  // On stderr, in the style that fits it.
  std::unique_ptr<ProgressBar> Progress(const std::string& label, int64_t total,
                                        const std::string& unit);

  // Prints an error with what to do about it (with --json also as {"error": ...} to stdout) and
  // sets the exit code: kExitUsage for a UsageError, kExitNoConnection when no server answered.
  void Finish(const absl::Status& status);
  int exit_code() const { return exit_code_; }

 private:
  absl::Status FillCredentials(ClientOptions* options) const;

  std::ostream& out_;
  std::ostream& error_;
  std::unique_ptr<Client> client_;
  int exit_code_ = kExitOk;
  bool printed_json_ = false;
};

// A mistake on the command line or in a file that it names, found before the server is called.
absl::Status UsageError(const std::string& message);

// proto3's JSON mapping with the proto's own field names and every field present.
Json ToJson(const google::protobuf::Message& message);

// "2024-05-17 14:03:59" in local time; "-" if it is not set.
std::string FormatTimestamp(const google::protobuf::Timestamp& time);
// "+0.0123 ± 0.0045"; "-" if it is not set.
std::string FormatGain(bool has_gain, const v1::Gain& gain);
// "90s", "1h30m"; an error names the option.
absl::StatusOr<absl::Duration> ParseDurationOption(const std::string& text,
                                                   const std::string& option);
// Writes the file whole or not at all.
absl::Status WriteFile(const std::string& path, absl::string_view content);

// "pools/cats" of "cats" or "pools/cats".
std::string PoolName(const std::string& pool);

}  // namespace mgral::client
