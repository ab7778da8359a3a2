#include "server/rpc/cycle_service.h"

#include <string>

#include "server/app/start_cycle.h"
#include "server/base/status_macros.h"
#include "server/rpc/cycle_messages.h"
#include "server/rpc/find_pool.h"
#include "server/rpc/request_fields.h"

namespace mgral::rpc {
namespace {

// How soon a watcher notices that its client is gone or that the server drains.
constexpr absl::Duration kWatchStep = absl::Seconds(1);

bool Ended(domain::CycleState state) {
  return state != domain::CycleState::kQueued && state != domain::CycleState::kRunning;
}

}  // namespace

grpc::Status CycleService::StartCycle(grpc::ServerContext* context,
                                      const mgral::v1::StartCycleRequest* request,
                                      mgral::v1::Cycle* response) {
  return calls_->Run(context, "CycleService/StartCycle", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto key, ToRequestKey("StartCycle", *request));
    MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request->parent(), "parent"));
    MGRAL_ASSIGN_OR_RETURN(const auto cycle, app::StartCycle(pools_, cycles_, predictions_, pool,
                                                             request->without_table(), key));
    FromCycle(cycle, pool.pool_id, response);
    return absl::OkStatus();
  });
}

grpc::Status CycleService::GetCycle(grpc::ServerContext* context,
                                    const mgral::v1::GetCycleRequest* request,
                                    mgral::v1::Cycle* response) {
  return calls_->Run(context, "CycleService/GetCycle", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto named,
                           FindPoolOfChild(pools_, caller, request->name(), "cycles"));
    const auto cycle = cycles_->GetCycle(named.pool.key, named.id);
    if (!cycle.ok()) return AboutChild(cycle.status(), "cycle", request->name());
    FromCycle(*cycle, named.pool.pool_id, response);
    return absl::OkStatus();
  });
}

grpc::Status CycleService::ListCycles(grpc::ServerContext* context,
                                      const mgral::v1::ListCyclesRequest* request,
                                      mgral::v1::ListCyclesResponse* response) {
  return calls_->Run(context, "CycleService/ListCycles", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto page, ToPage(request->page_size(), request->page_token()));
    MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request->parent(), "parent"));
    MGRAL_ASSIGN_OR_RETURN(const auto cycles, cycles_->ListCycles(pool.key, page));
    for (const domain::Cycle& cycle : cycles.items) {
      FromCycle(cycle, pool.pool_id, response->add_cycles());
    }
    response->set_next_page_token(cycles.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status CycleService::WatchCycle(grpc::ServerContext* context,
                                      const mgral::v1::WatchCycleRequest* request,
                                      grpc::ServerWriter<mgral::v1::WatchCycleResponse>* writer) {
  const auto handler = [&](const Caller& caller) {
    return Watch(context, caller, request->name(), writer);
  };
  return calls_->Run(context, "CycleService/WatchCycle", handler, CallRunner::Kind::kStream);
}

absl::Status CycleService::Watch(grpc::ServerContext* context, const Caller& caller,
                                 const std::string& name,
                                 grpc::ServerWriter<mgral::v1::WatchCycleResponse>* writer) {
  MGRAL_ASSIGN_OR_RETURN(const auto named, FindPoolOfChild(pools_, caller, name, "cycles"));
  auto cycle = cycles_->GetCycle(named.pool.key, named.id);
  int64_t sent_revision = -1;
  while (true) {
    if (!cycle.ok()) return AboutChild(cycle.status(), "cycle", name);
    MGRAL_RETURN_IF_ERROR(calls_->StillValid(caller));
    if (cycle->revision != sent_revision) {
      mgral::v1::WatchCycleResponse response;
      FromCycle(*cycle, named.pool.pool_id, response.mutable_cycle());
      if (!writer->Write(response)) return absl::CancelledError("the client went away");
      sent_revision = cycle->revision;
    }
    if (Ended(cycle->state)) return absl::OkStatus();
    if (context->IsCancelled()) return absl::CancelledError("the client went away");
    if (calls_->draining()) return DrainingError();
    cycle = cycles_->WaitForChange(named.pool.key, named.id, sent_revision, kWatchStep);
  }
}

grpc::Status CycleService::CancelCycle(grpc::ServerContext* context,
                                       const mgral::v1::CancelCycleRequest* request,
                                       mgral::v1::Cycle* response) {
  return calls_->Run(
      context, "CycleService/CancelCycle", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto named,
                               FindPoolOfChild(pools_, caller, request->name(), "cycles"));
        const auto cycle = cycles_->CancelCycle(named.pool.key, named.id);
        if (!cycle.ok()) return AboutChild(cycle.status(), "cycle", request->name());
        FromCycle(*cycle, named.pool.pool_id, response);
        return absl::OkStatus();
      });
}

}  // namespace mgral::rpc
