#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cpp/lib/client.h"
#include "grpcpp/grpcpp.h"
#include "mgral/v1/cycle_service.grpc.pb.h"
#include "mgral/v1/label_service.grpc.pb.h"
#include "mgral/v1/model_service.grpc.pb.h"
#include "mgral/v1/pool_service.grpc.pb.h"
#include "mgral/v1/prediction_service.grpc.pb.h"
#include "mgral/v1/selection_service.grpc.pb.h"

namespace mgral::client {

// A status with google.rpc details, as mgral-server sends them.
grpc::Status Refusal(grpc::StatusCode code, const std::string& reason, const std::string& message,
                     const std::string& field = "", absl::Duration retry = absl::ZeroDuration());

// How a stream of registrations or labels is broken.
struct Break {
  int commits = 0;              // chunks that are committed and acknowledged before
  bool unacknowledged = false;  // one more is committed, and its acknowledgment lost
  grpc::Status status = grpc::Status(grpc::UNAVAILABLE, "the test pulled the plug");
};

// All services of mgral-server, in memory, failing as they are told to. What a test sets, it sets
// before the call; everything is guarded by `mutex`.
class FakeServices : public v1::PoolService::Service,
                     public v1::SelectionService::Service,
                     public v1::LabelService::Service,
                     public v1::CycleService::Service,
                     public v1::ModelService::Service,
                     public v1::PredictionService::Service {
 public:
  std::mutex mutex;
  std::vector<grpc::Status> failures;             // of unary calls, used up first
  std::vector<std::string> request_ids;           // of every mutating call, in order
  std::vector<std::string> calls;                 // names, in order
  std::vector<Break> breaks;                      // of streams, used up in order
  std::map<std::string, v1::NewImage> images;     // committed
  std::vector<std::string> labeled;               // image ids, in the order of commits
  v1::NewLabels last_labels;                      // of the last of them
  std::vector<v1::NewPredictions> predictions;    // in the order of commits
  std::string external_model;                     // of the last stream's first message
  std::vector<v1::ImportWeightsRequest> imports;  // each stream's header, and the data that came
  std::vector<int64_t> stream_images;             // sent in each stream
  std::string parent;                             // of the last stream's first message
  int duplicates = 0;                             // commits of images that were there
  int largest_chunk = 0;
  std::vector<std::vector<v1::Cycle>> watches;  // what each WatchCycle stream tells
  std::vector<grpc::Status> watch_ends;         // how each of them ends
  bool stall = false;                           // streams read and never acknowledge
  v1::Batch batch;
  v1::Pool pool;

  grpc::Status CreatePool(grpc::ServerContext*, const v1::CreatePoolRequest*, v1::Pool*) override;
  grpc::Status GetPool(grpc::ServerContext*, const v1::GetPoolRequest*, v1::Pool*) override;
  grpc::Status ListPools(grpc::ServerContext*, const v1::ListPoolsRequest*,
                         v1::ListPoolsResponse*) override;
  grpc::Status DeletePool(grpc::ServerContext*, const v1::DeletePoolRequest*,
                          google::protobuf::Empty*) override;
  grpc::Status RegisterImages(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::RegisterImagesResponse, v1::RegisterImagesRequest>*) override;
  grpc::Status GetImage(grpc::ServerContext*, const v1::GetImageRequest*, v1::Image*) override;
  grpc::Status ListImages(grpc::ServerContext*, const v1::ListImagesRequest*,
                          v1::ListImagesResponse*) override;
  grpc::Status QueryBatch(grpc::ServerContext*, const v1::QueryBatchRequest*, v1::Batch*) override;
  grpc::Status GetBatch(grpc::ServerContext*, const v1::GetBatchRequest*, v1::Batch*) override;
  grpc::Status ListBatches(grpc::ServerContext*, const v1::ListBatchesRequest*,
                           v1::ListBatchesResponse*) override;
  grpc::Status ReleaseBatch(grpc::ServerContext*, const v1::ReleaseBatchRequest*,
                            v1::Batch*) override;
  grpc::Status EstimateGain(grpc::ServerContext*, const v1::EstimateGainRequest*,
                            v1::EstimateGainResponse*) override;
  grpc::Status BatchIngestLabels(grpc::ServerContext*, const v1::BatchIngestLabelsRequest*,
                                 v1::BatchIngestLabelsResponse*) override;
  grpc::Status IngestLabels(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::IngestLabelsResponse, v1::IngestLabelsRequest>*) override;
  grpc::Status PutPredictions(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::PutPredictionsResponse, v1::PutPredictionsRequest>*) override;
  grpc::Status ExportLabels(grpc::ServerContext*, const v1::ExportLabelsRequest*,
                            grpc::ServerWriter<v1::ExportLabelsResponse>*) override;
  grpc::Status StartCycle(grpc::ServerContext*, const v1::StartCycleRequest*, v1::Cycle*) override;
  grpc::Status ListCycles(grpc::ServerContext*, const v1::ListCyclesRequest*,
                          v1::ListCyclesResponse*) override;
  grpc::Status WatchCycle(grpc::ServerContext*, const v1::WatchCycleRequest*,
                          grpc::ServerWriter<v1::WatchCycleResponse>*) override;
  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest*,
                       v1::PredictResponse*) override;
  grpc::Status RollbackModel(grpc::ServerContext*, const v1::RollbackModelRequest*,
                             v1::Model*) override;
  // A break's `commits` count messages, the header's included.
  grpc::Status ImportWeights(grpc::ServerContext*, grpc::ServerReader<v1::ImportWeightsRequest>*,
                             v1::ImportWeightsResponse*) override;
  // "weights"; cut short where the model is called "pools/short".
  grpc::Status ExportModel(grpc::ServerContext*, const v1::ExportModelRequest*,
                           grpc::ServerWriter<v1::ExportModelResponse>*) override;

 private:
  // Notes the call; the failure that it is to end with, if any.
  grpc::Status Enter(const std::string& call, const std::string& request_id = "");
  Break NextBreak();
};

// The services on a port of the loopback that the kernel chose.
class FakeServer {
 public:
  FakeServer();
  ~FakeServer();
  FakeServices& services() { return services_; }
  const std::string& target() const { return target_; }
  // A client that does not really wait between attempts; what it would have waited is in `waits`.
  std::unique_ptr<Client> MakeClient(std::vector<absl::Duration>* waits = nullptr);

 private:
  FakeServices services_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
};

}  // namespace mgral::client
