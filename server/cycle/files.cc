#include "server/cycle/files.h"

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"

namespace mgral::cycle {
namespace {

using base::ByteReader;
using base::ByteWriter;
using domain::Box;
using domain::Image;
using domain::ImageSignals;
using domain::ModelRuntime;

// The first bytes say what a file is, and in which version.
constexpr char kExamples[] = "mgral-examples-1";
constexpr char kImages[] = "mgral-images-1";
constexpr char kSignals[] = "mgral-signals-1";
constexpr char kPlan[] = "mgral-plan-1";
constexpr char kTable[] = "mgral-table-1";
constexpr char kKeys[] = "mgral-keys-1";

// Least bytes that one item of a list takes, for ByteReader::Count.
constexpr uint64_t kLeastImage = 32, kLeastBox = 45, kLeastSignals = 60;

absl::Status Broken(const char* what) {
  return absl::DataLossError(absl::StrCat("an artifact is no ", what, " file, or was cut"));
}

bool Begins(ByteReader* reader, const char* kind) { return reader->Text() == kind; }

void PutImage(const Image& image, ByteWriter* writer) {
  writer->Number<int64_t>(image.key);
  writer->Text(image.image_id);
  writer->Number<int32_t>(static_cast<int32_t>(image.source.kind));
  writer->Text(image.source.location);
}

Image GetImage(ByteReader* reader) {
  Image image;
  image.key = reader->Number<int64_t>();
  image.image_id = reader->Text();
  image.source.kind = static_cast<domain::ImageSource::Kind>(reader->Number<int32_t>());
  image.source.location = reader->Text();
  return image;
}

void PutImages(const std::vector<Image>& images, ByteWriter* writer) {
  writer->Number<uint64_t>(images.size());
  for (const Image& image : images) PutImage(image, writer);
}

std::vector<Image> GetImages(ByteReader* reader) {
  std::vector<Image> images(reader->Count(28));
  for (Image& image : images) image = GetImage(reader);
  return images;
}

void PutBoxes(const std::vector<Box>& boxes, ByteWriter* writer) {
  writer->Number<uint64_t>(boxes.size());
  for (const Box& box : boxes) {
    for (const double value : {box.x_min, box.y_min, box.width, box.height, box.score}) {
      writer->Number<double>(value);
    }
    writer->Number<int32_t>(box.class_index);
    writer->Number<uint8_t>(box.ignore ? 1 : 0);
  }
}

std::vector<Box> GetBoxes(ByteReader* reader) {
  std::vector<Box> boxes(reader->Count(kLeastBox));
  for (Box& box : boxes) {
    for (double* value : {&box.x_min, &box.y_min, &box.width, &box.height, &box.score}) {
      *value = reader->Number<double>();
    }
    box.class_index = reader->Number<int32_t>();
    box.ignore = reader->Number<uint8_t>() != 0;
  }
  return boxes;
}

void PutExamples(const std::vector<domain::Example>& examples, ByteWriter* writer) {
  writer->Number<uint64_t>(examples.size());
  for (const domain::Example& example : examples) {
    PutImage(example.image, writer);
    PutBoxes(example.boxes, writer);
  }
}

std::vector<domain::Example> GetExamples(ByteReader* reader) {
  std::vector<domain::Example> examples(reader->Count(kLeastImage));
  for (domain::Example& example : examples) {
    example.image = GetImage(reader);
    example.boxes = GetBoxes(reader);
  }
  return examples;
}

void PutReport(const domain::TableReport& report, ByteWriter* writer) {
  for (const int64_t value : {report.probes, report.replay_probes, report.cells}) {
    writer->Number<int64_t>(value);
  }
  writer->Number<uint8_t>(report.fidelity ? 1 : 0);
  for (const double value :
       {report.fidelity.value_or(0), report.response_fidelity, report.seconds_per_probe,
        report.seconds_per_lookup, report.test_retest}) {
    writer->Number<double>(value);
  }
}

domain::TableReport GetReport(ByteReader* reader) {
  domain::TableReport report;
  for (int64_t* value : {&report.probes, &report.replay_probes, &report.cells}) {
    *value = reader->Number<int64_t>();
  }
  const bool known = reader->Number<uint8_t>() != 0;
  const double fidelity = reader->Number<double>();
  if (known) report.fidelity = fidelity;
  for (double* value : {&report.response_fidelity, &report.seconds_per_probe,
                        &report.seconds_per_lookup, &report.test_retest}) {
    *value = reader->Number<double>();
  }
  return report;
}

}  // namespace

std::string WriteExamples(const CycleExamples& examples) {
  ByteWriter writer;
  writer.Text(kExamples);
  PutExamples(examples.training, &writer);
  PutExamples(examples.validation, &writer);
  return writer.Take();
}

absl::StatusOr<CycleExamples> ReadExamples(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (!Begins(&reader, kExamples)) return Broken("examples");
  CycleExamples examples;
  examples.training = GetExamples(&reader);
  examples.validation = GetExamples(&reader);
  if (!reader.Done()) return Broken("examples");
  return examples;
}

std::string WriteImages(const std::vector<Image>& images) {
  ByteWriter writer;
  writer.Text(kImages);
  PutImages(images, &writer);
  return writer.Take();
}

absl::StatusOr<std::vector<Image>> ReadImages(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (!Begins(&reader, kImages)) return Broken("images");
  std::vector<Image> images = GetImages(&reader);
  if (!reader.Done()) return Broken("images");
  return images;
}

std::string WriteSignals(const std::vector<ImageSignals>& signals) {
  ByteWriter writer;
  writer.Text(kSignals);
  writer.Number<uint64_t>(signals.size());
  for (const ImageSignals& image : signals) {
    writer.Number<int64_t>(image.image_key);
    writer.Vector(image.embedding);
    writer.Vector(image.expected_objects);
    writer.Vector(image.uncertainty);
    writer.Number<float>(image.disagreement);
    PutBoxes(image.predictions, &writer);
    writer.Text(image.error);
  }
  return writer.Take();
}

absl::StatusOr<std::vector<ImageSignals>> ReadSignals(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (!Begins(&reader, kSignals)) return Broken("signals");
  std::vector<ImageSignals> signals(reader.Count(kLeastSignals - 8));
  for (ImageSignals& image : signals) {
    image.image_key = reader.Number<int64_t>();
    image.embedding = reader.Vector<float>();
    image.expected_objects = reader.Vector<float>();
    image.uncertainty = reader.Vector<float>();
    image.disagreement = reader.Number<float>();
    image.predictions = GetBoxes(&reader);
    image.error = reader.Text();
  }
  if (!reader.Done()) return Broken("signals");
  return signals;
}

std::string WritePlan(const CyclePlan& plan) {
  ByteWriter writer;
  writer.Text(kPlan);
  writer.Text(plan.plan.cells);
  writer.Number<uint64_t>(plan.plan.probes.size());
  for (size_t i = 0; i < plan.plan.probes.size(); ++i) {
    const ModelRuntime::ProbeBatch& probe = plan.plan.probes[i];
    writer.Number<uint8_t>(probe.replay ? 1 : 0);
    writer.Number<uint8_t>(probe.control ? 1 : 0);
    writer.Number<uint64_t>(probe.seed);
    writer.Vector(probe.image_keys);
    PutImages(plan.images.at(i), &writer);
  }
  return writer.Take();
}

absl::StatusOr<CyclePlan> ReadPlan(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (!Begins(&reader, kPlan)) return Broken("plan");
  CyclePlan plan;
  plan.plan.cells = reader.Text();
  plan.plan.probes.resize(reader.Count(26));
  plan.images.resize(plan.plan.probes.size());
  for (size_t i = 0; i < plan.images.size(); ++i) {
    ModelRuntime::ProbeBatch& probe = plan.plan.probes[i];
    probe.replay = reader.Number<uint8_t>() != 0;
    probe.control = reader.Number<uint8_t>() != 0;
    probe.seed = reader.Number<uint64_t>();
    probe.image_keys = reader.Vector<int64_t>();
    plan.images[i] = GetImages(&reader);
  }
  if (!reader.Done()) return Broken("plan");
  return plan;
}

std::string WriteTable(const ModelRuntime::TableResult& table) {
  ByteWriter writer;
  writer.Text(kTable);
  writer.Text(table.table);
  PutReport(table.report, &writer);
  writer.Number<uint64_t>(table.entries.size());
  for (size_t i = 0; i < table.entries.size(); ++i) {
    writer.Number<int32_t>(table.cells.at(i));
    writer.Text(table.entries[i]);
    writer.Vector(table.expected_gain.at(i));
  }
  return writer.Take();
}

absl::StatusOr<ModelRuntime::TableResult> ReadTable(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (!Begins(&reader, kTable)) return Broken("table");
  ModelRuntime::TableResult table;
  table.table = reader.Text();
  table.report = GetReport(&reader);
  const uint64_t images = reader.Count(20);
  for (uint64_t i = 0; i < images; ++i) {
    table.cells.push_back(reader.Number<int32_t>());
    table.entries.push_back(reader.Text());
    table.expected_gain.push_back(reader.Vector<float>());
  }
  if (!reader.Done()) return Broken("table");
  return table;
}

std::string WriteKeys(const std::vector<int64_t>& keys) {
  ByteWriter writer;
  writer.Text(kKeys);
  writer.Vector(keys);
  return writer.Take();
}

absl::StatusOr<std::vector<int64_t>> ReadKeys(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (!Begins(&reader, kKeys)) return Broken("keys");
  std::vector<int64_t> keys = reader.Vector<int64_t>();
  if (!reader.Done()) return Broken("keys");
  return keys;
}

}  // namespace mgral::cycle
