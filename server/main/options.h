#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/main/artifacts_command.h"

namespace mgral::server {

// The configuration of a server. Every field is set from the list of options (OptionList), which
// also holds the defaults.
struct Options {
  std::string listen, metrics_listen, port_file;
  bool api = false, worker = false;
  std::string database, database_password_file;
  int database_connections = 0;
  absl::Duration database_timeout;
  bool migrate = false;
  std::string image_root, artifact_dir;
  std::vector<std::string> uri_prefixes;
  int64_t max_image_bytes = 0, max_image_pixels = 0, max_weights_bytes = 0;
  int threads = 0, decoders = 0;  // 0: one per core
  std::string device, trunk_weights;
  int64_t cache_mb = 0, feature_cache_mb = 0;
  int max_in_flight = 0, max_streams = 0, max_cycle_attempts = 0;
  absl::Duration job_lease, poll_interval, expire_interval, drain_timeout;
  std::string tls_cert, tls_key, tls_client_ca, api_keys;  // files; empty: none
  std::string log_level, log_format;
};

// One option: a flag --name=value, an environment variable MGRAL_NAME, a key of the YAML file.
struct OptionSpec {
  std::string name;
  std::string default_value;
  std::string help;
  // Returns "" or why the value is invalid.
  std::function<std::string(const std::string& value, Options* options)> set;
};
const std::vector<OptionSpec>& OptionList();

enum class Command { kServe, kMigrate, kHealthcheck, kKey, kArtifacts, kOptions, kHelp, kVersion };

struct CommandLine {
  Command command = Command::kServe;
  Options options;
  std::string target;               // of healthcheck: HOST:PORT, the option `listen` if not given
  bool tls = false;                 // of healthcheck: given, or the option tls_cert is
  std::string key_name, key_pools;  // of key
  ArtifactsArguments artifacts;
};

// Later sources override earlier ones: default, file, environment, flag. `environment` gives a
// variable's value or null. Errors: INVALID_ARGUMENT saying which option of which source is wrong.
absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& arguments,
    const std::function<const char*(const std::string&)>& environment);

// The list as a table, for the documentation, and as text.
std::string OptionsAsMarkdown();
std::string HelpText();

}  // namespace mgral::server
