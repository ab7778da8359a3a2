#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace mgral::client {

// Columns under headings, for people.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headings) { rows_.push_back(std::move(headings)); }
  // As many cells as there are headings.
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Columns whose cells are all numbers are flush right.
  void Print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace mgral::client
