#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "server/core/detector/predict.h"
#include "server/core/detector/retinanet.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {

// Detections of each image of a batch after suppression, in pixels of the canvas, best first.
// Scores and boxes are computed on the output's device, candidates are picked on the CPU.
std::vector<std::vector<Detection>> DetectionsOf(const RawOutput& output, const at::Tensor& anchors,
                                                 const PredictConfig& config);

// Boxes of all anchors [B, A, 4], canvas pixels, on the CPU.
at::Tensor DecodeAll(const RawOutput& output, const at::Tensor& anchors);

// From the canvas to an image of width x height pixels, clipped; drops what lies outside.
void ToImagePixels(std::vector<Detection>* detections, double scale, int64_t width, int64_t height);

}  // namespace mgral::core
