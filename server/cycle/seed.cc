#include "server/cycle/seed.h"

namespace mgral::cycle {

uint64_t MixSeed(uint64_t seed, uint64_t purpose) {
  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t z = seed + 0x9E3779B97F4A7C15ull * (purpose + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return (z ^ (z >> 31)) >> 2;
}

uint64_t StageSeed(const CycleInputs& inputs, SeedPurpose purpose) {
  return MixSeed(inputs.seed, static_cast<uint64_t>(purpose));
}

}  // namespace mgral::cycle
