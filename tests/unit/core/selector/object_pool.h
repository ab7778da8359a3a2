#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/selector/strategies.h"

namespace mgral::core {

inline const std::vector<int8_t> kEast = {127, 0}, kNorth = {0, 127}, kWest = {-127, 0};

struct TestObject {
  int32_t label = 0;
  double score = 0.5;
  std::vector<int8_t> direction;  // 2 numbers
};

// Candidates in which these objects were found, for strategies that compare objects.
inline RankInput ObjectPool(const std::vector<std::vector<TestObject>>& images, int64_t classes) {
  RankInput input;
  input.candidates.images = static_cast<int64_t>(images.size());
  input.candidates.classes = classes;
  input.objects.dim = 2;
  input.objects.first = {0};
  for (const std::vector<TestObject>& image : images) {
    std::vector<ScoredBox>& boxes = input.predictions.emplace_back();
    for (const TestObject& object : image) {
      boxes.push_back({0, 0, 10, 10, object.label, object.score});
      input.objects.values.insert(input.objects.values.end(), object.direction.begin(),
                                  object.direction.end());
    }
    input.objects.first.push_back(input.objects.first.back() + static_cast<int64_t>(image.size()));
  }
  input.class_ap.assign(classes, 0.5);
  input.batch_size = 2;
  input.limit = input.candidates.images;
  return input;
}

// What a strategy says of the pool of one object once `change` has been there; "" if it ranks.
inline std::string ObjectPoolRefusal(const std::string& strategy,
                                     const std::function<void(RankInput&)>& change) {
  RankInput input = ObjectPool({{{0, 0.5, {127, 0}}}, {}}, 1);
  change(input);
  try {
    Rank(strategy, input);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace mgral::core
