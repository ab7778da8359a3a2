// Results of a simulation, made up. Every strategy after the first is 0.01 worse at each batch, and
// has a box more in each of its images.
#pragma once

#include "client/cpp/report/results.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {

inline Results Sample(int strategies, int seeds, int points) {
  static const char* const kNames[] = {"mgral",    "random",        "entropy",
                                       "core_set", "lookup_greedy", "margin"};
  Results results;
  results.dataset = "sample";
  results.classes = {"cat", "dog"};
  results.protocol = {{"batch_size", 20},
                      {"val_fraction", nullptr},
                      {"seconds_per_image", 2},
                      {"seconds_per_box", 1}};
  for (int seed = 1; seed <= seeds; ++seed) {
    for (int s = 0; s < strategies; ++s) {
      StrategyRun run;
      run.strategy = kNames[s];
      run.seed = seed;
      run.complete = true;
      for (int k = 0; k < points; ++k) {
        CurvePoint point;
        point.labels = 40 + 20 * k;
        point.boxes = (3 + s) * static_cast<double>(point.labels) - 40 * s;
        point.cost = 2 * static_cast<double>(point.labels) + *point.boxes;
        point.seconds = 12.0;
        point.map50 = 0.3 + 0.05 * k - 0.01 * s * k + 0.002 * seed * (s + 1);
        point.map = 0.5 * *point.map50;
        point.class_ap50 = {0.4, std::nullopt};
        if (k > 0) {
          point.batch = {"a.jpg", "b.jpg"};
          point.test_gain = 0.05;
          if (s == 0) {
            point.estimated_gain = 0.04;
            point.estimated_gain_se = 0.01;
            point.realized_gain = 0.03;
          }
        }
        run.points.push_back(point);
      }
      results.runs.push_back(run);
    }
  }
  LookupRow row;
  row.seed = 1;
  row.cycle = 1;
  row.strategy = "mgral";
  row.seconds_per_probe = 2.0;
  row.seconds_per_lookup = 4e-6;
  row.weights = {{"growth", 0.4, 0.1, {0.01, -0.002}, 0.5, 0.2, 0.07},
                 {"coverage", 0.1, 0.05, {-0.002, 0.0025}, 0.2, 0.15, {}}};
  row.weights_fitted = true;
  row.kappa = 0.45;
  row.kappa_standard_deviation = 0.1;
  row.residual_share = 0.4;
  row.level = 3;
  results.lookup.push_back(row);
  Summarize(&results);
  return results;
}

}  // namespace mgral::client
