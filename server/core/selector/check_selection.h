#ifndef MGRAL_SERVER_CORE_SELECTOR_CHECK_SELECTION_H_
#define MGRAL_SERVER_CORE_SELECTOR_CHECK_SELECTION_H_

#include <cstdint>
#include <vector>

#include "server/core/selector/select_queue.h"

namespace mgral::core {

// Throws std::invalid_argument naming the input that is wrong.
void CheckSelection(const LookupTable& table, const std::vector<float>& embeddings,
                    const SelectorOptions& options);

// Images that the queue should hold, if there are so many.
int64_t QueueLength(const SelectorOptions& options);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_SELECTOR_CHECK_SELECTION_H_
