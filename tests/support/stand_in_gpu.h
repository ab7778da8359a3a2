#pragma once

#include <cstdint>

namespace mgral::test {

// Operators that the stand-in for a GPU has run.
int64_t StandInOperators();

}  // namespace mgral::test
