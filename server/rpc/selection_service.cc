#include "server/rpc/selection_service.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/estimate_gain.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/rpc/batch_messages.h"
#include "server/rpc/find_pool.h"
#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {

grpc::Status SelectionService::QueryBatch(grpc::ServerContext* context,
                                          const mgral::v1::QueryBatchRequest* request,
                                          mgral::v1::Batch* response) {
  return calls_->Run(context, "SelectionService/QueryBatch",
                     [&](const Caller& caller) -> absl::Status {
                       const auto key = ToRequestKey("QueryBatch", *request);
                       if (!key.ok()) return key.status();
                       app::BatchQuery query;
                       query.size = request->size();
                       query.strategy = request->strategy();
                       query.annotator = request->annotator();
                       query.allow_fewer = request->allow_fewer();
                       if (request->has_lease_duration()) {
                         const auto lease = ToDuration(request->lease_duration(), "lease_duration");
                         if (!lease.ok()) return lease.status();
                         query.lease = *lease;
                       }
                       const auto pool = FindPool(pools_, caller, request->parent(), "parent");
                       if (!pool.ok()) return pool.status();
                       const auto batch = query_batch_->Run(*pool, query, *key);
                       if (!batch.ok()) return batch.status();
                       FromBatch(*batch, *pool, response);
                       return absl::OkStatus();
                     });
}

grpc::Status SelectionService::GetBatch(grpc::ServerContext* context,
                                        const mgral::v1::GetBatchRequest* request,
                                        mgral::v1::Batch* response) {
  return calls_->Run(
      context, "SelectionService/GetBatch", [&](const Caller& caller) -> absl::Status {
        const auto named = FindPoolOfChild(pools_, caller, request->name(), "batches");
        if (!named.ok()) return named.status();
        const auto batch = batches_->GetBatch(named->pool.key, named->id);
        if (!batch.ok()) return AboutChild(batch.status(), "batch", request->name());
        FromBatch(*batch, named->pool, response);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::ListBatches(grpc::ServerContext* context,
                                           const mgral::v1::ListBatchesRequest* request,
                                           mgral::v1::ListBatchesResponse* response) {
  return calls_->Run(
      context, "SelectionService/ListBatches", [&](const Caller& caller) -> absl::Status {
        const auto page = ToPage(request->page_size(), request->page_token());
        if (!page.ok()) return page.status();
        if (!mgral::v1::BatchState_IsValid(request->state())) {
          return base::InvalidField("state", absl::StrCat("has no state ", request->state()));
        }
        std::optional<domain::BatchState> state;
        if (request->state() != mgral::v1::BATCH_STATE_UNSPECIFIED) {
          state = static_cast<domain::BatchState>(request->state());  // the same numbers
        }
        const auto pool = FindPool(pools_, caller, request->parent(), "parent");
        if (!pool.ok()) return pool.status();
        const auto batches = batches_->ListBatches(pool->key, *page, state);
        if (!batches.ok()) return batches.status();
        for (const domain::Batch& batch : batches->items) {
          FromBatch(batch, *pool, response->add_batches());
        }
        response->set_next_page_token(batches->next_page_token);
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
          const auto asked = ToDuration(request->lease_duration(), "lease_duration");
          if (!asked.ok()) return asked.status();
          lease = *asked;
        }
        const std::string problem = app::LeaseProblem(lease);
        if (!problem.empty()) return base::InvalidField("lease_duration", problem);
        const auto named = FindPoolOfChild(pools_, caller, request->name(), "batches");
        if (!named.ok()) return named.status();
        const auto batch = batches_->RenewBatch(named->pool.key, named->id, lease);
        if (!batch.ok()) return AboutChild(batch.status(), "batch", request->name());
        FromBatch(*batch, named->pool, response);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::ReleaseBatch(grpc::ServerContext* context,
                                            const mgral::v1::ReleaseBatchRequest* request,
                                            mgral::v1::Batch* response) {
  return calls_->Run(
      context, "SelectionService/ReleaseBatch", [&](const Caller& caller) -> absl::Status {
        const auto named = FindPoolOfChild(pools_, caller, request->name(), "batches");
        if (!named.ok()) return named.status();
        const auto batch = batches_->ReleaseBatch(named->pool.key, named->id);
        if (!batch.ok()) return AboutChild(batch.status(), "batch", request->name());
        FromBatch(*batch, named->pool, response);
        return absl::OkStatus();
      });
}

grpc::Status SelectionService::EstimateGain(grpc::ServerContext* context,
                                            const mgral::v1::EstimateGainRequest* request,
                                            mgral::v1::EstimateGainResponse* response) {
  return calls_->Run(context, "SelectionService/EstimateGain",
                     [&](const Caller& caller) -> absl::Status {
                       const auto pool = FindPool(pools_, caller, request->parent(), "parent");
                       if (!pool.ok()) return pool.status();
                       const std::vector<std::string> ids(request->image_ids().begin(),
                                                          request->image_ids().end());
                       const auto estimate = app::EstimateGain(batches_, runtime_, pool->key, ids);
                       if (!estimate.ok()) return estimate.status();
                       FromGain(estimate->gain, pool->classes, response->mutable_gain());
                       response->set_model(ModelName(pool->pool_id, estimate->model_version));
                       response->set_table_version(estimate->table_version);
                       return absl::OkStatus();
                     });
}

}  // namespace mgral::rpc
