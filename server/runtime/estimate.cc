#include "server/core/lookup/table.h"
#include "server/runtime/model_cache.h"
#include "server/runtime/status_from_exception.h"
#include "server/runtime/table_entry.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {

absl::StatusOr<domain::Gain> TorchRuntime::EstimateGain(const std::string& table,
                                                        const std::vector<std::string>& entries) {
  return Guarded([&]() -> absl::StatusOr<domain::Gain> {
    const auto shared = tables_->Get(table);
    const auto assembled = Assemble(*shared, entries);
    if (!assembled.ok()) return assembled.status();
    std::vector<int64_t> all(entries.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    const core::Estimate estimate = core::EstimateGain(*assembled, all);
    return domain::Gain{estimate.gain, estimate.standard_error, estimate.class_gain,
                        estimate.class_error};
  });
}

}  // namespace mgral::runtime
