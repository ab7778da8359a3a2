
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/main/options.h"

namespace mgral::server {
namespace {

using Setter = std::function<std::string(const std::string&, Options*)>;

Setter Text(std::string Options::*field) {
  return [field](const std::string& value, Options* options) {
    options->*field = value;
    return std::string();
  };
}

Setter Choice(std::string Options::*field, const std::vector<std::string>& choices) {
  return [field, choices](const std::string& value, Options* options) {
    std::string known;
    for (const std::string& choice : choices) {
      if (value == choice) {
        options->*field = value;
        return std::string();
      }
      absl::StrAppend(&known, known.empty() ? "" : ", ", choice);
    }
    return absl::StrCat("must be one of ", known);
  };
}

template <typename T>
Setter Whole(T Options::*field, T min, T max) {
  return [field, min, max](const std::string& value, Options* options) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(value, &number) || number < min || number > max) {
      return absl::StrCat("must be a whole number from ", min, " to ", max);
    }
    options->*field = static_cast<T>(number);
    return std::string();
  };
}

// "1048576", "64KiB", "64MiB", "2GiB".
Setter Bytes(int64_t Options::*field) {
  return [field](const std::string& value, Options* options) {
    absl::string_view text = value;
    int64_t unit = 1, number = 0;
    if (absl::ConsumeSuffix(&text, "KiB")) unit = int64_t{1} << 10;
    if (absl::ConsumeSuffix(&text, "MiB")) unit = int64_t{1} << 20;
    if (absl::ConsumeSuffix(&text, "GiB")) unit = int64_t{1} << 30;
    const bool good =
        absl::SimpleAtoi(text, &number) && number > 0 && number <= (int64_t{1} << 40) / unit;
    if (!good) return std::string("must be a size, e.g. 67108864 or 64MiB");
    options->*field = number * unit;
    return std::string();
  };
}

Setter Duration(absl::Duration Options::*field, absl::Duration min) {
  return [field, min](const std::string& value, Options* options) {
    absl::Duration duration;
    if (!absl::ParseDuration(value, &duration) || duration < min ||
        duration > absl::Hours(24 * 7)) {
      return absl::StrCat("must be a duration of at least ", absl::FormatDuration(min),
                          ", e.g. 500ms, 30s or 5m");
    }
    options->*field = duration;
    return std::string();
  };
}

Setter Boolean(bool Options::*field) {
  return [field](const std::string& value, Options* options) {
    if (!absl::SimpleAtob(value, &(options->*field))) return std::string("must be true or false");
    return std::string();
  };
}

std::string SetRoles(const std::string& value, Options* options) {
  options->api = options->worker = false;
  for (const absl::string_view role : absl::StrSplit(value, ',')) {
    if (role == "api") {
      options->api = true;
    } else if (role == "worker") {
      options->worker = true;
    } else {
      return "must be api, worker or api,worker";
    }
  }
  return "";
}

std::string SetUriPrefixes(const std::string& value, Options* options) {
  options->uri_prefixes = absl::StrSplit(value, ',', absl::SkipEmpty());
  for (const std::string& prefix : options->uri_prefixes) {
    if (!absl::StartsWith(prefix, "http://") && !absl::StartsWith(prefix, "https://")) {
      return absl::StrCat("\"", prefix, "\" is not an http:// or https:// prefix");
    }
  }
  return "";
}

std::vector<OptionSpec> ProcessOptions() {
  return {
      {"listen", "127.0.0.1:50051", "Address for gRPC; port 0 lets the kernel choose.",
       Text(&Options::listen)},
      {"metrics_listen", "127.0.0.1:9464",
       "Address of the page /metrics, as `listen`; empty turns it off.",
       Text(&Options::metrics_listen)},
      {"port_file", "", "File written once the server answers: `grpc PORT`, `metrics PORT`.",
       Text(&Options::port_file)},
      {"roles", "api,worker", "`api` answers calls, `worker` runs cycles.", SetRoles},
  };
}

std::vector<OptionSpec> DatabaseOptions() {
  return {
      {"database", "dbname=mgral",
       "Connection string for libpq: `host=... dbname=...` or `postgresql://...`.",
       Text(&Options::database)},
      {"database_password_file", "",
       "File whose first line is the password, if `database` contains none.",
       Text(&Options::database_password_file)},
      {"database_connections", "16", "Size of the database connection pool.",
       Whole(&Options::database_connections, 2, 1000)},
      {"database_timeout", "30s", "How long to wait for the database at startup.",
       Duration(&Options::database_timeout, absl::ZeroDuration())},
      {"migrate", "true", "Apply missing schema migrations at startup.",
       Boolean(&Options::migrate)},
  };
}

std::vector<OptionSpec> FileOptions() {
  return {
      {"image_root", "", "Folder that image paths are relative to; empty refuses paths.",
       Text(&Options::image_root)},
      {"artifact_dir", "artifacts", "Folder for weights, embeddings, and images sent as bytes.",
       Text(&Options::artifact_dir)},
      {"uri_prefixes", "",
       "Comma-separated URI prefixes that images may be fetched from; empty refuses URIs.",
       SetUriPrefixes},
      {"max_image_bytes", "64MiB", "Maximum size of an encoded image.",
       Bytes(&Options::max_image_bytes)},
      {"max_image_pixels", "100000000", "Maximum number of pixels in an image.",
       Whole(&Options::max_image_pixels, int64_t{1}, int64_t{1} << 32)},
      {"max_weights_bytes", "1GiB",
       "Maximum size of an imported file of weights; importing one takes memory for it three "
       "times.",
       Bytes(&Options::max_weights_bytes)},
  };
}

std::vector<OptionSpec> ComputeOptions() {
  return {
      {"threads", "0", "Threads per tensor operation; 0: one per core.",
       Whole(&Options::threads, 0, 1024)},
      {"device", "cpu",
       "Detector's device: `cpu`, `cuda` (the first GPU), `cuda:N`, `auto` (a GPU if present).",
       Text(&Options::device)},
      {"decoders", "0", "Images decoded in parallel; 0: one per core.",
       Whole(&Options::decoders, 0, 1024)},
      {"trunk_weights", "",
       "File with the pretrained weights of EfficientNet-Lite0; empty: only profiles that train "
       "from "
       "scratch.",
       Text(&Options::trunk_weights)},
      {"cache_mb", "512",
       "Memory for decoded images, in MiB, and as much again for their features.",
       Whole(&Options::cache_mb, int64_t{0}, int64_t{1} << 20)},
      {"feature_cache_mb", "10240",
       "Disk space for features of images, in `artifact_dir`, in MiB; 0 keeps none there.",
       Whole(&Options::feature_cache_mb, int64_t{0}, int64_t{1} << 30)},
  };
}

std::vector<OptionSpec> LimitOptions() {
  const absl::Duration tick = absl::Milliseconds(10);
  constexpr int kMany = 100'000;
  return {
      {"max_in_flight", "64", "Concurrent unary calls; others get RESOURCE_EXHAUSTED.",
       Whole(&Options::max_in_flight, 1, kMany)},
      {"max_streams", "64", "Concurrent streams; others get RESOURCE_EXHAUSTED.",
       Whole(&Options::max_streams, 1, kMany)},
      {"job_lease", "30s", "How long after its last heartbeat a worker loses its job.",
       Duration(&Options::job_lease, absl::Milliseconds(100))},
      {"poll_interval", "1s", "How often workers poll for jobs, should a notification be missed.",
       Duration(&Options::poll_interval, tick)},
      {"expire_interval", "5s", "How often expired leases are swept.",
       Duration(&Options::expire_interval, tick)},
      {"max_cycle_attempts", "5",
       "How often a job may be started without finishing before its cycle fails.",
       Whole(&Options::max_cycle_attempts, 1, 1000)},
      {"drain_timeout", "30s", "How long calls in flight may take to finish after SIGTERM.",
       Duration(&Options::drain_timeout, absl::ZeroDuration())},
  };
}

std::vector<OptionSpec> SecurityOptions() {
  return {
      {"tls_cert", "", "PEM file with the server's certificate chain; empty serves without TLS.",
       Text(&Options::tls_cert)},
      {"tls_key", "", "PEM file with the private key of `tls_cert`.", Text(&Options::tls_key)},
      {"tls_client_ca", "", "PEM file with the CA of client certificates; empty requires none.",
       Text(&Options::tls_client_ca)},
      {"api_keys", "", "File of lines printed by `mgral-server key`; empty requires no key.",
       Text(&Options::api_keys)},
  };
}

std::vector<OptionSpec> LogOptions() {
  return {
      {"log_level", "info", "Least severe level: trace, debug, info, warn, or error.",
       Choice(&Options::log_level, {"trace", "debug", "info", "warn", "error"})},
      {"log_format", "json", "`json` (one object per line) or `text`.",
       Choice(&Options::log_format, {"json", "text"})},
  };
}

}  // namespace

const std::vector<OptionSpec>& OptionList() {
  static const auto* list = [] {
    auto* const all = new std::vector<OptionSpec>();
    for (auto& group : {ProcessOptions(), DatabaseOptions(), FileOptions(), ComputeOptions(),
                        LimitOptions(), SecurityOptions(), LogOptions()}) {
      all->insert(all->end(), group.begin(), group.end());
    }
    return all;
  }();
  return *list;
}

}  // namespace mgral::server
