#include "server/rpc/selection_service.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/estimate_gain.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/rpc/batch_messages.h"
#include "server/rpc/find_pool.h"
#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {

grpc::Status SelectionService::QueryBatch(grpc::ServerContext* context,
                                          const mgral::v1::QueryBatchRequest* request,
                                          mgral::v1::Batch* response) {
  return calls_->Run(
      context, "SelectionService/QueryBatch", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto key, ToRequestKey("QueryBatch", *request));
        app::BatchQuery query;
        query.size = request->size();
        query.strategy = request->strategy();
        query.annotator = request->annotator();
        query.allow_fewer = request->allow_fewer();
        if (request->has_lease_duration()) {
          MGRAL_ASSIGN_OR_RETURN(query.lease,
                                 ToDuration(request->lease_duration(), "lease_duration"));
        }
        MGRAL_ASSIGN_OR_RETURN(const auto pool,
                               FindPool(pools_, caller, request->parent(), "parent"));
        MGRAL_ASSIGN_OR_RETURN(const auto batch, query_batch_->Run(pool, query, key));
        FromBatch(batch, pool, response);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::GetBatch(grpc::ServerContext* context,
                                        const mgral::v1::GetBatchRequest* request,
                                        mgral::v1::Batch* response) {
  return calls_->Run(
      context, "SelectionService/GetBatch", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto named,
                               FindPoolOfChild(pools_, caller, request->name(), "batches"));
        const auto batch = batches_->GetBatch(named.pool.key, named.id);
        if (!batch.ok()) return AboutChild(batch.status(), "batch", request->name());
        FromBatch(*batch, named.pool, response);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::ListBatches(grpc::ServerContext* context,
                                           const mgral::v1::ListBatchesRequest* request,
                                           mgral::v1::ListBatchesResponse* response) {
  return calls_->Run(
      context, "SelectionService/ListBatches", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto page,
                               ToPage(request->page_size(), request->page_token()));
        if (!mgral::v1::BatchState_IsValid(request->state())) {
          return base::InvalidField("state", absl::StrCat("unknown state ", request->state()));
        }
        std::optional<domain::BatchState> state;
        if (request->state() != mgral::v1::BATCH_STATE_UNSPECIFIED) {
          state = static_cast<domain::BatchState>(request->state());  // the same numbers
        }
        MGRAL_ASSIGN_OR_RETURN(const auto pool,
                               FindPool(pools_, caller, request->parent(), "parent"));
        MGRAL_ASSIGN_OR_RETURN(const auto batches, batches_->ListBatches(pool.key, page, state));
        for (const domain::Batch& batch : batches.items) {
          FromBatch(batch, pool, response->add_batches());
        }
        response->set_next_page_token(batches.next_page_token);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::RenewBatch(grpc::ServerContext* context,
                                          const mgral::v1::RenewBatchRequest* request,
                                          mgral::v1::Batch* response) {
  return calls_->Run(
      context, "SelectionService/RenewBatch", [&](const Caller& caller) -> absl::Status {
        absl::Duration lease = absl::Seconds(base::kDefaultLeaseSeconds);
        if (request->has_lease_duration()) {
          MGRAL_ASSIGN_OR_RETURN(lease, ToDuration(request->lease_duration(), "lease_duration"));
        }
        const std::string problem = app::LeaseProblem(lease);
        if (!problem.empty()) return base::InvalidField("lease_duration", problem);
        MGRAL_ASSIGN_OR_RETURN(const auto named,
                               FindPoolOfChild(pools_, caller, request->name(), "batches"));
        const auto batch = batches_->RenewBatch(named.pool.key, named.id, lease);
        if (!batch.ok()) return AboutChild(batch.status(), "batch", request->name());
        FromBatch(*batch, named.pool, response);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::ReleaseBatch(grpc::ServerContext* context,
                                            const mgral::v1::ReleaseBatchRequest* request,
                                            mgral::v1::Batch* response) {
  return calls_->Run(
      context, "SelectionService/ReleaseBatch", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto named,
                               FindPoolOfChild(pools_, caller, request->name(), "batches"));
        const auto batch = batches_->ReleaseBatch(named.pool.key, named.id);
        if (!batch.ok()) return AboutChild(batch.status(), "batch", request->name());
        FromBatch(*batch, named.pool, response);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::EstimateGain(grpc::ServerContext* context,
                                            const mgral::v1::EstimateGainRequest* request,
                                            mgral::v1::EstimateGainResponse* response) {
  return calls_->Run(context, "SelectionService/EstimateGain",
                     [&](const Caller& caller) -> absl::Status {
                       MGRAL_ASSIGN_OR_RETURN(
                           const auto pool, FindPool(pools_, caller, request->parent(), "parent"));
                       const std::vector<std::string> ids(request->image_ids().begin(),
                                                          request->image_ids().end());
                       MGRAL_ASSIGN_OR_RETURN(const auto estimate,
                                              app::EstimateGain(batches_, runtime_, pool, ids));
                       FromGain(estimate.gain, pool.classes, response->mutable_gain());
                       response->set_model(ModelName(pool.pool_id, estimate.model_version));
                       response->set_table_version(estimate.table_version);
                       return absl::OkStatus();
                     });
}

}  // namespace mgral::rpc
