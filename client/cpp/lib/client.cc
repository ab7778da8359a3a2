#include "client/cpp/lib/client.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "client/cpp/lib/client_stubs.h"
#include "client/cpp/lib/credentials.h"
#include "client/cpp/lib/errors.h"
#include "grpcpp/grpcpp.h"

namespace mgral::client {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  arguments.SetMaxSendMessageSize(options.max_message_bytes);
  // gRPC's defaults of 20 s and 120 s keep a client away long after the server is back.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // Detects a host that vanished under an open stream; a server takes pings more frequent than
  // every five minutes for abuse.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6 * 60 * 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  // RetryPolicy retries, with the same request_id.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // gRPC applies http_proxy to loopback addresses, too; keys must not go to the proxy.
  if (IsLoopback(options.target)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(options.target, MakeCredentials(options), arguments);
}

void SetDeadline(grpc::ClientContext* context, absl::Duration timeout) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
}

// One unary call, repeated by the policy. `method` is a stub's member function.
template <typename Response, typename Stub, typename Request>
absl::StatusOr<Response> Call(const ClientOptions& options, Stub* stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request) {
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    SetDeadline(&context, options.timeout);
    AddApiKey(options, &context);
    Response response;
    const absl::Status status = FromGrpc((stub->*method)(&context, request, &response));
    if (status.ok()) return response;
    if (attempt >= options.retry.max_attempts || !options.retry.IsRetryable(status)) return status;
    options.retry.Wait(options.retry.Delay(status, attempt));
  }
}

template <typename Request>
void FillRequestId(const ClientOptions& options, Request* request) {
  if (!request->request_id().empty()) return;
  request->set_request_id(options.new_request_id ? options.new_request_id() : NewRequestId());
}

// The walk over a list call. `items` takes the repeated field out of a response.
template <typename Item, typename Request, typename FetchPage, typename Items>
Pages<Item> MakePages(Request request, FetchPage fetch, Items items) {
  return Pages<Item>([request, fetch, items](const std::string& token) mutable
                     -> absl::StatusOr<typename Pages<Item>::Page> {
    if (!token.empty()) request.set_page_token(token);
    auto response = fetch(request);
    if (!response.ok()) return response.status();
    typename Pages<Item>::Page page;
    page.next_page_token = response->next_page_token();
    auto* list = items(&*response);
    page.items.assign(std::make_move_iterator(list->begin()), std::make_move_iterator(list->end()));
    return page;
  });
}

}  // namespace

Client::Client(ClientOptions options)
    : options_(std::move(options)), stubs_(std::make_unique<Stubs>(MakeChannel(options_))) {}
Client::~Client() = default;

const ClientOptions& Client::options() const { return options_; }

absl::StatusOr<v1::Pool> Client::CreatePool(v1::CreatePoolRequest request) {
  FillRequestId(options_, &request);
  return Call(options_, &stubs_->pool, &v1::PoolService::Stub::CreatePool, request);
}

absl::StatusOr<v1::Pool> Client::GetPool(const std::string& name) {
  v1::GetPoolRequest request;
  request.set_name(name);
  return Call(options_, &stubs_->pool, &v1::PoolService::Stub::GetPool, request);
}

Pages<v1::Pool> Client::ListPools(v1::ListPoolsRequest request) {
  return MakePages<v1::Pool>(
      std::move(request),
      [this](const v1::ListPoolsRequest& page) {
        return Call(options_, &stubs_->pool, &v1::PoolService::Stub::ListPools, page);
      },
      [](v1::ListPoolsResponse* response) { return response->mutable_pools(); });
}

absl::Status Client::DeletePool(const std::string& name, bool force) {
  v1::DeletePoolRequest request;
  request.set_name(name);
  request.set_force(force);
  bool repeated = false;
  ClientOptions once = options_;
  once.retry.max_attempts = 1;
  for (int attempt = 1;; ++attempt, repeated = true) {
    const absl::Status status =
        Call(once, &stubs_->pool, &v1::PoolService::Stub::DeletePool, request).status();
    // The response of an earlier attempt was lost: the pool is gone, as requested.
    if (repeated && absl::IsNotFound(status)) return absl::OkStatus();
    if (!options_.retry.IsRetryable(status) || attempt >= options_.retry.max_attempts) {
      return status;
    }
    options_.retry.Wait(options_.retry.Delay(status, attempt));
  }
}

absl::StatusOr<v1::BatchRegisterImagesResponse> Client::BatchRegisterImages(
    v1::BatchRegisterImagesRequest request) {
  FillRequestId(options_, &request);
  return Call(options_, &stubs_->pool, &v1::PoolService::Stub::BatchRegisterImages, request);
}

absl::StatusOr<v1::Image> Client::GetImage(const std::string& name) {
  v1::GetImageRequest request;
  request.set_name(name);
  return Call(options_, &stubs_->pool, &v1::PoolService::Stub::GetImage, request);
}

Pages<v1::Image> Client::ListImages(v1::ListImagesRequest request) {
  return MakePages<v1::Image>(
      std::move(request),
      [this](const v1::ListImagesRequest& page) {
        return Call(options_, &stubs_->pool, &v1::PoolService::Stub::ListImages, page);
      },
      [](v1::ListImagesResponse* response) { return response->mutable_images(); });
}

absl::StatusOr<v1::Batch> Client::QueryBatch(v1::QueryBatchRequest request) {
  FillRequestId(options_, &request);
  return Call(options_, &stubs_->selection, &v1::SelectionService::Stub::QueryBatch, request);
}

absl::StatusOr<v1::Batch> Client::GetBatch(const std::string& name) {
  v1::GetBatchRequest request;
  request.set_name(name);
  return Call(options_, &stubs_->selection, &v1::SelectionService::Stub::GetBatch, request);
}

Pages<v1::Batch> Client::ListBatches(v1::ListBatchesRequest request) {
  return MakePages<v1::Batch>(
      std::move(request),
      [this](const v1::ListBatchesRequest& page) {
        return Call(options_, &stubs_->selection, &v1::SelectionService::Stub::ListBatches, page);
      },
      [](v1::ListBatchesResponse* response) { return response->mutable_batches(); });
}

absl::StatusOr<v1::Batch> Client::RenewBatch(const std::string& name,
                                             absl::Duration lease_duration) {
  v1::RenewBatchRequest request;
  request.set_name(name);
  const int64_t seconds = absl::ToInt64Seconds(lease_duration);
  request.mutable_lease_duration()->set_seconds(seconds);
  request.mutable_lease_duration()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(lease_duration - absl::Seconds(seconds))));
  return Call(options_, &stubs_->selection, &v1::SelectionService::Stub::RenewBatch, request);
}

absl::StatusOr<v1::Batch> Client::ReleaseBatch(const std::string& name) {
  v1::ReleaseBatchRequest request;
  request.set_name(name);
  return Call(options_, &stubs_->selection, &v1::SelectionService::Stub::ReleaseBatch, request);
}

absl::StatusOr<v1::EstimateGainResponse> Client::EstimateGain(
    const v1::EstimateGainRequest& request) {
  return Call(options_, &stubs_->selection, &v1::SelectionService::Stub::EstimateGain, request);
}

absl::StatusOr<v1::BatchIngestLabelsResponse> Client::BatchIngestLabels(
    v1::BatchIngestLabelsRequest request) {
  FillRequestId(options_, &request);
  return Call(options_, &stubs_->label, &v1::LabelService::Stub::BatchIngestLabels, request);
}

Pages<v1::Labels> Client::ListLabels(v1::ListLabelsRequest request) {
  return MakePages<v1::Labels>(
      std::move(request),
      [this](const v1::ListLabelsRequest& page) {
        return Call(options_, &stubs_->label, &v1::LabelService::Stub::ListLabels, page);
      },
      [](v1::ListLabelsResponse* response) { return response->mutable_labels(); });
}

absl::StatusOr<v1::Cycle> Client::StartCycle(v1::StartCycleRequest request) {
  FillRequestId(options_, &request);
  return Call(options_, &stubs_->cycle, &v1::CycleService::Stub::StartCycle, request);
}

absl::StatusOr<v1::Cycle> Client::GetCycle(const std::string& name) {
  v1::GetCycleRequest request;
  request.set_name(name);
  return Call(options_, &stubs_->cycle, &v1::CycleService::Stub::GetCycle, request);
}

Pages<v1::Cycle> Client::ListCycles(v1::ListCyclesRequest request) {
  return MakePages<v1::Cycle>(
      std::move(request),
      [this](const v1::ListCyclesRequest& page) {
        return Call(options_, &stubs_->cycle, &v1::CycleService::Stub::ListCycles, page);
      },
      [](v1::ListCyclesResponse* response) { return response->mutable_cycles(); });
}

absl::StatusOr<v1::Cycle> Client::CancelCycle(const std::string& name) {
  v1::CancelCycleRequest request;
  request.set_name(name);
  return Call(options_, &stubs_->cycle, &v1::CycleService::Stub::CancelCycle, request);
}

absl::StatusOr<v1::Model> Client::GetModel(const std::string& name) {
  v1::GetModelRequest request;
  request.set_name(name);
  return Call(options_, &stubs_->model, &v1::ModelService::Stub::GetModel, request);
}

Pages<v1::Model> Client::ListModels(v1::ListModelsRequest request) {
  return MakePages<v1::Model>(
      std::move(request),
      [this](const v1::ListModelsRequest& page) {
        return Call(options_, &stubs_->model, &v1::ModelService::Stub::ListModels, page);
      },
      [](v1::ListModelsResponse* response) { return response->mutable_models(); });
}

absl::StatusOr<v1::PredictResponse> Client::Predict(const v1::PredictRequest& request) {
  return Call(options_, &stubs_->model, &v1::ModelService::Stub::Predict, request);
}

absl::StatusOr<v1::Model> Client::RollbackModel(v1::RollbackModelRequest request) {
  FillRequestId(options_, &request);
  return Call(options_, &stubs_->model, &v1::ModelService::Stub::RollbackModel, request);
}

bool HasEnded(const v1::Cycle& cycle) {
  return cycle.state() == v1::CYCLE_STATE_SUCCEEDED || cycle.state() == v1::CYCLE_STATE_FAILED ||
         cycle.state() == v1::CYCLE_STATE_CANCELLED;
}

}  // namespace mgral::client
