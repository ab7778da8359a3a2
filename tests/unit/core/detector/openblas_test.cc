#include "server/core/detector/openblas.h"

#include <ATen/ATen.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace mgral::core {
namespace {

TEST(OpenBlas, ComputesWithWhatTheCpuHas) {
  auto* const name = reinterpret_cast<char* (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  if (name == nullptr) GTEST_SKIP() << "LibTorch does not compute with OpenBLAS here";
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr) GTEST_SKIP() << "OPENBLAS_CORETYPE decides";
  TuneOpenBlas();
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    EXPECT_NE(std::string(name()), "Prescott");
  }
#endif
  // It still multiplies.
  const at::Tensor a = at::arange(600, at::kFloat).view({20, 30}) / 600;
  const at::Tensor product = at::mm(a, a.t());
  const at::Tensor expected = (a.unsqueeze(1) * a.unsqueeze(0)).sum(2);
  EXPECT_TRUE(at::allclose(product, expected, 1e-5, 1e-5));
}

}  // namespace
}  // namespace mgral::core
