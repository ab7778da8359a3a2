#include "server/storage/encoding.h"

#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the encoding is little-endian");

constexpr char kBoxFormat = 1;
constexpr size_t kHeaderBytes = 1 + 4;
constexpr size_t kBoxBytes = 4 * 8 + 2 + 1 + 8;
constexpr char kSignalsFormat = 1;
constexpr size_t kSignalsHeaderBytes = 1 + 4 + 4;

template <typename T>
void Put(std::string* out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

template <typename T>
T Take(const char** in) {
  T value;
  std::memcpy(&value, *in, sizeof(T));
  *in += sizeof(T);
  return value;
}

absl::StatusOr<std::vector<absl::string_view>> Elements(absl::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') {
    return absl::DataLossError("a stored array cannot be read");
  }
  text = text.substr(1, text.size() - 2);
  if (text.empty()) return std::vector<absl::string_view>();
  return std::vector<absl::string_view>(absl::StrSplit(text, ','));
}

template <typename T, typename Parse>
absl::StatusOr<std::vector<T>> ParseArray(const std::string& text, const Parse& parse) {
  const absl::StatusOr<std::vector<absl::string_view>> elements = Elements(text);
  if (!elements.ok()) return elements.status();
  std::vector<T> values(elements->size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!parse((*elements)[i], &values[i])) {
      return absl::DataLossError("a stored array cannot be read");
    }
  }
  return values;
}

}  // namespace

std::string EncodeBoxes(const std::vector<domain::Box>& boxes) {
  std::string out;
  out.reserve(kHeaderBytes + boxes.size() * kBoxBytes);
  Put(&out, kBoxFormat);
  Put(&out, static_cast<uint32_t>(boxes.size()));
  for (const domain::Box& box : boxes) {
    Put(&out, box.x_min);
    Put(&out, box.y_min);
    Put(&out, box.width);
    Put(&out, box.height);
    Put(&out, static_cast<uint16_t>(box.class_index));
    Put(&out, static_cast<uint8_t>(box.ignore));
    Put(&out, box.score);
  }
  return out;
}

absl::StatusOr<std::vector<domain::Box>> DecodeBoxes(const std::string& bytes) {
  const absl::Status bad = absl::DataLossError("stored boxes cannot be read");
  if (bytes.size() < kHeaderBytes || bytes[0] != kBoxFormat) return bad;
  const char* in = bytes.data() + 1;
  const uint32_t count = Take<uint32_t>(&in);
  if (bytes.size() != kHeaderBytes + size_t{count} * kBoxBytes) return bad;
  std::vector<domain::Box> boxes(count);
  for (domain::Box& box : boxes) {
    box.x_min = Take<double>(&in);
    box.y_min = Take<double>(&in);
    box.width = Take<double>(&in);
    box.height = Take<double>(&in);
    box.class_index = Take<uint16_t>(&in);
    box.ignore = Take<uint8_t>(&in) != 0;
    box.score = Take<double>(&in);
  }
  return boxes;
}

std::string EncodeSignals(const domain::ImageSignals& signals) {
  std::string out;
  Put(&out, kSignalsFormat);
  Put(&out, static_cast<uint32_t>(signals.embedding.size()));
  Put(&out, static_cast<uint32_t>(signals.expected_objects.size()));
  for (const auto* values : {&signals.embedding, &signals.expected_objects, &signals.uncertainty}) {
    out.append(reinterpret_cast<const char*>(values->data()), values->size() * sizeof(float));
  }
  Put(&out, signals.disagreement);
  return out;
}

absl::Status DecodeSignals(const std::string& bytes, domain::ImageSignals* signals) {
  const absl::Status bad = absl::DataLossError("stored signals cannot be read");
  if (bytes.size() < kSignalsHeaderBytes || bytes[0] != kSignalsFormat) return bad;
  const char* in = bytes.data() + 1;
  const size_t dim = Take<uint32_t>(&in), classes = Take<uint32_t>(&in);
  if (bytes.size() != kSignalsHeaderBytes + (dim + 2 * classes + 1) * sizeof(float)) return bad;
  const auto take = [&in](size_t count, std::vector<float>* values) {
    values->resize(count);
    for (float& value : *values) value = Take<float>(&in);
  };
  take(dim, &signals->embedding);
  take(classes, &signals->expected_objects);
  take(classes, &signals->uncertainty);
  signals->disagreement = Take<float>(&in);
  return absl::OkStatus();
}

std::string IntArray(const std::vector<int64_t>& values) {
  return absl::StrCat("{", absl::StrJoin(values, ","), "}");
}

std::string DoubleArray(const std::vector<double>& values) {
  return absl::StrCat("{",
                      absl::StrJoin(values, ",",
                                    [](std::string* out, double value) {
                                      absl::StrAppendFormat(out, "%.17g", value);
                                    }),
                      "}");
}

std::string FloatArray(const std::vector<float>& values) {
  return absl::StrCat("{",
                      absl::StrJoin(values, ",",
                                    [](std::string* out, float value) {
                                      absl::StrAppendFormat(out, "%.9g", value);
                                    }),
                      "}");
}

std::string TextArray(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& value : values) {
    if (!IsStorableText(value)) throw InvalidText{value};
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out += '}';
}

std::string BytesLiteral(const std::string& bytes) {
  return absl::StrCat("\\x", absl::BytesToHexString(bytes));
}

std::string BytesArray(const std::vector<std::string>& values) {
  return absl::StrCat("{",
                      absl::StrJoin(values, ",",
                                    [](std::string* out, const std::string& bytes) {
                                      absl::StrAppend(out, "\"\\\\x", absl::BytesToHexString(bytes),
                                                      "\"");
                                    }),
                      "}");
}

absl::StatusOr<std::vector<int64_t>> ParseIntArray(const std::string& text) {
  return ParseArray<int64_t>(
      text, [](absl::string_view item, int64_t* value) { return absl::SimpleAtoi(item, value); });
}

absl::StatusOr<std::vector<double>> ParseDoubleArray(const std::string& text) {
  return ParseArray<double>(
      text, [](absl::string_view item, double* value) { return absl::SimpleAtod(item, value); });
}

absl::StatusOr<std::vector<float>> ParseFloatArray(const std::string& text) {
  return ParseArray<float>(
      text, [](absl::string_view item, float* value) { return absl::SimpleAtof(item, value); });
}

std::string GainArray(const domain::Gain& gain) {
  std::vector<double> values = {gain.mean, gain.standard_error};
  values.insert(values.end(), gain.class_mean.begin(), gain.class_mean.end());
  // One standard error per class, whatever the estimator left out.
  std::vector<double> errors = gain.class_standard_error;
  errors.resize(gain.class_mean.size(), 0);
  values.insert(values.end(), errors.begin(), errors.end());
  return DoubleArray(values);
}

absl::StatusOr<domain::Gain> ParseGainArray(const std::string& text) {
  const absl::StatusOr<std::vector<double>> values = ParseDoubleArray(text);
  if (!values.ok()) return values.status();
  if (values->size() < 2 || values->size() % 2 != 0) {
    return absl::DataLossError("a stored gain cannot be read");
  }
  const auto middle = values->begin() + 2 + (values->size() - 2) / 2;
  domain::Gain gain;
  gain.mean = (*values)[0];
  gain.standard_error = (*values)[1];
  gain.class_mean.assign(values->begin() + 2, middle);
  gain.class_standard_error.assign(middle, values->end());
  return gain;
}

}  // namespace mgral::storage
