#ifndef MGRAL_SERVER_CORE_LOOKUP_RANK_CORRELATION_H_
#define MGRAL_SERVER_CORE_LOOKUP_RANK_CORRELATION_H_

#include <vector>

namespace mgral::core {

// Spearman's rank correlation with mean ranks for ties; NaN for fewer than three values or when
// one side is constant.
double RankCorrelation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_LOOKUP_RANK_CORRELATION_H_
