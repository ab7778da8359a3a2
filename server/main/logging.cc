#include "server/main/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mgral::server {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const absl::string_view level(spdlog::level::to_string_view(message.level).data(),
                                  spdlog::level::to_string_view(message.level).size());
    const std::string payload(message.payload.data(), message.payload.size());
    std::string line =
        Dump({{"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromChrono(message.time),
                                        absl::UTCTimeZone())},
              {"level", std::string(level)}});
    line.pop_back();  // the closing brace
    line += ',';
    if (payload.rfind("{\"message\":", 0) == 0) {
      line += payload.substr(1);
    } else {
      line += Dump({{"message", payload}}).substr(1);
    }
    line += '\n';
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

// Codes that say that the server, not the caller, is to blame.
bool IsOurFault(const std::string& code) {
  return code == "INTERNAL" || code == "UNKNOWN" || code == "DATA_LOSS" || code == "UNAVAILABLE";
}

}  // namespace

std::unique_ptr<spdlog::formatter> MakeJsonFormatter() { return std::make_unique<JsonFormatter>(); }

void SetUpLogging(const std::string& level, const std::string& format) {
  auto logger =
      std::make_shared<spdlog::logger>("mgral", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (format == "json") {
    logger->set_formatter(MakeJsonFormatter());
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
  }
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(logger);
}

void LogCall(const rpc::CallRecord& call, bool json) {
  const auto level = call.code == "OK"       ? spdlog::level::debug
                     : IsOurFault(call.code) ? spdlog::level::err
                                             : spdlog::level::info;
  if (!spdlog::should_log(level)) return;
  if (!json) {
    spdlog::log(level, "{} {} {:.1f} ms request={} peer={} key={} {}", call.method, call.code,
                call.seconds * 1e3, call.request_id, call.peer, call.key_name, call.error);
    return;
  }
  Json fields = {{"message", "call"},        {"method", call.method},         {"code", call.code},
                 {"ms", call.seconds * 1e3}, {"request_id", call.request_id}, {"peer", call.peer}};
  if (!call.key_name.empty()) fields["key"] = call.key_name;
  if (!call.error.empty()) fields["error"] = call.error;
  spdlog::log(level, "{}", Dump(fields));
}

}  // namespace mgral::server
