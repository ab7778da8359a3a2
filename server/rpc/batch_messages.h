#pragma once

#include "mgral/v1/selection_service.pb.h"
#include "server/domain/batch.h"
#include "server/domain/pool.h"

namespace mgral::rpc {

void FromGain(const domain::Gain& gain, const std::vector<std::string>& classes,
              mgral::v1::Gain* message);
void FromBatch(const domain::Batch& batch, const domain::Pool& pool, mgral::v1::Batch* message);

}  // namespace mgral::rpc
