#include "server/core/lookup/plan_probes.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "server/core/lookup/random.h"

namespace mgral::core {
namespace {

// Takes from each list in turn until `size` images are together; what the lists lack comes from
// all the others.
std::vector<int64_t> TakeInTurn(std::vector<std::vector<int64_t>> lists, int64_t images,
                                int64_t size, RandomStream* random) {
  std::vector<int64_t> out;
  std::vector<bool> taken(images, false);
  bool left = true;
  for (size_t round = 0; left && static_cast<int64_t>(out.size()) < size; ++round) {
    left = false;
    for (const std::vector<int64_t>& list : lists) {
      if (round >= list.size() || static_cast<int64_t>(out.size()) >= size) continue;
      left = true;
      out.push_back(list[round]);
      taken[list[round]] = true;
    }
  }
  std::vector<int64_t> others;
  for (int64_t i = 0; i < images; ++i) {
    if (!taken[i]) others.push_back(i);
  }
  random->Shuffle(&others);
  for (size_t i = 0; static_cast<int64_t>(out.size()) < size; ++i) out.push_back(others[i]);
  return out;
}

std::vector<int64_t> Permutation(int64_t n, RandomStream* random) {
  std::vector<int64_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  random->Shuffle(&out);
  return out;
}

}  // namespace

std::vector<std::vector<int64_t>> PlanProbes(const Cells& cells, const CellAssignment& assignment,
                                             int64_t probes, int64_t batch_size, uint64_t seed) {
  if (probes < 0) throw std::invalid_argument("probes: must not be negative");
  if (batch_size < 0) throw std::invalid_argument("batch_size: must not be negative");
  const int64_t images = static_cast<int64_t>(assignment.cell.size());
  const int64_t size = std::min(batch_size, images);
  std::vector<std::vector<int64_t>> out;
  if (size == 0) return out;
  RandomStream random(seed);
  std::vector<int64_t> turn = Permutation(cells.count, &random);
  size_t next = 0;
  for (int64_t probe = 0; probe < probes; ++probe) {
    std::vector<std::vector<int64_t>> members(cells.count);
    for (int64_t i : Permutation(images, &random)) members[assignment.cell[i]].push_back(i);
    std::vector<std::vector<int64_t>> lists;
    if (probe % 3 == 0) {  // one or two cells, each cell in its turn
      for (int64_t taken = 0; taken < (probe % 2 == 0 ? 1 : 2); ++taken) {
        lists.push_back(members[turn[next++ % turn.size()]]);
      }
    } else if (probe % 3 == 1) {  // evenly over half of the cells
      const std::vector<int64_t> order = Permutation(cells.count, &random);
      for (int64_t k = 0; k < (cells.count + 1) / 2; ++k) lists.push_back(members[order[k]]);
    }
    out.push_back(TakeInTurn(std::move(lists), images, size, &random));
  }
  return out;
}

std::vector<std::vector<int64_t>> PlanReplay(const ImageFeatures& held_back, int64_t probes,
                                             int64_t batch_size, uint64_t seed) {
  if (probes < 0) throw std::invalid_argument("probes: must not be negative");
  if (batch_size < 0) throw std::invalid_argument("batch_size: must not be negative");
  const int64_t images = held_back.images;
  const int64_t size = std::min(batch_size, (images + 1) / 2);
  std::vector<std::vector<int64_t>> out;
  if (size == 0) return out;
  RandomStream random(seed);
  for (int64_t probe = 0; probe < probes; ++probe) {
    std::vector<int64_t> order = Permutation(images, &random);
    if (probe % 4 != 3) {
      const int feature = static_cast<int>((probe / 4 * 3 + probe % 4) / 2 % kNumImageFeatures);
      std::vector<double> total(images, 0.0);
      for (int64_t i = 0; i < images; ++i) {
        for (int64_t c = 0; c < held_back.classes; ++c) total[i] += held_back.At(i, c)[feature];
      }
      const bool upper = (probe / 4 * 3 + probe % 4) % 2 == 0;
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return upper ? total[a] > total[b] : total[a] < total[b];
      });
      order.resize(std::max<int64_t>(size, (images + 1) / 2));
      random.Shuffle(&order);
    }
    order.resize(size);
    out.push_back(std::move(order));
  }
  return out;
}

}  // namespace mgral::core
