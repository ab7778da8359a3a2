#ifndef MGRAL_SERVER_CORE_LOOKUP_CHECK_INPUT_H_
#define MGRAL_SERVER_CORE_LOOKUP_CHECK_INPUT_H_

#include "server/core/lookup/fit_table.h"

namespace mgral::core {

// Throws std::invalid_argument naming the field of `input` that is wrong.
void CheckInput(const TableInput& input);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_LOOKUP_CHECK_INPUT_H_
