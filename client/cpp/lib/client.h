#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cpp/lib/pages.h"
#include "client/cpp/lib/retry.h"
#include "mgral/v1/cycle_service.pb.h"
#include "mgral/v1/label_service.pb.h"
#include "mgral/v1/model_service.pb.h"
#include "mgral/v1/pool_service.pb.h"
#include "mgral/v1/prediction_service.pb.h"
#include "mgral/v1/selection_service.pb.h"

namespace mgral::client {

// PEM texts, not file names. An empty root_certificates selects the system's; certificate and
// private_key are for servers that ask for a client certificate.
struct TlsOptions {
  std::string root_certificates;
  std::string certificate;
  std::string private_key;
};

struct ClientOptions {
  std::string target = "127.0.0.1:50051";
  // Of each attempt of a call; of a stream, the longest wait for the next acknowledgment.
  absl::Duration timeout = absl::Seconds(120);
  int max_message_bytes = 64 << 20;
  std::optional<TlsOptions> tls;  // unset: plain text
  // Sent with every call ("authorization: Bearer KEY"). Without TLS only to this machine itself,
  // unless `api_key_over_plain_text`: elsewhere the calls go without it, and are refused.
  std::string api_key;
  bool api_key_over_plain_text = false;
  RetryPolicy retry;
  // An established stream gives up when its server is unreachable for this long.
  absl::Duration reconnect_patience = absl::Minutes(5);
  // Sent when a request's request_id is empty. Null: NewRequestId.
  std::function<std::string()> new_request_id;
};

// How much a stream sends before it waits for an acknowledgment. The server takes at most 1000
// items in a message.
struct StreamOptions {
  int chunk_items = 500;
  int64_t chunk_bytes = 8 << 20;
  int max_chunks_in_flight = 4;
  v1::Verification verification = v1::VERIFICATION_UNSPECIFIED;  // RegisterImages only
};

// Called from another thread after each acknowledgment, with the items acknowledged so far.
using AcknowledgedCallback = std::function<void(int64_t)>;

// Returns the next item to send, nothing at the end. An error ends the stream once the items before
// it are acknowledged, and is returned.
template <typename Item>
using Source = std::function<absl::StatusOr<std::optional<Item>>()>;

// A source that hands out a vector's items.
template <typename Item>
Source<Item> FromVector(std::vector<Item> items) {
  auto state = std::make_shared<std::pair<std::vector<Item>, size_t>>(std::move(items), 0);
  return [state]() -> absl::StatusOr<std::optional<Item>> {
    if (state->second == state->first.size()) return std::optional<Item>();
    return std::optional<Item>(std::move(state->first[state->second++]));
  };
}

struct RegisterResult {
  // After a broken stream, images that were committed but not acknowledged count as `existing`.
  int64_t registered = 0;
  int64_t existing = 0;
  std::vector<v1::RefusedImage> refused;  // `index` counts from the source's first item
  int64_t reconnects = 0;
};

struct IngestResult {
  int64_t ingested = 0;
  int64_t late = 0;
  std::vector<v1::RefusedLabels> refused;  // `index` counts from the source's first item
  int64_t reconnects = 0;
};

struct PutResult {
  int64_t stored = 0;
  int64_t images = 0;                           // of the pool, that have predictions of the model
  std::vector<v1::RefusedPredictions> refused;  // `index` counts from the source's first item
  int64_t reconnects = 0;
};

// The calls of a server. Every call blocks, has a deadline, and is retried by the RetryPolicy where
// that is safe: a mutating call gets a fresh request_id if it has none. Errors carry the server's
// details (client/cpp/lib/errors.h). Thread-safe.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const ClientOptions& options() const;

  // Pools.
  absl::StatusOr<v1::Pool> CreatePool(v1::CreatePoolRequest request);
  absl::StatusOr<v1::Pool> GetPool(const std::string& name);
  Pages<v1::Pool> ListPools(v1::ListPoolsRequest request = {});
  absl::Status DeletePool(const std::string& name, bool force = false);

  // Images. At most 1000 in a BatchRegisterImages; RegisterImages takes any number, in constant
  // memory, and resumes a broken stream at the first unacknowledged image.
  absl::StatusOr<v1::BatchRegisterImagesResponse> BatchRegisterImages(
      v1::BatchRegisterImagesRequest request);
  absl::StatusOr<RegisterResult> RegisterImages(const std::string& pool,
                                                const Source<v1::NewImage>& source,
                                                const StreamOptions& stream = {},
                                                const AcknowledgedCallback& acknowledged = nullptr);
  absl::StatusOr<v1::Image> GetImage(const std::string& name);
  Pages<v1::Image> ListImages(v1::ListImagesRequest request);

  // Selection.
  absl::StatusOr<v1::Batch> QueryBatch(v1::QueryBatchRequest request);
  absl::StatusOr<v1::Batch> GetBatch(const std::string& name);
  Pages<v1::Batch> ListBatches(v1::ListBatchesRequest request);
  absl::StatusOr<v1::Batch> RenewBatch(const std::string& name, absl::Duration lease_duration);
  absl::StatusOr<v1::Batch> ReleaseBatch(const std::string& name);
  absl::StatusOr<v1::EstimateGainResponse> EstimateGain(const v1::EstimateGainRequest& request);

  // Labels. IngestLabels relates to BatchIngestLabels as RegisterImages does to
  // BatchRegisterImages.
  absl::StatusOr<v1::BatchIngestLabelsResponse> BatchIngestLabels(
      v1::BatchIngestLabelsRequest request);
  absl::StatusOr<IngestResult> IngestLabels(const std::string& pool,
                                            const Source<v1::NewLabels>& source,
                                            const StreamOptions& stream = {},
                                            const AcknowledgedCallback& acknowledged = nullptr);
  Pages<v1::Labels> ListLabels(v1::ListLabelsRequest request);
  // Passes the file to `sink` in pieces. Retried only until the first piece.
  absl::Status ExportLabels(const v1::ExportLabelsRequest& request,
                            const std::function<absl::Status(absl::string_view)>& sink);

  // Predictions of an external detector, which `model` names with its version.
  absl::StatusOr<PutResult> PutPredictions(const std::string& pool, const std::string& model,
                                           const Source<v1::NewPredictions>& source,
                                           const StreamOptions& stream = {},
                                           const AcknowledgedCallback& acknowledged = nullptr);

  // Cycles.
  absl::StatusOr<v1::Cycle> StartCycle(v1::StartCycleRequest request);
  absl::StatusOr<v1::Cycle> GetCycle(const std::string& name);
  Pages<v1::Cycle> ListCycles(v1::ListCyclesRequest request);
  absl::StatusOr<v1::Cycle> CancelCycle(const std::string& name);
  // Calls `progress` (may be null) with every change until the cycle ends, through restarts of the
  // server, and returns the cycle as it ended: look at its state, a failed cycle is no error here.
  absl::StatusOr<v1::Cycle> WatchCycle(const std::string& name,
                                       const std::function<void(const v1::Cycle&)>& progress);

  // Models.
  absl::StatusOr<v1::Model> GetModel(const std::string& name);
  Pages<v1::Model> ListModels(v1::ListModelsRequest request);
  absl::StatusOr<v1::PredictResponse> Predict(const v1::PredictRequest& request);
  absl::StatusOr<v1::Model> RollbackModel(v1::RollbackModelRequest request);
  // Passes the messages to `sink`, the first with the description. Retried only until the first. An
  // error if the file is shorter or longer than announced.
  absl::Status ExportModel(const v1::ExportModelRequest& request,
                           const std::function<absl::Status(const v1::ExportModelResponse&)>& sink);
  // Sends the file at `path` after `header`, whose size_bytes, request_id and, where it is empty,
  // file_name are set from it. Retried from the file's start.
  absl::StatusOr<v1::ImportWeightsResponse> ImportWeights(
      v1::ImportWeightsRequest header, const std::string& path,
      const std::function<void(int64_t)>& progress = nullptr);

 private:
  struct Stubs;
  ClientOptions options_;
  std::unique_ptr<Stubs> stubs_;
};

// SUCCEEDED, FAILED or CANCELLED.
bool HasEnded(const v1::Cycle& cycle);

}  // namespace mgral::client
