#include "server/rpc/call_runner.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/rpc/status_map.h"

namespace mgral::rpc {
namespace {

constexpr char kRequestIdHeader[] = "x-request-id";

std::string RequestId(const grpc::ServerContext& context) {
  const auto given = context.client_metadata().find(kRequestIdHeader);
  if (given != context.client_metadata().end()) {
    const std::string id(given->second.data(), given->second.size());
    const bool printable =
        std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7F; });
    if (!id.empty() && id.size() <= base::kMaxTextBytes && printable) return id;
  }
  thread_local std::mt19937_64 random{std::random_device{}()};
  return absl::StrFormat("%016x", random());
}

absl::Status WithoutExceptions(const std::function<absl::Status()>& handler) {
  try {
    return handler();
  } catch (const std::bad_alloc&) {
    return base::Overloaded("the server is out of memory for this call", absl::Seconds(5));
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

// Occupies one of the slots for calls of one kind, if one is free.
class Slot {
 public:
  Slot(std::atomic<int>* taken, int max) : taken_(taken), acquired_(taken->fetch_add(1) < max) {}
  ~Slot() { taken_->fetch_sub(1); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  bool acquired() const { return acquired_; }

 private:
  std::atomic<int>* taken_;
  const bool acquired_;
};

}  // namespace

domain::CallContext ToCallContext(grpc::ServerContext* context) {
  // gRPC's synchronous API asks the call's own completion queue, for one thread at a time.
  const auto mutex = std::make_shared<std::mutex>();
  domain::CallContext call;
  call.deadline = absl::FromChrono(context->deadline());
  call.canceled = [context, mutex] {
    std::lock_guard<std::mutex> lock(*mutex);
    return context->IsCancelled();
  };
  return call;
}

absl::Status DrainingError() {
  return base::Unavailable(
      "the server is shutting down: call again and continue where this call ended",
      absl::Seconds(1));
}

absl::Status CallRunner::Admitted(grpc::ServerContext* context, Kind kind,
                                  const std::function<absl::Status()>& handler,
                                  CallRecord* record) {
  const bool stream = kind == Kind::kStream;
  if (stream && draining()) return DrainingError();
  const Slot slot(stream ? &streams_ : &unary_,
                  stream ? limits_.max_streams : limits_.max_in_flight);
  record->refused = !slot.acquired();
  if (record->refused) {
    return base::Overloaded(
        absl::StrCat("too many ", stream ? "streams" : "calls", " at once: try again in a moment"),
        stream ? absl::Seconds(5) : absl::Milliseconds(500));
  }
  if (context->deadline() <= std::chrono::system_clock::now()) {
    return absl::DeadlineExceededError("the deadline passed before the call began");
  }
  return WithoutExceptions(handler);
}

// Before admission, so that callers without a key occupy no slot.
absl::Status CallRunner::Authenticated(grpc::ServerContext* context, Kind kind,
                                       const Handler& handler, CallRecord* record) {
  MGRAL_ASSIGN_OR_RETURN(const auto caller,
                         authentication_->Authenticate(context->client_metadata()));
  record->key_name = caller.key_name;
  return Admitted(
      context, kind, [&] { return handler(caller); }, record);
}

grpc::Status CallRunner::Run(grpc::ServerContext* context, const std::string& method,
                             const Handler& handler, Kind kind) {
  const absl::Time start = absl::Now();
  CallRecord record;
  record.method = method;
  record.request_id = RequestId(*context);
  record.peer = context->peer();
  context->AddTrailingMetadata(kRequestIdHeader, record.request_id);
  record.stream = kind == Kind::kStream;
  const absl::Status status = Authenticated(context, kind, handler, &record);
  record.code = absl::StatusCodeToString(status.code());
  record.error = std::string(status.message());
  record.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (on_call_) on_call_(record);
  return ToGrpc(status);
}

}  // namespace mgral::rpc
