#include "server/rpc/model_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/cycle_messages.h"
#include "server/rpc/find_pool.h"
#include "server/rpc/image_messages.h"
#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {
namespace {

// pools/{pool} (its published model) or pools/{pool}/models/{model}.
struct ModelOfPool {
  domain::Pool pool;
  std::optional<int64_t> version;
};

absl::StatusOr<ModelOfPool> FindModel(domain::PoolStore* pools, const Caller& caller,
                                      const std::string& name) {
  ModelOfPool found;
  std::string pool_name = name;
  if (std::count(name.begin(), name.end(), '/') > 1) {
    MGRAL_ASSIGN_OR_RETURN(const auto child, ParseChildName(name, "models", "model"));
    MGRAL_ASSIGN_OR_RETURN(found.version, ParseModelVersion(child));
    pool_name = PoolName(child.pool_id);
  }
  MGRAL_ASSIGN_OR_RETURN(found.pool, FindPool(pools, caller, pool_name, "model"));
  return found;
}

constexpr size_t kMaxNames = 100;  // of tensors in a report

app::ImportWeights::Header ToHeader(const mgral::v1::ImportWeightsRequest& request) {
  app::ImportWeights::Header header;
  header.file_name = request.file_name();
  header.size_bytes = request.size_bytes();
  header.sha256 = request.sha256();
  for (const mgral::v1::ClassLabel& given : request.class_labels()) {
    header.class_labels.push_back({given.class_name(), given.label()});
  }
  return header;
}

void FromImport(const app::ImportWeights::Result& imported, const domain::Pool& pool,
                mgral::v1::ImportWeightsResponse* message) {
  const domain::DetectorRuntime::ImportReport& report = imported.report;
  FromModel(imported.model, pool, message->mutable_model());
  message->set_taken_count(report.taken);
  message->set_left_count(static_cast<int64_t>(report.left.size()));
  message->set_unused_count(static_cast<int64_t>(report.unused.size()));
  for (size_t i = 0; i < std::min(report.left.size(), kMaxNames); ++i) {
    message->add_left(report.left[i]);
  }
  for (size_t i = 0; i < std::min(report.unused.size(), kMaxNames); ++i) {
    message->add_unused(report.unused[i]);
  }
  message->set_class_head(imported.classes_mapped ? mgral::v1::CLASS_HEAD_MAPPED
                          : report.classes_taken  ? mgral::v1::CLASS_HEAD_TAKEN
                                                  : mgral::v1::CLASS_HEAD_NEW);
  message->set_file_classes(report.file_classes);
}

}  // namespace

grpc::Status ModelService::ListModels(grpc::ServerContext* context,
                                      const mgral::v1::ListModelsRequest* request,
                                      mgral::v1::ListModelsResponse* response) {
  return calls_->Run(context, "ModelService/ListModels", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto page, ToPage(request->page_size(), request->page_token()));
    MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request->parent(), "parent"));
    MGRAL_ASSIGN_OR_RETURN(const auto models, cycles_->ListModels(pool.key, page));
    for (const domain::Model& model : models.items) {
      FromModel(model, pool, response->add_models());
    }
    response->set_next_page_token(models.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status ModelService::GetModel(grpc::ServerContext* context,
                                    const mgral::v1::GetModelRequest* request,
                                    mgral::v1::Model* response) {
  return calls_->Run(context, "ModelService/GetModel", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto named,
                           FindPoolOfChild(pools_, caller, request->name(), "models"));
    MGRAL_ASSIGN_OR_RETURN(const auto version, ParseModelVersion({named.pool.pool_id, named.id}));
    const auto model = cycles_->GetModel(named.pool.key, version);
    if (!model.ok()) return AboutChild(model.status(), "model", request->name());
    FromModel(*model, named.pool, response);
    return absl::OkStatus();
  });
}

grpc::Status ModelService::Predict(grpc::ServerContext* context,
                                   const mgral::v1::PredictRequest* request,
                                   mgral::v1::PredictResponse* response) {
  return calls_->Run(context, "ModelService/Predict", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto model, FindModel(pools_, caller, request->model()));
    std::vector<app::ImageInput> images;
    for (const mgral::v1::PredictImage& image : request->images()) {
      images.push_back(ToImageInput(image.image_id(), image.source()));
    }
    MGRAL_ASSIGN_OR_RETURN(const auto result,
                           predict_->Run(ToCallContext(context), model.pool, model.version, images,
                                         {request->min_score(), request->keep_features()}));
    response->set_model(ModelName(model.pool.pool_id, result.model_version));
    for (size_t i = 0; i < images.size() && i < result.predictions.size(); ++i) {
      const domain::DetectorRuntime::Predictions& found = result.predictions[i];
      mgral::v1::ImagePredictions* one = response->add_predictions();
      one->set_image_id(images[i].image_id);
      for (const domain::Box& box : found.boxes) {
        FromBox(box, model.pool.classes, one->add_boxes());
      }
      one->set_width(found.width);
      one->set_height(found.height);
      one->set_error(found.error);
    }
    return absl::OkStatus();
  });
}

grpc::Status ModelService::ExportModel(grpc::ServerContext* context,
                                       const mgral::v1::ExportModelRequest* request,
                                       grpc::ServerWriter<mgral::v1::ExportModelResponse>* writer) {
  const auto handler = [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto model, FindModel(pools_, caller, request->model()));
    absl::Status stopped;  // why the file ends early, where the client didn't leave
    const auto send = [&](const mgral::v1::ExportModelResponse& response) {
      stopped = calls_->draining() ? DrainingError() : calls_->StillValid(caller);
      return stopped.ok() && writer->Write(response);
    };
    const absl::Status exported = export_->Run(
        ToCallContext(context), model.pool, model.version,
        [&](const app::ExportModel::Header& header) {
          mgral::v1::ExportModelResponse response;
          response.set_model(ModelName(model.pool.pool_id, header.version));
          response.set_description(header.description);
          response.set_size_bytes(header.size_bytes);
          return send(response);
        },
        [&](absl::string_view piece) {
          mgral::v1::ExportModelResponse response;
          response.set_data(std::string(piece));
          return send(response);
        });
    if (!stopped.ok()) return stopped;
    return model.version ? AboutChild(exported, "model", request->model()) : exported;
  };
  return calls_->Run(context, "ModelService/ExportModel", handler, CallRunner::Kind::kStream);
}

grpc::Status ModelService::RollbackModel(grpc::ServerContext* context,
                                         const mgral::v1::RollbackModelRequest* request,
                                         mgral::v1::Model* response) {
  return calls_->Run(
      context, "ModelService/RollbackModel", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto key, ToRequestKey("RollbackModel", *request));
        MGRAL_ASSIGN_OR_RETURN(const auto named,
                               FindPoolOfChild(pools_, caller, request->name(), "models"));
        MGRAL_ASSIGN_OR_RETURN(const auto version,
                               ParseModelVersion({named.pool.pool_id, named.id}));
        const auto model = app::RollbackModel(cycles_, artifacts_, named.pool.key, version, key);
        if (!model.ok()) return AboutChild(model.status(), "model", request->name());
        FromModel(*model, named.pool, response);
        return absl::OkStatus();
      });
}

grpc::Status ModelService::ImportWeights(
    grpc::ServerContext* context, grpc::ServerReader<mgral::v1::ImportWeightsRequest>* reader,
    mgral::v1::ImportWeightsResponse* response) {
  return calls_->Run(
      context, "ModelService/ImportWeights",
      [&](const Caller& caller) {
        return Import(caller, ToCallContext(context), reader, response);
      },
      CallRunner::Kind::kStream);
}

absl::Status ModelService::Import(const Caller& caller, const domain::CallContext& call,
                                  grpc::ServerReader<mgral::v1::ImportWeightsRequest>* reader,
                                  mgral::v1::ImportWeightsResponse* response) {
  mgral::v1::ImportWeightsRequest request;
  if (!reader->Read(&request)) return base::InvalidField("parent", "is missing: no message came");
  if (!request.data().empty()) {
    return base::InvalidField("data", "belongs in the messages after the first");
  }
  MGRAL_ASSIGN_OR_RETURN(const auto key, ToRequestKey("ImportWeights", request));
  MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request.parent(), "parent"));
  const app::ImportWeights::Header header = ToHeader(request);
  const auto next = [&](absl::string_view* piece) -> absl::StatusOr<bool> {
    if (calls_->draining()) return DrainingError();
    MGRAL_RETURN_IF_ERROR(calls_->StillValid(caller));
    if (!reader->Read(&request)) return false;
    *piece = request.data();
    return true;
  };
  MGRAL_ASSIGN_OR_RETURN(const auto imported, import_->Run(call, pool, header, next, key));
  FromImport(imported, pool, response);
  return absl::OkStatus();
}

}  // namespace mgral::rpc
