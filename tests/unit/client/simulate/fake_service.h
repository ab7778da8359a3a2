// A server that remembers what it is told, picks images in order, and trains in no time.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mgral/v1/cycle_service.grpc.pb.h"
#include "mgral/v1/label_service.grpc.pb.h"
#include "mgral/v1/model_service.grpc.pb.h"
#include "mgral/v1/pool_service.grpc.pb.h"
#include "mgral/v1/selection_service.grpc.pb.h"

namespace mgral::client {

struct FakePool {
  v1::Pool pool;
  std::map<std::string, v1::ImageUse> images;
  std::map<std::string, v1::NewLabels> labels;
  std::vector<std::string> first_labels;  // training labels that came without a batch, in order
  std::vector<bool> without_table;        // of each cycle
  std::vector<std::string> queries;       // strategies, in order
  std::vector<std::string> released;      // batches
  bool deleted = false;
};

// Calls come one at a time: the simulation is sequential.
class FakeService final : public v1::PoolService::Service,
                          public v1::SelectionService::Service,
                          public v1::LabelService::Service,
                          public v1::CycleService::Service,
                          public v1::ModelService::Service {
 public:
  FakeService() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(static_cast<v1::PoolService::Service*>(this));
    builder.RegisterService(static_cast<v1::SelectionService::Service*>(this));
    builder.RegisterService(static_cast<v1::LabelService::Service*>(this));
    builder.RegisterService(static_cast<v1::CycleService::Service*>(this));
    builder.RegisterService(static_cast<v1::ModelService::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~FakeService() override { server_->Shutdown(); }

  std::string target() const { return absl::StrCat("127.0.0.1:", port_); }
  const std::vector<std::unique_ptr<FakePool>>& pools() const { return pools_; }

  // The truth that Predict answers with, by image id.
  std::map<std::string, std::vector<v1::Box>> truth;
  int fail_at_cycle = -1;  // of a pool, from 0
  int fail_at_pool = -1;   // only there; -1: anywhere
  std::string refuse_image;
  bool no_models = false;
  std::function<double(size_t)> map50;  // on validation images, by the pool's number; null: 0.5
  std::string unknown_strategy;         // batches are picked at random instead
  bool makes_tables = true;
  bool refuses_estimates = false;
  // Whether a pool's detector sees the objects of an image; null: all but a pool's first do.
  std::function<bool(const FakePool&, const std::string&)> sees;

  grpc::Status CreatePool(grpc::ServerContext*, const v1::CreatePoolRequest* request,
                          v1::Pool* pool) override {
    *pool = request->pool();
    if (pool->detector().profile().empty()) pool->mutable_detector()->set_profile("frozen");
    pool->set_name(absl::StrCat("pools/p", pools_.size()));
    pools_.push_back(std::make_unique<FakePool>());
    pools_.back()->pool = *pool;
    return grpc::Status::OK;
  }

  grpc::Status DeletePool(grpc::ServerContext*, const v1::DeletePoolRequest* request,
                          google::protobuf::Empty*) override {
    Find(request->name()).deleted = true;
    return grpc::Status::OK;
  }

  grpc::Status RegisterImages(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::RegisterImagesResponse, v1::RegisterImagesRequest>* stream)
      override {
    v1::RegisterImagesRequest request;
    std::string parent;
    int64_t count = 0;
    while (stream->Read(&request)) {
      if (!request.parent().empty()) parent = request.parent();
      v1::RegisterImagesResponse response;
      for (const v1::NewImage& image : request.images()) {
        if (image.image_id() == refuse_image) {
          v1::RefusedImage* refused = response.add_refused();
          refused->set_index(count);
          refused->set_image_id(image.image_id());
          refused->set_field("source");
          refused->set_reason("truncated");
        } else {
          Find(parent).images[image.image_id()] = image.use();
          response.set_registered(response.registered() + 1);
        }
        ++count;
      }
      response.set_acknowledged(count);
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  grpc::Status IngestLabels(grpc::ServerContext*,
                            grpc::ServerReaderWriter<v1::IngestLabelsResponse,
                                                     v1::IngestLabelsRequest>* stream) override {
    v1::IngestLabelsRequest request;
    std::string parent;
    int64_t count = 0;
    while (stream->Read(&request)) {
      if (!request.parent().empty()) parent = request.parent();
      for (const v1::NewLabels& labels : request.labels()) {
        Find(parent).labels[labels.image_id()] = labels;
        if (labels.batch().empty() && labels.use() == v1::IMAGE_USE_TRAINING) {
          Find(parent).first_labels.push_back(labels.image_id());
        }
        ++count;
      }
      v1::IngestLabelsResponse response;
      response.set_acknowledged(count);
      response.set_ingested(request.labels_size());
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  grpc::Status StartCycle(grpc::ServerContext*, const v1::StartCycleRequest* request,
                          v1::Cycle* cycle) override {
    FakePool& pool = Find(request->parent());
    cycle->set_name(absl::StrCat(request->parent(), "/cycles/c", pool.without_table.size()));
    pool.without_table.push_back(request->without_table());
    cycle->set_state(v1::CYCLE_STATE_QUEUED);
    return grpc::Status::OK;
  }

  grpc::Status WatchCycle(grpc::ServerContext*, const v1::WatchCycleRequest* request,
                          grpc::ServerWriter<v1::WatchCycleResponse>* stream) override {
    const std::string parent = request->name().substr(0, request->name().find("/cycles/"));
    FakePool& pool = Find(parent);
    const int at = static_cast<int>(pool.without_table.size()) - 1;
    v1::WatchCycleResponse response;
    v1::Cycle* cycle = response.mutable_cycle();
    cycle->set_name(request->name());
    cycle->set_state(v1::CYCLE_STATE_RUNNING);
    cycle->set_stage(v1::CYCLE_STAGE_TRAIN);
    stream->Write(response);
    if (at == fail_at_cycle && (fail_at_pool < 0 || &pool == pools_[fail_at_pool].get())) {
      cycle->set_state(v1::CYCLE_STATE_FAILED);
      cycle->set_error("the disk is full");
      stream->Write(response);
      return grpc::Status::OK;
    }
    cycle->set_state(v1::CYCLE_STATE_SUCCEEDED);
    cycle->set_model(absl::StrCat(parent, "/models/m", at));
    cycle->set_map50(map50 ? map50(std::stoul(parent.substr(parent.find("/p") + 2))) : 0.5);
    v1::StageProgress* stage = cycle->add_stages();
    stage->set_stage(v1::CYCLE_STAGE_TRAIN);
    stage->set_seconds(2);
    if (!pool.without_table.back() && makes_tables) {
      cycle->mutable_table()->set_probes(3);
      stage = cycle->add_stages();
      stage->set_stage(v1::CYCLE_STAGE_PROBE);
      stage->set_seconds(7);
    }
    stream->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status QueryBatch(grpc::ServerContext*, const v1::QueryBatchRequest* request,
                          v1::Batch* batch) override {
    FakePool& pool = Find(request->parent());
    batch->set_name(absl::StrCat(request->parent(), "/batches/b", pool.labels.size()));
    pool.queries.push_back(request->strategy());
    batch->set_strategy(request->strategy() == unknown_strategy ? "random" : request->strategy());
    for (const auto& [image_id, use] : pool.images) {
      if (use != v1::IMAGE_USE_TRAINING || pool.labels.count(image_id) > 0) continue;
      if (batch->images_size() == request->size()) break;
      v1::BatchImage* image = batch->add_images();
      image->set_image_id(image_id);
      image->set_reason("first in order");
    }
    batch->mutable_estimated_gain()->set_mean(0.02);
    batch->mutable_estimated_gain()->set_standard_error(0.01);
    return grpc::Status::OK;
  }

  grpc::Status ReleaseBatch(grpc::ServerContext*, const v1::ReleaseBatchRequest* request,
                            v1::Batch* batch) override {
    batch->set_name(request->name());
    Find(request->name().substr(0, request->name().find("/batches/")))
        .released.push_back(request->name());
    return grpc::Status::OK;
  }

  grpc::Status GetBatch(grpc::ServerContext*, const v1::GetBatchRequest* request,
                        v1::Batch* batch) override {
    batch->set_name(request->name());
    batch->mutable_realised_gain()->set_mean(0.03);
    return grpc::Status::OK;
  }

  // A thousandth per image; of the second class nothing.
  grpc::Status EstimateGain(grpc::ServerContext*, const v1::EstimateGainRequest* request,
                            v1::EstimateGainResponse* response) override {
    if (refuses_estimates) return {grpc::StatusCode::INVALID_ARGUMENT, "unknown image"};
    const double gain = 0.001 * request->image_ids_size();
    response->mutable_gain()->set_mean(gain);
    response->mutable_gain()->set_standard_error(0.01);
    for (const std::string& name : Find(request->parent()).pool.classes()) {
      v1::ClassGain* of_class = response->mutable_gain()->add_classes();
      of_class->set_class_name(name);
      of_class->set_mean(response->gain().classes_size() == 2 ? 0 : gain);
    }
    return grpc::Status::OK;
  }

  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                        v1::Model* model) override {
    if (no_models) return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no such model");
    const FakePool& pool = Find(request->name().substr(0, request->name().find("/models/")));
    model->set_name(request->name());
    for (int c = 0; c < pool.pool.classes_size(); ++c) {
      model->mutable_validation()->add_classes()->set_ap50(0.5);
    }
    return grpc::Status::OK;
  }

  // Perfect where it sees anything.
  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest* request,
                       v1::PredictResponse* response) override {
    const bool blind = request->model().substr(request->model().size() - 2) == "m0";
    for (const v1::PredictImage& image : request->images()) {
      v1::ImagePredictions* predictions = response->add_predictions();
      predictions->set_image_id(image.image_id());
      const FakePool& pool = Find(request->model().substr(0, request->model().find("/models/")));
      if (sees ? !sees(pool, image.image_id()) : blind) continue;
      for (const v1::Box& box : truth[image.image_id()]) {
        *predictions->add_boxes() = box;
        predictions->mutable_boxes(predictions->boxes_size() - 1)->set_score(0.9);
      }
    }
    return grpc::Status::OK;
  }

 private:
  FakePool& Find(const std::string& name) {
    for (const std::unique_ptr<FakePool>& pool : pools_) {
      if (pool->pool.name() == name) return *pool;
    }
    pools_.push_back(std::make_unique<FakePool>());  // a test would notice the extra pool
    return *pools_.back();
  }

  int port_ = 0;
  std::vector<std::unique_ptr<FakePool>> pools_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace mgral::client
