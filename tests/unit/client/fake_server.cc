#include "tests/unit/client/fake_server.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace mgral::client {

grpc::Status Refusal(grpc::StatusCode code, const std::string& reason, const std::string& message,
                     const std::string& field, absl::Duration retry) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("mgral");
  status.add_details()->PackFrom(info);
  if (!field.empty()) {
    google::rpc::BadRequest request;
    request.add_field_violations()->set_field(field);
    request.mutable_field_violations(0)->set_description(message);
    status.add_details()->PackFrom(request);
  }
  if (retry > absl::ZeroDuration()) {
    google::rpc::RetryInfo info;
    info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(retry)));
    status.add_details()->PackFrom(info);
  }
  return grpc::Status(code, message, status.SerializeAsString());
}

grpc::Status FakeServices::Enter(const std::string& call, const std::string& request_id) {
  std::lock_guard<std::mutex> lock(mutex);
  calls.push_back(call);
  if (!request_id.empty()) request_ids.push_back(request_id);
  if (failures.empty()) return grpc::Status::OK;
  const grpc::Status failure = failures.front();
  failures.erase(failures.begin());
  return failure;
}

grpc::Status FakeServices::CreatePool(grpc::ServerContext*, const v1::CreatePoolRequest* request,
                                      v1::Pool* response) {
  const grpc::Status status = Enter("CreatePool", request->request_id());
  *response = request->pool();
  response->set_name(absl::StrCat("pools/", request->pool_id()));
  return status;
}

grpc::Status FakeServices::GetPool(grpc::ServerContext*, const v1::GetPoolRequest* request,
                                   v1::Pool* response) {
  const grpc::Status status = Enter("GetPool");
  *response = pool;
  response->set_name(request->name());
  return status;
}

// Five pools, two to a page.
grpc::Status FakeServices::ListPools(grpc::ServerContext*, const v1::ListPoolsRequest* request,
                                     v1::ListPoolsResponse* response) {
  const grpc::Status status = Enter("ListPools");
  int next = 0;
  if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &next)) {
    return Refusal(grpc::INVALID_ARGUMENT, "INVALID_FIELD", "bad token", "page_token");
  }
  for (int end = std::min(next + 2, 5); next < end; ++next) {
    response->add_pools()->set_name(absl::StrCat("pools/p", next));
  }
  if (next < 5) response->set_next_page_token(absl::StrCat(next));
  return status;
}

grpc::Status FakeServices::DeletePool(grpc::ServerContext*, const v1::DeletePoolRequest*,
                                      google::protobuf::Empty*) {
  return Enter("DeletePool");
}

// Every image is 100 x 80 pixels.
grpc::Status FakeServices::GetImage(grpc::ServerContext*, const v1::GetImageRequest* request,
                                    v1::Image* response) {
  response->set_name(request->name());
  {
    std::lock_guard<std::mutex> lock(mutex);
    const auto image = images.find(request->name().substr(request->name().rfind('/') + 1));
    if (image != images.end()) response->set_path(image->second.source().path());
  }
  response->set_width(100);
  response->set_height(80);
  return Enter("GetImage");
}

// All committed images, three to a page.
grpc::Status FakeServices::ListImages(grpc::ServerContext*, const v1::ListImagesRequest* request,
                                      v1::ListImagesResponse* response) {
  const grpc::Status status = Enter("ListImages");
  std::lock_guard<std::mutex> lock(mutex);
  auto image = images.upper_bound(request->page_token());
  for (int i = 0; i < 3 && image != images.end(); ++i, ++image) {
    response->add_images()->set_image_id(image->first);
  }
  if (image != images.end()) {
    response->set_next_page_token(response->images(response->images_size() - 1).image_id());
  }
  return status;
}

grpc::Status FakeServices::QueryBatch(grpc::ServerContext*, const v1::QueryBatchRequest* request,
                                      v1::Batch* response) {
  const grpc::Status status = Enter("QueryBatch", request->request_id());
  *response = batch;
  return status;
}

grpc::Status FakeServices::GetBatch(grpc::ServerContext*, const v1::GetBatchRequest*,
                                    v1::Batch* response) {
  *response = batch;
  return Enter("GetBatch");
}

grpc::Status FakeServices::ListBatches(grpc::ServerContext*, const v1::ListBatchesRequest*,
                                       v1::ListBatchesResponse* response) {
  *response->add_batches() = batch;
  return Enter("ListBatches");
}

grpc::Status FakeServices::ReleaseBatch(grpc::ServerContext*, const v1::ReleaseBatchRequest*,
                                        v1::Batch* response) {
  *response = batch;
  response->set_state(v1::BATCH_STATE_RELEASED);
  return Enter("ReleaseBatch");
}

grpc::Status FakeServices::EstimateGain(grpc::ServerContext*,
                                        const v1::EstimateGainRequest* request,
                                        v1::EstimateGainResponse* response) {
  response->mutable_gain()->set_mean(0.001 * request->image_ids_size());
  response->mutable_gain()->set_standard_error(0.0005);
  return Enter("EstimateGain");
}

grpc::Status FakeServices::BatchIngestLabels(grpc::ServerContext*,
                                             const v1::BatchIngestLabelsRequest* request,
                                             v1::BatchIngestLabelsResponse* response) {
  const grpc::Status status = Enter("BatchIngestLabels", request->request_id());
  for (const v1::NewLabels& labels : request->labels()) {
    labeled.push_back(labels.image_id());
    last_labels = labels;
  }
  response->set_ingested(request->labels_size());
  return status;
}

grpc::Status FakeServices::StartCycle(grpc::ServerContext*, const v1::StartCycleRequest* request,
                                      v1::Cycle* response) {
  response->set_name(absl::StrCat(request->parent(), "/cycles/1"));
  response->set_state(v1::CYCLE_STATE_QUEUED);
  return Enter("StartCycle", request->request_id());
}

grpc::Status FakeServices::ListCycles(grpc::ServerContext*, const v1::ListCyclesRequest* request,
                                      v1::ListCyclesResponse* response) {
  response->add_cycles()->set_name(absl::StrCat(request->parent(), "/cycles/1"));
  return Enter("ListCycles");
}

grpc::Status FakeServices::Predict(grpc::ServerContext*, const v1::PredictRequest* request,
                                   v1::PredictResponse* response) {
  for (const v1::PredictImage& image : request->images()) {
    v1::ImagePredictions* predictions = response->add_predictions();
    predictions->set_image_id(image.image_id());
    if (image.source().data() == "broken") {
      predictions->set_error("cannot be decoded");
    } else {
      predictions->add_boxes()->set_class_name("cat");
    }
  }
  return Enter("Predict");
}

grpc::Status FakeServices::RollbackModel(grpc::ServerContext*,
                                         const v1::RollbackModelRequest* request,
                                         v1::Model* response) {
  response->set_name(request->name());
  response->set_published(true);
  return Enter("RollbackModel", request->request_id());
}

FakeServer::FakeServer() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(static_cast<v1::PoolService::Service*>(&services_));
  builder.RegisterService(static_cast<v1::SelectionService::Service*>(&services_));
  builder.RegisterService(static_cast<v1::LabelService::Service*>(&services_));
  builder.RegisterService(static_cast<v1::CycleService::Service*>(&services_));
  builder.RegisterService(static_cast<v1::ModelService::Service*>(&services_));
  builder.RegisterService(static_cast<v1::PredictionService::Service*>(&services_));
  server_ = builder.BuildAndStart();
  target_ = absl::StrCat("127.0.0.1:", port);
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

std::unique_ptr<Client> FakeServer::MakeClient(std::vector<absl::Duration>* waits) {
  ClientOptions options;
  options.target = target_;
  options.timeout = absl::Seconds(30);
  options.retry.sleep = [waits](absl::Duration delay) {
    if (waits != nullptr) waits->push_back(delay);
  };
  return std::make_unique<Client>(std::move(options));
}

}  // namespace mgral::client
