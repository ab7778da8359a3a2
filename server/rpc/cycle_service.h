#pragma once

#include "mgral/v1/cycle_service.grpc.pb.h"
#include "server/domain/cycle_store.h"
#include "server/domain/pool_store.h"
#include "server/domain/prediction_store.h"
#include "server/rpc/call_runner.h"

namespace mgral::rpc {

// Everything given must outlive the service.
class CycleService : public mgral::v1::CycleService::Service {
 public:
  CycleService(CallRunner* calls, domain::PoolStore* pools, domain::CycleStore* cycles,
               domain::PredictionStore* predictions)
      : calls_(calls), pools_(pools), cycles_(cycles), predictions_(predictions) {}

  grpc::Status StartCycle(grpc::ServerContext* context, const mgral::v1::StartCycleRequest* request,
                          mgral::v1::Cycle* response) override;
  grpc::Status GetCycle(grpc::ServerContext* context, const mgral::v1::GetCycleRequest* request,
                        mgral::v1::Cycle* response) override;
  grpc::Status ListCycles(grpc::ServerContext* context, const mgral::v1::ListCyclesRequest* request,
                          mgral::v1::ListCyclesResponse* response) override;
  grpc::Status WatchCycle(grpc::ServerContext* context, const mgral::v1::WatchCycleRequest* request,
                          grpc::ServerWriter<mgral::v1::WatchCycleResponse>* writer) override;
  grpc::Status CancelCycle(grpc::ServerContext* context,
                           const mgral::v1::CancelCycleRequest* request,
                           mgral::v1::Cycle* response) override;

 private:
  absl::Status Watch(grpc::ServerContext* context, const Caller& caller, const std::string& name,
                     grpc::ServerWriter<mgral::v1::WatchCycleResponse>* writer);

  CallRunner* calls_;
  domain::PoolStore* pools_;
  domain::CycleStore* cycles_;
  domain::PredictionStore* predictions_;
};

}  // namespace mgral::rpc
