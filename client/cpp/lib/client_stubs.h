#pragma once

#include <memory>

#include "client/cpp/lib/client.h"
#include "grpcpp/grpcpp.h"
#include "mgral/v1/cycle_service.grpc.pb.h"
#include "mgral/v1/label_service.grpc.pb.h"
#include "mgral/v1/model_service.grpc.pb.h"
#include "mgral/v1/pool_service.grpc.pb.h"
#include "mgral/v1/prediction_service.grpc.pb.h"
#include "mgral/v1/selection_service.grpc.pb.h"

namespace mgral::client {

// Private to the library: the generated stubs behind a Client.
struct Client::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : pool(channel),
        selection(channel),
        label(channel),
        cycle(channel),
        model(channel),
        prediction(channel) {}
  v1::PoolService::Stub pool;
  v1::SelectionService::Stub selection;
  v1::LabelService::Stub label;
  v1::CycleService::Stub cycle;
  v1::ModelService::Stub model;
  v1::PredictionService::Stub prediction;
};

}  // namespace mgral::client
