#pragma once

#include "mgral/v1/model_service.grpc.pb.h"
#include "server/app/export_model.h"
#include "server/app/import_weights.h"
#include "server/app/predict.h"
#include "server/domain/artifact_store.h"
#include "server/domain/cycle_store.h"
#include "server/domain/pool_store.h"
#include "server/rpc/call_runner.h"

namespace mgral::rpc {

// Everything given must outlive the service.
class ModelService : public mgral::v1::ModelService::Service {
 public:
  ModelService(CallRunner* calls, domain::PoolStore* pools, domain::CycleStore* cycles,
               domain::ArtifactStore* artifacts, app::Predict* predict, app::ExportModel* exporting,
               app::ImportWeights* importing)
      : calls_(calls),
        pools_(pools),
        cycles_(cycles),
        artifacts_(artifacts),
        predict_(predict),
        export_(exporting),
        import_(importing) {}

  grpc::Status ListModels(grpc::ServerContext* context, const mgral::v1::ListModelsRequest* request,
                          mgral::v1::ListModelsResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context, const mgral::v1::GetModelRequest* request,
                        mgral::v1::Model* response) override;
  grpc::Status Predict(grpc::ServerContext* context, const mgral::v1::PredictRequest* request,
                       mgral::v1::PredictResponse* response) override;
  grpc::Status ExportModel(grpc::ServerContext* context,
                           const mgral::v1::ExportModelRequest* request,
                           grpc::ServerWriter<mgral::v1::ExportModelResponse>* writer) override;
  grpc::Status RollbackModel(grpc::ServerContext* context,
                             const mgral::v1::RollbackModelRequest* request,
                             mgral::v1::Model* response) override;
  grpc::Status ImportWeights(grpc::ServerContext* context,
                             grpc::ServerReader<mgral::v1::ImportWeightsRequest>* reader,
                             mgral::v1::ImportWeightsResponse* response) override;

 private:
  absl::Status Import(const Caller& caller, const domain::CallContext& call,
                      grpc::ServerReader<mgral::v1::ImportWeightsRequest>* reader,
                      mgral::v1::ImportWeightsResponse* response);

  CallRunner* calls_;
  domain::PoolStore* pools_;
  domain::CycleStore* cycles_;
  domain::ArtifactStore* artifacts_;
  app::Predict* predict_;
  app::ExportModel* export_;
  app::ImportWeights* import_;
};

}  // namespace mgral::rpc
