#include "server/core/weights/match_state.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <utility>

#include "server/core/weights/tensor_names.h"

namespace mgral::core {
namespace {

std::string ShapeText(const at::Tensor& tensor) {
  std::string text;
  for (const int64_t size : tensor.sizes()) {
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return "[" + text + "]";
}

bool SameButRows(const at::Tensor& a, const at::Tensor& b) {
  return a.dim() > 0 && a.dim() == b.dim() && a.sizes().slice(1) == b.sizes().slice(1);
}

// As a tensor of the network, which keeps its type.
at::Tensor Converted(const std::string& name, const at::Tensor& values, const at::Tensor& own) {
  if (IsBatchCounter(name)) return values.to(own.scalar_type());
  if (!values.is_floating_point()) {
    throw std::invalid_argument("tensor " + Quoted(name) + " has elements of type " +
                                c10::toString(values.scalar_type()) +
                                "; floating-point numbers are needed");
  }
  at::Tensor converted = values.to(own.scalar_type()).contiguous();
  CheckFinite(name, converted);  // a large number may not fit the type
  if (EndsWith(name, "running_var") && converted.lt(0).any().item<bool>()) {
    throw std::invalid_argument("tensor " + Quoted(name) + " holds a negative variance");
  }
  return converted;
}

// Finds the parts of the network that the file has, chooses the rows of classes, and takes tensor
// by tensor.
class Matcher {
 public:
  Matcher(const NamedTensors& network, const NamedTensors& file, const MatchOptions& options)
      : network_(network),
        file_(file),
        options_(options),
        trunk_(TrunkPrefix(network)),
        names_(NamesInNetwork(network, file)) {
    for (const auto& [name, tensor] : network) parts_[PartOf(name, trunk_)].push_back(name);
  }

  StateMatch Match() {
    FindFittingParts();
    classes_ = ChooseClasses(options_.class_rows, options_.num_classes, options_.class_sources,
                             FileClassTensors());
    match_.file_classes = classes_.file_classes;
    match_.classes_taken = classes_.complete();
    for (const auto& [name, own] : network_) Take(name, own);
    if (TrunkIsGiven()) CheckGivenTrunk();
    for (const auto& [name, tensor] : file_) {
      if (used_.count(name) == 0) match_.unused.push_back(name);
    }
    return std::move(match_);
  }

 private:
  // Null if the file has no such tensor.
  const at::Tensor* Find(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &file_.at(found->second);
  }

  bool Has(const std::string& part) const {
    const auto first = names_.lower_bound(part);
    return first != names_.end() && StartsWith(first->first, part);
  }

  bool TrunkIsGiven() const { return !options_.fixed_trunk.empty(); }

  void FindFittingParts() {
    for (const auto& [part, names] : parts_) {
      if (part == trunk_ && TrunkIsGiven() && !Has(part)) continue;
      const std::string problem = Problem(part, names);
      if (problem.empty()) {
        fitting_.insert(part);
      } else if (part == trunk_) {
        Refuse(problem + WhichTrunk());
      }
    }
  }

  // What keeps the file's part from being the network's; empty if nothing does.
  std::string Problem(const std::string& part, const std::vector<std::string>& names) const {
    std::string missing;
    for (const std::string& name : names) {
      const at::Tensor &own = network_.at(name), *given = Find(name);
      if (IsBatchCounter(name)) continue;
      if (given == nullptr) {
        if (missing.empty()) {
          missing = "tensor " + Quoted(name) + " is " + ShapeText(own) +
                    " in the network and not in the file";
        }
      } else if (!Fits(name, own, *given)) {
        return "tensor " + Quoted(name) + " is " + ShapeText(*given) + " in the file and " +
               ShapeText(own) + " in the network";
      }
    }
    return missing.empty() ? Surplus(part, names) : missing;
  }

  bool Fits(const std::string& name, const at::Tensor& own, const at::Tensor& given) const {
    const bool of_classes = options_.class_rows.count(name) > 0;
    return of_classes ? SameButRows(own, given) : own.sizes() == given.sizes();
  }

  // A deeper network has more layers of the same shapes. What a classifier has behind the trunk
  // does not count.
  std::string Surplus(const std::string& part, const std::vector<std::string>& names) const {
    std::set<std::string> modules;
    const auto module = [&](const std::string& name) {
      return name.substr(part.size(), name.find('.', part.size()) - part.size());
    };
    for (const std::string& name : names) modules.insert(module(name));
    for (auto it = names_.lower_bound(part); it != names_.end() && StartsWith(it->first, part);
         ++it) {
      const std::string& name = it->first;
      if (network_.count(name) > 0 || IsBatchCounter(name)) continue;
      if (part == trunk_ && modules.count(module(name)) == 0) continue;
      return "tensor " + Quoted(name) + " is " + ShapeText(file_.at(it->second)) +
             " in the file and not in the network";
    }
    return "";
  }

  // By the network's names. None where a part does not fit: with another number of anchors, the
  // rows would be those of other classes.
  NamedTensors FileClassTensors() const {
    for (const auto& [part, names] : parts_) {
      if (part != trunk_ && fitting_.count(part) == 0) return {};
    }
    NamedTensors tensors;
    for (const auto& [name, rows] : options_.class_rows) {
      if (const at::Tensor* given = Find(name)) tensors[name] = *given;
    }
    return tensors;
  }

  bool IsTaken(const std::string& name, const at::Tensor& own) const {
    const at::Tensor* given = Find(name);
    if (given == nullptr || fitting_.count(PartOf(name, trunk_)) == 0) return false;
    if (IsBatchCounter(name)) return own.sizes() == given->sizes();
    return options_.class_rows.count(name) == 0 || !classes_.sources.empty();
  }

  void Take(const std::string& name, const at::Tensor& own) {
    if (!IsTaken(name, own)) {
      // A trunk that is given is there, though it is not in the file.
      const bool given = TrunkIsGiven() && StartsWith(name, trunk_);
      if (!given && !IsBatchCounter(name)) match_.left.push_back(name);
      match_.state[name] = own;
      return;
    }
    const auto rows = options_.class_rows.find(name);
    const bool of_classes = rows != options_.class_rows.end();
    const at::Tensor values = Converted(name, *Find(name), own);
    match_.state[name] =
        of_classes ? WithRowsOf(values, own, name, rows->second, classes_) : values;
    used_.insert(names_.at(name));
    if (of_classes && !match_.classes_taken) {
      match_.left.push_back(name);
    } else {
      ++match_.taken;
    }
  }

  void CheckGivenTrunk() const {
    for (const std::string& name : options_.fixed_trunk) {
      if (IsBatchCounter(name) || at::equal(match_.state.at(name), network_.at(name))) continue;
      throw std::invalid_argument("tensor " + Quoted(name) + " differs from the trunk's" +
                                  WhichTrunk());
    }
    std::string problem;
    for (const auto& [part, names] : parts_) {
      if (part == trunk_) continue;
      if (fitting_.count(part) > 0) return;
      if (problem.empty()) problem = ": " + Problem(part, names);
    }
    Refuse("nothing but the trunk fits" + problem);
  }

  std::string WhichTrunk() const {
    return TrunkIsGiven() ? ": features of another trunk" : ": another architecture";
  }

  // Throws `problem`, or, where the file is of something else altogether, that.
  [[noreturn]] void Refuse(const std::string& problem) const {
    for (const auto& [name, in_file] : names_) {
      if (network_.count(name) > 0) throw std::invalid_argument(problem);
    }
    const auto own = std::find_if(network_.begin(), network_.end(),
                                  [](const auto& tensor) { return !IsBatchCounter(tensor.first); });
    throw std::invalid_argument("no tensor of the file has a name of the network's, such as " +
                                Quoted(own->first) + "; its first is " +
                                Quoted(file_.empty() ? "" : file_.begin()->first));
  }

  const NamedTensors& network_;
  const NamedTensors& file_;
  const MatchOptions& options_;
  const std::string trunk_;
  const std::map<std::string, std::string> names_;         // the file's by the network's
  std::map<std::string, std::vector<std::string>> parts_;  // of the network
  std::set<std::string> fitting_;                          // parts
  ClassChoice classes_;
  std::set<std::string> used_;  // names of the file
  StateMatch match_;
};

}  // namespace

StateMatch MatchState(const NamedTensors& network, const NamedTensors& file,
                      const MatchOptions& options) {
  return Matcher(network, file, options).Match();
}

}  // namespace mgral::core
