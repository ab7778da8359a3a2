#pragma once

namespace mgral::core {

// Makes OpenBLAS, where LibTorch computes with it, as fast as the CPU allows; nothing elsewhere.
// Debian 12's OpenBLAS does not know CPUs that are newer than it and falls back to the instructions
// of 2004 on them (a quarter of the speed and less): it is told the newest that it knows and the
// CPU has. If it brings threads of its own (not OpenMP's), it gets one: they spin for work while
// ours compute. OPENBLAS_CORETYPE in the environment is left alone. Only the first call acts; it
// must not run beside the first tensor operations.
void TuneOpenBlas();

}  // namespace mgral::core
