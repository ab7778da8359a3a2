#include "server/core/weights/match_state.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <string_view>
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
    for (const auto& [part, names] : parts_) {
      if (part == trunk_ && Fixed() && !Has(part)) continue;
      const std::string problem = Problem(part, names);
      if (problem.empty()) {
        fitting_.insert(part);
      } else if (part == trunk_) {
        throw std::invalid_argument(Known() == 0 ? NothingKnown() : problem + WhichTrunk());
      }
    }
    ChooseClasses();
    for (const auto& [name, own] : network_) Take(name, own);
    if (Fixed()) CheckFixedTrunk();
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

  bool Fixed() const { return !options_.fixed_trunk.empty(); }

  int64_t Known() const {
    return std::count_if(names_.begin(), names_.end(),
                         [&](const auto& name) { return network_.count(name.first) > 0; });
  }

  std::string NothingKnown() const {
    const auto own = std::find_if(network_.begin(), network_.end(),
                                  [](const auto& tensor) { return !IsBatchCounter(tensor.first); });
    return "no tensor of the file has a name of the network's, such as " + Quoted(own->first) +
           "; its first is " + Quoted(file_.empty() ? "" : file_.begin()->first);
  }

  std::string WhichTrunk() const {
    return Fixed() ? ": features of another trunk" : ": another architecture";
  }

  bool Fits(const std::string& name, const at::Tensor& own, const at::Tensor& given) const {
    const bool of_classes = options_.class_rows.count(name) > 0;
    return of_classes ? SameButRows(own, given) : own.sizes() == given.sizes();
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

  // How many classes the file's class tensors are for; 0 if they do not agree, or are not there.
  int64_t FileClasses() const {
    int64_t classes = 0;
    for (const auto& [name, rows] : options_.class_rows) {
      if (fitting_.count(PartOf(name, trunk_)) == 0) return 0;
      const int64_t all = Find(name)->size(0);
      const int64_t here = all / rows.per_class - rows.background;
      if (all % rows.per_class != 0 || here < 1 || (classes != 0 && here != classes)) return 0;
      classes = here;
    }
    return classes;
  }

  void ChooseClasses() {
    // With another number of anchors, the rows would be those of other classes.
    const bool whole = std::all_of(parts_.begin(), parts_.end(), [&](const auto& part) {
      return part.first == trunk_ || fitting_.count(part.first) > 0;
    });
    match_.file_classes = whole ? FileClasses() : 0;
    sources_ = options_.class_sources;
    if (sources_.empty()) {
      if (match_.file_classes != options_.num_classes) return;
      const int64_t first = options_.class_rows.begin()->second.background;
      for (int64_t c = 0; c < options_.num_classes; ++c) sources_.push_back(c + first);
    }
    if (match_.file_classes == 0) {
      throw ClassMismatch("the file has no class head that fits the network's");
    }
    match_.classes_taken = true;
    for (const int64_t source : sources_) {
      if (source < 0) match_.classes_taken = false;
      for (const auto& [name, rows] : options_.class_rows) {
        const int64_t end = match_.file_classes + rows.background;
        if (source < 0 || (source >= rows.background && source < end)) continue;
        throw ClassMismatch("the file's labels are " + std::to_string(rows.background) + " to " +
                            std::to_string(end - 1) + ", not " + std::to_string(source));
      }
    }
  }

  void Take(const std::string& name, const at::Tensor& own) {
    const at::Tensor* given = Find(name);
    const auto rows = options_.class_rows.find(name);
    if (given == nullptr || fitting_.count(PartOf(name, trunk_)) == 0) {
      if (!IsBatchCounter(name)) match_.left.push_back(name);
      match_.state[name] = own;
      return;
    }
    if (IsBatchCounter(name) && own.sizes() != given->sizes()) {
      match_.state[name] = own;
      return;
    }
    const bool of_classes = rows != options_.class_rows.end();
    if (of_classes && sources_.empty()) {
      match_.left.push_back(name);
      match_.state[name] = own;
      return;
    }
    const at::Tensor values = Converted(name, *given, own);
    match_.state[name] = of_classes ? WithRows(name, rows->second, own, values) : values;
    used_.insert(names_.at(name));
    if (of_classes && !match_.classes_taken) {
      match_.left.push_back(name);
    } else {
      ++match_.taken;
    }
  }

  // The network's tensor with the rows of the file's that `sources_` names. Faster R-CNN's boxes
  // have the rows of a class side by side; elsewhere, those of an anchor are.
  at::Tensor WithRows(const std::string& name, const ClassRows& rows, const at::Tensor& own,
                      const at::Tensor& values) const {
    const bool by_class = name.find("bbox_pred") != std::string::npos;
    const auto row = [&](int64_t group, int64_t label, int64_t classes) {
      return by_class ? label * rows.per_class + group
                      : group * (classes + rows.background) + label;
    };
    at::Tensor mixed = own.clone();
    for (int64_t group = 0; group < rows.per_class; ++group) {
      for (int64_t label = 0; label < rows.background; ++label) {
        mixed[row(group, label, options_.num_classes)].copy_(
            values[row(group, label, match_.file_classes)]);
      }
      for (int64_t c = 0; c < options_.num_classes; ++c) {
        if (sources_[c] < 0) continue;
        mixed[row(group, c + rows.background, options_.num_classes)].copy_(
            values[row(group, sources_[c], match_.file_classes)]);
      }
    }
    return mixed;
  }

  void CheckFixedTrunk() {
    for (const std::string& name : options_.fixed_trunk) {
      if (IsBatchCounter(name) || at::equal(match_.state.at(name), network_.at(name))) continue;
      throw std::invalid_argument("tensor " + Quoted(name) + " differs from the trunk's" +
                                  WhichTrunk());
    }
    auto& left = match_.left;  // a trunk that the file lacks is there all the same
    left.erase(std::remove_if(left.begin(), left.end(),
                              [&](const std::string& name) { return StartsWith(name, trunk_); }),
               left.end());
    const bool more = std::any_of(fitting_.begin(), fitting_.end(),
                                  [&](const std::string& part) { return part != trunk_; });
    if (!more) throw std::invalid_argument(Known() == 0 ? NothingKnown() : OnlyTrunk());
  }

  std::string OnlyTrunk() const {
    for (const auto& [part, names] : parts_) {
      if (part != trunk_) return "nothing but the trunk fits: " + Problem(part, names);
    }
    return "nothing but the trunk fits";
  }

  const NamedTensors& network_;
  const NamedTensors& file_;
  const MatchOptions& options_;
  const std::string trunk_;
  const std::map<std::string, std::string> names_;         // the file's by the network's
  std::map<std::string, std::vector<std::string>> parts_;  // of the network
  std::set<std::string> fitting_;                          // parts
  std::vector<int64_t> sources_;  // label of each class; empty: the file's rows are not taken
  std::set<std::string> used_;    // names of the file
  StateMatch match_;
};

}  // namespace

std::map<std::string, ClassRows> FindClassRows(const NamedTensors& network, int64_t num_classes,
                                               const NamedTensors& one_class_more) {
  std::map<std::string, ClassRows> found;
  for (const auto& [name, tensor] : network) {
    const at::Tensor& other = one_class_more.at(name);
    if (tensor.sizes() == other.sizes()) continue;
    const int64_t per_class = other.size(0) - tensor.size(0);
    found[name] = {per_class, tensor.size(0) / per_class - num_classes};
  }
  return found;
}

StateMatch MatchState(const NamedTensors& network, const NamedTensors& file,
                      const MatchOptions& options) {
  return Matcher(network, file, options).Match();
}

}  // namespace mgral::core
