#pragma once

#include "mgral/v1/selection_service.grpc.pb.h"
#include "server/app/query_batch.h"
#include "server/domain/batch_store.h"
#include "server/domain/pool_store.h"
#include "server/domain/selection_runtime.h"
#include "server/rpc/call_runner.h"

namespace mgral::rpc {

// Everything given must outlive the service.
class SelectionService : public mgral::v1::SelectionService::Service {
 public:
  SelectionService(CallRunner* calls, domain::PoolStore* pools, domain::BatchStore* batches,
                   domain::SelectionRuntime* runtime, app::QueryBatch* query_batch)
      : calls_(calls),
        pools_(pools),
        batches_(batches),
        runtime_(runtime),
        query_batch_(query_batch) {}

  grpc::Status QueryBatch(grpc::ServerContext* context, const mgral::v1::QueryBatchRequest* request,
                          mgral::v1::Batch* response) override;
  grpc::Status GetBatch(grpc::ServerContext* context, const mgral::v1::GetBatchRequest* request,
                        mgral::v1::Batch* response) override;
  grpc::Status ListBatches(grpc::ServerContext* context,
                           const mgral::v1::ListBatchesRequest* request,
                           mgral::v1::ListBatchesResponse* response) override;
  grpc::Status RenewBatch(grpc::ServerContext* context, const mgral::v1::RenewBatchRequest* request,
                          mgral::v1::Batch* response) override;
  grpc::Status ReleaseBatch(grpc::ServerContext* context,
                            const mgral::v1::ReleaseBatchRequest* request,
                            mgral::v1::Batch* response) override;
  grpc::Status EstimateGain(grpc::ServerContext* context,
                            const mgral::v1::EstimateGainRequest* request,
                            mgral::v1::EstimateGainResponse* response) override;

 private:
  CallRunner* calls_;
  domain::PoolStore* pools_;
  domain::BatchStore* batches_;
  domain::SelectionRuntime* runtime_;
  app::QueryBatch* query_batch_;
};

}  // namespace mgral::rpc
