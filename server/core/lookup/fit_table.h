#pragma once

#include "server/core/lookup/table.h"
#include "server/core/lookup/table_input.h"

namespace mgral::core {

// Closed-form Gaussian posterior per class around the shipped prior (prior.h); noise, amplitude of
// the Gaussian process and size of the prior by marginal likelihood over a small grid; pairs of
// cells by forward selection, from kReplay and kRealized only. Weak evidence leaves the prior.
// Deterministic to the byte, single-threaded: the same input gives the same table.
// Throws std::invalid_argument naming the field for wrong sizes and values that are not finite.
LookupTable FitTable(const TableInput& input);

}  // namespace mgral::core
