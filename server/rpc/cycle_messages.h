#pragma once

#include <string>

#include "mgral/v1/cycle_service.pb.h"
#include "mgral/v1/model_service.pb.h"
#include "server/domain/cycle.h"
#include "server/domain/model.h"
#include "server/domain/pool.h"

namespace mgral::rpc {

void FromCycle(const domain::Cycle& cycle, const std::string& pool_id, mgral::v1::Cycle* message);
void FromModel(const domain::Model& model, const domain::Pool& pool, mgral::v1::Model* message);

}  // namespace mgral::rpc
