#include "server/core/detector/openblas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>
#include <string>

namespace mgral::core {
namespace {

// A function of a library that this program may not be linked with; null without it.
template <typename Function>
Function* Symbol(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

constexpr int kOwnThreads = 1;  // of openblas_get_parallel

// What OpenBLAS calls the newest instructions that it knows and this CPU has; null if it may be
// right.
const char* BetterCore([[maybe_unused]] const std::string& chosen) {
#if defined(__x86_64__)
  for (const char* old : {"Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Generic"}) {
    if (chosen != old) continue;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      return "SkylakeX";
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
  }
#endif
  return nullptr;
}

void Tune() {
  auto* const name = Symbol<char*()>("openblas_get_corename");
  auto* const parallel = Symbol<int()>("openblas_get_parallel");
  auto* const set_threads = Symbol<void(int)>("openblas_set_num_threads");
  auto* const quit = Symbol<void()>("gotoblas_dynamic_quit");
  auto* const init = Symbol<void()>("gotoblas_dynamic_init");
  if (parallel != nullptr && set_threads != nullptr && parallel() == kOwnThreads) set_threads(1);
  if (name == nullptr || quit == nullptr || init == nullptr) return;
  const char* const better = BetterCore(name());
  // It chooses at its start by this variable; so it starts once more.
  if (better == nullptr || setenv("OPENBLAS_CORETYPE", better, /*overwrite=*/0) != 0) return;
  quit();
  init();
}

}  // namespace

void TuneOpenBlas() {
  static std::once_flag once;
  std::call_once(once, Tune);
}

}  // namespace mgral::core
