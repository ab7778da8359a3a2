#include "tests/unit/cycle/stage_fixture.h"

#include <algorithm>
#include <fstream>

namespace mgral::cycle {

using domain::JobKind;
using domain::NewJob;
using ::testing::_;

absl::Status SeenDetector::NextError() {
  if (errors.empty()) return absl::OkStatus();
  const absl::Status error = errors.back();
  errors.pop_back();
  return error;
}

absl::StatusOr<domain::DetectorRuntime::TrainResult> SeenDetector::Train(
    const TrainRequest& request, const domain::Progress& progress) {
  train = request;
  MGRAL_RETURN_IF_ERROR(NextError());
  return FakeDetectorRuntime::Train(request, progress);
}

absl::StatusOr<std::vector<domain::ImageSignals>> SeenDetector::Embed(
    const std::string& weights_path, const std::vector<domain::Image>& images,
    const domain::Progress& progress) {
  MGRAL_RETURN_IF_ERROR(NextError());
  return FakeDetectorRuntime::Embed(weights_path, images, progress);
}

absl::StatusOr<domain::DetectorRuntime::ReplayResult> SeenDetector::Replay(
    const ReplayRequest& request, const domain::Progress& progress) {
  replay = request;
  MGRAL_RETURN_IF_ERROR(NextError());
  return FakeDetectorRuntime::Replay(request, progress);
}

absl::Status SeenSelection::ExpectObjects(const std::vector<domain::ImageSignals>& labeled,
                                          const std::vector<std::vector<float>>& labeled_objects,
                                          std::vector<domain::ImageSignals>* candidates) {
  known.clear();
  if (labeled.empty()) return absl::OkStatus();
  for (const domain::ImageSignals& image : labeled) known.push_back(image.image_key);
  for (domain::ImageSignals& image : *candidates) {
    std::fill(image.expected_objects.begin(), image.expected_objects.end(), 0.0f);
    for (const std::vector<float>& objects : labeled_objects) {
      for (size_t c = 0; c < objects.size(); ++c) image.expected_objects.at(c) += objects[c];
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<domain::ProbePlan> SeenSelection::PlanProbes(const PlanRequest& request) {
  plan = request;
  return FakeSelectionRuntime::PlanProbes(request);
}

absl::StatusOr<domain::SelectionRuntime::TableResult> SeenSelection::FitTable(
    const TableRequest& request) {
  table = request;
  return FakeSelectionRuntime::FitTable(request);
}

absl::StatusOr<domain::SelectionRuntime::RankResult> SeenSelection::Rank(
    const RankRequest& request, const domain::Progress& progress) {
  ranked.push_back(request);
  return FakeSelectionRuntime::Rank(request, progress);
}

StageTest::StageTest() {
  ports_ = {&pools_, &cycles_, &jobs_, &artifacts_, &detector_, &selection_};
  cycle_.pool.classes = {"disc", "square"};
  cycle_.pool.detector.profile = "micro";
  cycle_.pool.selection.batch_size = 2;
  AnswerFromImages();
  RememberWhatStagesRecord();
}

void StageTest::AnswerFromImages() {
  // By key, from after `after`, at most `limit`.
  const auto page = [&](int64_t after, int limit, const auto& wanted) {
    std::map<int64_t, domain::Image> by_key;
    for (const auto& [id, image] : images_) {
      if (image.key > after && wanted(image)) by_key[image.key] = image;
    }
    std::vector<domain::Image> images;
    for (const auto& [key, image] : by_key) {
      if (static_cast<int>(images.size()) < limit) images.push_back(image);
    }
    return images;
  };
  ON_CALL(pools_, UnlabeledImages(_, _, _)).WillByDefault([=](int64_t, int64_t after, int limit) {
    return page(after, limit, [](const domain::Image& image) {
      return image.use == domain::ImageUse::kTraining &&
             image.state == domain::ImageState::kUnlabeled;
    });
  });
  ON_CALL(pools_, LabeledImages(_, _, _, _))
      .WillByDefault([=](int64_t, domain::ImageUse use, int64_t after, int limit) {
        domain::Box box;
        box.width = box.height = 10;
        std::vector<domain::PoolStore::LabeledImage> labeled;
        for (domain::Image& image : page(after, limit, [use](const domain::Image& each) {
               return each.use == use && each.state == domain::ImageState::kLabeled;
             })) {
          labeled.push_back({std::move(image), {box}});
        }
        return labeled;
      });
  ON_CALL(pools_, RejectImage(_, _, _))
      .WillByDefault([&](int64_t key, int64_t revision, const std::string& reason) {
        for (auto& [id, image] : images_) {
          if (image.key != key || image.label_revision != revision) continue;
          image.state = domain::ImageState::kRejected;
          image.reject_reason = reason;
        }
        return absl::OkStatus();
      });
}

void StageTest::RememberWhatStagesRecord() {
  ON_CALL(jobs_, Results(_, _)).WillByDefault([&](int64_t, JobKind kind) {
    return test::MockJobQueue::Strings(results_[kind]);
  });
  ON_CALL(cycles_, ContextOf(_)).WillByDefault([&](const auto&) { return cycle_; });
  ON_CALL(cycles_, FixInputs(_, _)).WillByDefault([&](const auto&, const std::string& inputs) {
    cycle_.inputs = inputs;
    cycle_.work_id = "work-id";
    return cycle_;
  });
  ON_CALL(cycles_, RecordModel(_, _)).WillByDefault([&](const auto&, const auto& model) {
    models_.push_back(model);
    return domain::Model();
  });
  ON_CALL(cycles_, LeaveOut(_, _)).WillByDefault([&](const auto&, const auto& images) {
    left_out_.insert(left_out_.end(), images.begin(), images.end());
    return absl::OkStatus();
  });
  ON_CALL(cycles_, KeepArtifacts(_, _)).WillByDefault([&](const auto&, const auto& sha256s) {
    kept_.insert(kept_.end(), sha256s.begin(), sha256s.end());
    return absl::OkStatus();
  });
  ON_CALL(cycles_, BatchesSincePublished(_)).WillByDefault([](int64_t) {
    return std::vector<domain::Batch>();
  });
  ON_CALL(cycles_, PublishedSnapshot(_)).WillByDefault([&](int64_t) { return published_; });
}

void StageTest::AddUnlabeled(const std::string& id) {
  domain::Image image;
  image.key = static_cast<int64_t>(images_.size()) + 1;
  image.image_id = id;
  image.source = {domain::ImageSource::Kind::kPath, id};
  image.width = 100;
  image.height = 50;
  images_[id] = image;
  loader_.sizes[id] = {100, 50};
}

void StageTest::AddLabeled(const std::string& id, domain::ImageUse use) {
  AddUnlabeled(id);
  images_[id].use = use;
  Label(id);
}

void StageTest::Label(const std::string& id) {
  images_.at(id).state = domain::ImageState::kLabeled;
  ++images_.at(id).label_revision;
}

void StageTest::AddSmallPool() {
  for (const char* id : {"u1", "u2", "u3"}) AddUnlabeled(id);
  AddLabeled("t1");
  AddLabeled("v1", domain::ImageUse::kValidation);
}

void StageTest::AddReplayedPool() {
  AddSmallPool();
  for (const char* id : {"t2", "t3", "t4", "t5", "t6", "t7", "t8"}) AddLabeled(id);
}

StageResult StageTest::Run(const NewJob& job) {
  job_.kind = job.kind;
  job_.shard = job.shard;
  job_.payload = job.payload;
  StageResult outcome = JobRunner(ports_).Run(job_, progress_);
  if (outcome.ok()) results_[job.kind].push_back(outcome->result);
  return outcome;
}

std::vector<NewJob> StageTest::RunBefore(JobKind stage) {
  std::vector<NewJob> jobs = {{JobKind::kTrain, 0, ""}};
  while (!jobs.empty() && jobs.front().kind != stage) {
    std::vector<NewJob> next;
    for (const NewJob& job : jobs) {
      const StageResult outcome = Run(job);
      EXPECT_TRUE(outcome.ok()) << domain::JobKindName(job.kind) << ": " << outcome.status();
      if (!outcome.ok()) return {};
      next = outcome->next;
    }
    jobs = next;
  }
  return jobs;
}

void StageTest::RunCycleToEnd() {
  RunBefore(JobKind::kPublish);
  const StageResult outcome = Run(JobKind::kPublish);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  domain::CycleStore::Published published;
  published.cycle_key = 1;
  published.model.version = published_ ? published_->model.version + 1 : 1;
  published.model.weights_sha256 = models_.back().weights_sha256;
  published.model.validation = models_.back().validation;
  published.selector_sha256 = outcome->snapshot->selector_sha256;
  published.manifest_sha256 = outcome->snapshot->manifest_sha256;
  published_ = published;
  BeginAnotherCycle();
}

void StageTest::BeginAnotherCycle() {
  results_.clear();
  cycle_.inputs.clear();
  cycle_.work_id.clear();
}

void StageTest::Damage(const std::string& sha256) {
  const auto path = artifacts_.PathOf(sha256);
  ASSERT_TRUE(path.ok()) << path.status();
  std::filesystem::permissions(*path, std::filesystem::perms::owner_all);
  std::ofstream(*path) << "damaged";
}

std::vector<std::string> StageTest::LeftOut() const {
  std::vector<std::string> ids;
  for (const domain::LeftOutImage& image : left_out_) ids.push_back(image.image_id);
  return ids;
}

}  // namespace mgral::cycle
