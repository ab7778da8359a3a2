#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/batch.h"
#include "server/domain/labels.h"
#include "server/domain/measurement.h"

// How values are written into columns.
namespace mgral::storage {

// Boxes as bytea, little-endian: u8 format (1), u32 count, then for each box four doubles x_min,
// y_min, width, height, u16 class_index, u8 ignore, double score: 43 bytes. Exact.
std::string EncodeBoxes(const std::vector<domain::Box>& boxes);
// Errors: DATA_LOSS when these are not the bytes that EncodeBoxes wrote.
absl::StatusOr<std::vector<domain::Box>> DecodeBoxes(const std::string& bytes);

// What an image's signals have besides boxes, likewise: u8 format (1), u32 length of the embedding,
// u32 classes, then as floats the embedding, expected_objects, uncertainty, and disagreement.
std::string EncodeSignals(const domain::ImageSignals& signals);
// Fills in these alone. Errors: DATA_LOSS.
absl::Status DecodeSignals(const std::string& bytes, domain::ImageSignals* signals);

// Array literals: "{1,2}", "{\"a\",\"b\"}". TextArray throws InvalidText (transaction.h).
std::string IntArray(const std::vector<int64_t>& values);
std::string DoubleArray(const std::vector<double>& values);
std::string FloatArray(const std::vector<float>& values);
std::string TextArray(const std::vector<std::string>& values);
std::string BytesArray(const std::vector<std::string>& values);
std::string BytesLiteral(const std::string& bytes);  // "\x..."

// The reverse, of what PostgreSQL prints. Errors: DATA_LOSS.
absl::StatusOr<std::vector<int64_t>> ParseIntArray(const std::string& text);
absl::StatusOr<std::vector<double>> ParseDoubleArray(const std::string& text);
absl::StatusOr<std::vector<float>> ParseFloatArray(const std::string& text);

// A gain as a double array: mean, standard error, class means, class standard errors.
std::string GainArray(const domain::Gain& gain);
absl::StatusOr<domain::Gain> ParseGainArray(const std::string& text);

}  // namespace mgral::storage
