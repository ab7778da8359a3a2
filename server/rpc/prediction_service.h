#pragma once

#include "mgral/v1/prediction_service.grpc.pb.h"
#include "server/app/put_predictions.h"
#include "server/domain/pool_store.h"
#include "server/rpc/call_runner.h"

namespace mgral::rpc {

// Everything given must outlive the service.
class PredictionService : public mgral::v1::PredictionService::Service {
 public:
  PredictionService(CallRunner* calls, domain::PoolStore* pools,
                    app::PutPredictions* put_predictions)
      : calls_(calls), pools_(pools), put_predictions_(put_predictions) {}

  grpc::Status PutPredictions(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<mgral::v1::PutPredictionsResponse, mgral::v1::PutPredictionsRequest>*
          stream) override;

 private:
  absl::Status Put(const Caller& caller,
                   grpc::ServerReaderWriter<mgral::v1::PutPredictionsResponse,
                                            mgral::v1::PutPredictionsRequest>* stream);

  CallRunner* calls_;
  domain::PoolStore* pools_;
  app::PutPredictions* put_predictions_;
};

}  // namespace mgral::rpc
