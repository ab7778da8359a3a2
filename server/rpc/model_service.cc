#include "server/rpc/model_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

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
                                         request->min_score()));
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

}  // namespace mgral::rpc
