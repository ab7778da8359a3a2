#include "server/core/selector/rollout.h"

#include <algorithm>
#include <cmath>

namespace mgral::core {
namespace {

int64_t Choose(const std::vector<double>& logits, const std::vector<uint8_t>& open,
               RandomStream* random) {
  int64_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (open[i] && (best < 0 || logits[i] > logits[best])) best = static_cast<int64_t>(i);
  }
  if (random == nullptr || best < 0) return best;
  double total = 0;
  std::vector<double> weight(logits.size(), 0.0);
  for (size_t i = 0; i < logits.size(); ++i) {
    if (open[i]) weight[i] = std::exp(logits[i] - logits[best]);
    total += weight[i];
  }
  double target = random->Uniform() * total;
  for (size_t i = 0; i < logits.size(); ++i) {
    target -= weight[i];
    if (open[i] && target < 0) return static_cast<int64_t>(i);
  }
  return best;
}

// out[r] += sum_j columns[j, r] values[j].
void Accumulate(const std::vector<float>& columns, const float* values, int64_t inputs,
                int64_t rows, float* out) {
  for (int64_t j = 0; j < inputs; ++j) {
    const float value = values[j];
    const float* column = &columns[j * rows];
    for (int64_t r = 0; r < rows; ++r) out[r] += column[r] * value;
  }
}

std::vector<float> Transposed(const float* matrix, int64_t rows, int64_t cols) {
  std::vector<float> out(rows * cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out[c * rows + r] = matrix[r * cols + c];
  }
  return out;
}

float Sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

double Dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

}  // namespace

struct Rollout::Look {
  std::vector<float> cells;   // [K, kCellInputs]
  std::vector<uint8_t> open;  // [K]
  double best = 0;            // largest marginal among the cells' first images
  std::vector<int64_t> shortlist;
  std::vector<float> images;        // [kShortlist, P + 1]
  std::vector<uint8_t> image_open;  // [kShortlist]
};

Rollout::Rollout(const PolicyProblem& problem, const PolicyParameters& policy)
    : problem_(problem), policy_(policy), layout_(PolicyLayout(problem.table->classes)) {
  input_columns_ = Transposed(Tensor(kInputWeight), 4 * kHidden, layout_[kInputWeight].cols);
  state_columns_ = Transposed(Tensor(kStateWeight), 4 * kHidden, kHidden);
  for (int64_t k = 0; k < problem.table->cells.count; ++k) {
    for (int64_t e = 0; e < kKey; ++e) {
      keys_.push_back(static_cast<float>(Dot(Tensor(kKeyWeight) + e * kCellStatic,
                                             &problem.cell_static[k * kCellStatic], kCellStatic)));
    }
  }
}

void Rollout::LstmStep(const std::vector<float>& input) {
  const float* bias = Tensor(kGateBias);
  std::vector<float> gates(bias, bias + 4 * kHidden);
  Accumulate(input_columns_, input.data(), static_cast<int64_t>(input.size()), 4 * kHidden,
             gates.data());
  Accumulate(state_columns_, hidden_.data(), kHidden, 4 * kHidden, gates.data());
  for (int64_t i = 0; i < kHidden; ++i) {
    memory_[i] = Sigmoid(gates[kHidden + i]) * memory_[i] +
                 Sigmoid(gates[i]) * std::tanh(gates[2 * kHidden + i]);
    hidden_[i] = Sigmoid(gates[3 * kHidden + i]) * std::tanh(memory_[i]);
  }
}

void Rollout::SeeCells(const BatchState& state, int64_t batch, CellFrontier* frontier,
                       Look* look) const {
  const LookupTable& table = *problem_.table;
  const int64_t cells = table.cells.count;
  look->cells.assign(cells * kCellInputs, 0.0f);
  look->open.assign(cells, 0);
  std::vector<double> first(cells, 0.0), mean(cells, 0.0);
  look->best = 0;
  for (int64_t k = 0; k < cells; ++k) {
    const int64_t front = frontier->Front(k, state);
    if (front < 0) continue;
    look->open[k] = 1;
    first[k] = state.Marginal(front);
    mean[k] =
        state.GainOf(&problem_.cell_mean[k * table.classes], &problem_.cell_reach[k * cells]) -
        problem_.cell_price[k];
    look->best = std::max(look->best, first[k]);
  }
  if (look->best <= 0) look->best = problem_.scale;
  for (int64_t k = 0; k < cells; ++k) {
    float* out = &look->cells[k * kCellInputs];
    out[0] = LimitedInput(first[k] / look->best);
    out[1] = LimitedInput(mean[k] / look->best);
    out[2] = LimitedInput(state.CellCount(k) / static_cast<double>(batch) * 4);
    out[3] = static_cast<float>(frontier->Left(k));
    out[4] = LimitedInput(problem_.cell_error[k] * first[k] / look->best);
  }
}

void Rollout::SeeImages(const BatchState& state, int64_t cell, CellFrontier* frontier,
                        Look* look) const {
  frontier->First(cell, kShortlist, state, &look->shortlist);
  look->images.assign(kShortlist * (kProjected + 1), 0.0f);
  look->image_open.assign(kShortlist, 0);
  std::vector<double> marginal;
  for (int64_t image : look->shortlist) marginal.push_back(state.Marginal(image));
  const double most = *std::max_element(marginal.begin(), marginal.end());
  for (size_t m = 0; m < look->shortlist.size(); ++m) {
    look->image_open[m] = 1;
    float* out = &look->images[m * (kProjected + 1)];
    std::copy_n(&problem_.projected[look->shortlist[m] * kProjected], kProjected, out);
    out[kProjected] = LimitedInput((marginal[m] - most) / look->best);
  }
}

std::vector<double> Rollout::CellLogits(const Look& look) const {
  std::vector<float> query(kKey), base(kCellHidden);
  for (int64_t e = 0; e < kKey; ++e) {
    query[e] = static_cast<float>(Dot(Tensor(kQueryWeight) + e * kHidden, hidden_.data(), kHidden));
  }
  for (int64_t g = 0; g < kCellHidden; ++g) {
    base[g] = Tensor(kCellBias)[g] +
              static_cast<float>(Dot(Tensor(kCellState) + g * kHidden, hidden_.data(), kHidden));
  }
  std::vector<double> logits;
  for (size_t k = 0; k < look.open.size(); ++k) {
    const float* inputs = &look.cells[k * kCellInputs];
    double logit = Dot(query.data(), &keys_[k * kKey], kKey) / std::sqrt(1.0 * kKey) +
                   Tensor(kCellBeta)[0] * inputs[0];
    for (int64_t g = 0; g < kCellHidden; ++g) {
      const double value =
          base[g] + Dot(Tensor(kCellWeight) + g * kCellInputs, inputs, kCellInputs);
      if (value > 0) logit += Tensor(kCellOut)[g] * value;
    }
    logits.push_back(logit);
  }
  return logits;
}

std::vector<double> Rollout::ImageLogits(const Look& look) const {
  std::vector<float> query(kProjected);
  for (int64_t p = 0; p < kProjected; ++p) {
    query[p] = static_cast<float>(Dot(Tensor(kImageWeight) + p * kHidden, hidden_.data(), kHidden));
  }
  std::vector<double> logits;
  for (int64_t m = 0; m < kShortlist; ++m) {
    const float* inputs = &look.images[m * (kProjected + 1)];
    logits.push_back(Dot(query.data(), inputs, kProjected) / std::sqrt(1.0 * kProjected) +
                     Tensor(kImageBeta)[0] * inputs[kProjected]);
  }
  return logits;
}

Trace Rollout::Run(BatchState state, int64_t steps, RandomStream* random,
                   const LookupTable* reward_table, bool record) {
  const LookupTable& table = *problem_.table;
  hidden_.assign(kHidden, 0.0f);
  memory_.assign(kHidden, 0.0f);
  BatchState rewards(reward_table ? *reward_table : table, problem_.price);
  if (reward_table) {
    for (int64_t i = 0; i < table.images; ++i) {
      if (state.Taken(i)) rewards.Add(i);
    }
  }
  CellFrontier frontier(table);
  const int64_t interval = RefreshInterval(table.images, steps);
  std::vector<float> input(StepInputs(table.classes), 0.0f);
  Trace trace;
  Look look;
  for (int64_t t = 0; t < steps; ++t) {
    if (t % interval == 0) frontier.Refresh(state);
    const std::vector<double> slopes = state.ClassSlopes();
    for (int64_t c = 0; c < table.classes; ++c) {
      input[kProjected + kCellInputs + c] = LimitedInput(slopes[c] / problem_.slope_scale);
    }
    LstmStep(input);
    SeeCells(state, steps, &frontier, &look);
    const int64_t cell = Choose(CellLogits(look), look.open, random);
    if (cell < 0) break;  // nothing distinct is left
    SeeImages(state, cell, &frontier, &look);
    const int64_t position = Choose(ImageLogits(look), look.image_open, random);
    const int64_t image = look.shortlist[position];
    if (record) {
      trace.inputs.insert(trace.inputs.end(), input.begin(), input.end());
      trace.cell_inputs.insert(trace.cell_inputs.end(), look.cells.begin(), look.cells.end());
      trace.cell_open.insert(trace.cell_open.end(), look.open.begin(), look.open.end());
      trace.cell.push_back(cell);
      trace.image_inputs.insert(trace.image_inputs.end(), look.images.begin(), look.images.end());
      trace.image_open.insert(trace.image_open.end(), look.image_open.begin(),
                              look.image_open.end());
      trace.image.push_back(position);
      const double before = rewards.Gain();
      rewards.Add(image);
      trace.reward.push_back(static_cast<float>((rewards.Gain() - before) / problem_.scale));
    }
    const double before = state.Gain();
    state.Add(image);
    trace.taken.push_back(image);
    std::copy_n(&problem_.projected[image * kProjected], kProjected, input.begin());
    std::copy_n(&look.cells[cell * kCellInputs], kCellInputs, input.begin() + kProjected);
    input[input.size() - 2] = static_cast<float>(t + 1) / static_cast<float>(steps);
    input[input.size() - 1] = LimitedInput((state.Gain() - before) / problem_.scale);
  }
  return trace;
}

}  // namespace mgral::core
