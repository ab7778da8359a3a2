#include "server/core/selector/cell_frontier.h"

#include <algorithm>

namespace mgral::core {

CellFrontier::CellFrontier(const LookupTable& table)
    : table_(&table),
      order_(table.cells.count),
      begin_(table.cells.count, 0),
      size_(table.cells.count, 0.0) {
  for (int32_t cell : table.cell_of) size_[cell] += 1;
}

bool CellFrontier::Open(int64_t image, const BatchState& state) const {
  return !state.GroupTaken(image);
}

void CellFrontier::Refresh(const BatchState& state) {
  const int64_t classes = table_->classes;
  std::vector<float> worth(table_->images);
  for (std::vector<int32_t>& order : order_) order.clear();
  const std::vector<double> slope = state.ObjectSlopes();
  for (int64_t i = 0; i < table_->images; ++i) {
    if (!Open(i, state)) continue;
    const float* missed = &table_->missed[i * classes];
    double sum = state.CoverageGain(&table_->reach[i * table_->cells.count]) - state.Price(i);
    for (int64_t c = 0; c < classes; ++c) sum += slope[c] * missed[c];
    worth[i] = static_cast<float>(sum);
    order_[table_->cell_of[i]].push_back(static_cast<int32_t>(i));
  }
  for (size_t k = 0; k < order_.size(); ++k) {
    std::sort(order_[k].begin(), order_[k].end(), [&](int32_t a, int32_t b) {
      return worth[a] != worth[b] ? worth[a] > worth[b] : a < b;
    });
    begin_[k] = 0;
  }
}

void CellFrontier::First(int64_t cell, int64_t most, const BatchState& state,
                         std::vector<int64_t>* out) {
  out->clear();
  const std::vector<int32_t>& order = order_[cell];
  while (begin_[cell] < order.size() && !Open(order[begin_[cell]], state)) ++begin_[cell];
  for (size_t i = begin_[cell]; i < order.size() && static_cast<int64_t>(out->size()) < most; ++i) {
    if (Open(order[i], state)) out->push_back(order[i]);
  }
}

int64_t CellFrontier::Front(int64_t cell, const BatchState& state) {
  const std::vector<int32_t>& order = order_[cell];
  while (begin_[cell] < order.size() && !Open(order[begin_[cell]], state)) ++begin_[cell];
  return begin_[cell] < order.size() ? order[begin_[cell]] : -1;
}

double CellFrontier::Left(int64_t cell) const {
  return size_[cell] > 0 ? static_cast<double>(order_[cell].size() - begin_[cell]) / size_[cell]
                         : 0.0;
}

int64_t RefreshInterval(int64_t images, int64_t additions) {
  return std::max<int64_t>(1, images * additions / 100000);
}

}  // namespace mgral::core
