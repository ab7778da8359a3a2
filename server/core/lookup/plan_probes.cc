#include "server/core/lookup/plan_probes.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "server/core/random.h"

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

// From so many probes on, two seeds share them: a control's own noise then shifts half of them
// only.
constexpr int64_t kProbesForTwoSeeds = 6;
// From so many replay probes on, every batch is measured twice.
constexpr int64_t kReplaysForRepeats = 12;
constexpr size_t kMinReplayImages = 6;
constexpr uint64_t kReplaySeeds = 1000;  // added to the seed: replay has controls of its own

void AddControls(bool replay, int64_t seeds, uint64_t seed, ProbePlan* plan) {
  for (int64_t s = 0; s < seeds; ++s) {
    Probe control;
    control.replay = replay;
    control.control = true;
    control.seed = seed + s;
    plan->probes.push_back(control);
  }
}

void AddProbe(bool replay, const std::vector<int64_t>& batch, const std::vector<int64_t>& keys,
              uint64_t seed, ProbePlan* plan) {
  Probe probe;
  probe.replay = replay;
  probe.seed = seed;
  for (const int64_t index : batch) probe.keys.push_back(keys[index]);
  plan->probes.push_back(std::move(probe));
}

}  // namespace

std::vector<std::vector<int64_t>> PlanSemiSupervised(const Cells& cells,
                                                     const CellAssignment& assignment,
                                                     int64_t probes, int64_t batch_size,
                                                     uint64_t seed) {
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

std::vector<std::vector<int64_t>> PlanReplay(const ImageFeatures& newly_labeled, int64_t probes,
                                             int64_t batch_size, uint64_t seed) {
  if (probes < 0) throw std::invalid_argument("probes: must not be negative");
  if (batch_size < 0) throw std::invalid_argument("batch_size: must not be negative");
  const int64_t images = newly_labeled.images;
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
        for (int64_t c = 0; c < newly_labeled.classes; ++c)
          total[i] += newly_labeled.At(i, c)[feature];
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

EarlierImages DescribeEarlier(const CycleImages& images, const ImageSet& earlier) {
  const int64_t classes = earlier.signals.classes, dim = images.candidates.signals.dim;
  std::unordered_map<int64_t, int64_t> labeled;
  for (size_t i = 0; i < images.labeled_keys.size(); ++i) labeled[images.labeled_keys[i]] = i;
  EarlierImages out;
  ImageSignals signals;
  signals.classes = classes;
  for (int64_t i = 0; i < earlier.signals.images; ++i) {
    const auto found = labeled.find(earlier.keys.at(i));
    if (found == labeled.end()) continue;
    ++signals.images;
    out.keys.push_back(earlier.keys[i]);
    const auto append = [&](const std::vector<float>& from, std::vector<float>* to) {
      to->insert(to->end(), from.begin() + i * classes, from.begin() + (i + 1) * classes);
    };
    append(earlier.signals.expected_objects, &signals.expected_objects);
    append(earlier.signals.uncertainty, &signals.uncertainty);
    signals.disagreement.push_back(earlier.signals.disagreement.at(i));
    const auto embedding = images.labeled_embeddings.begin() + found->second * dim;
    out.embeddings.insert(out.embeddings.end(), embedding, embedding + dim);
  }
  out.features = ComputeFeatures(signals, images.labeled_objects);
  return out;
}

ProbePlan PlanProbes(const CycleImages& images, int64_t probes, int64_t replay_probes,
                     int64_t batch_size, uint64_t seed) {
  const ImageSignals& candidates = images.candidates.signals;
  ProbePlan plan;
  plan.clustering = ClusterCells(candidates.embeddings, candidates.images, candidates.dim, 0, seed);
  if (probes > 0) {
    const auto batches = PlanSemiSupervised(plan.clustering.cells, plan.clustering.assignment,
                                            probes, batch_size, seed);
    const int64_t seeds = probes >= kProbesForTwoSeeds ? 2 : 1;
    if (!batches.empty()) AddControls(false, seeds, seed, &plan);
    for (size_t i = 0; i < batches.size(); ++i) {
      AddProbe(false, batches[i], images.candidates.keys, seed + i % seeds, &plan);
    }
  }
  if (replay_probes > 0 && images.newly_labeled.keys.size() >= kMinReplayImages) {
    const EarlierImages newly_labeled = DescribeEarlier(images, images.newly_labeled);
    const int64_t repeats = replay_probes >= kReplaysForRepeats ? 2 : 1;
    const auto batches =
        PlanReplay(newly_labeled.features, replay_probes / repeats, batch_size, seed);
    AddControls(true, repeats, seed + kReplaySeeds, &plan);
    for (const std::vector<int64_t>& batch : batches) {
      for (int64_t r = 0; r < repeats; ++r) {
        AddProbe(true, batch, newly_labeled.keys, seed + kReplaySeeds + r, &plan);
      }
    }
  }
  return plan;
}

}  // namespace mgral::core
