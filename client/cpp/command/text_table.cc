#include "client/cpp/command/text_table.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace mgral::client {
namespace {

// Code points, which for our words are columns.
size_t Width(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

bool IsNumeric(const std::vector<std::vector<std::string>>& rows, size_t column) {
  double ignored = 0;
  return rows.size() > 1 && std::all_of(rows.begin() + 1, rows.end(), [&](const auto& row) {
           return row[column] == "-" || absl::SimpleAtod(row[column], &ignored);
         });
}

}  // namespace

void TextTable::Print(std::ostream& out) const {
  const size_t columns = rows_[0].size();
  std::vector<size_t> widths(columns, 0);
  std::vector<bool> numeric(columns);
  for (size_t c = 0; c < columns; ++c) {
    numeric[c] = IsNumeric(rows_, c);
    for (const auto& row : rows_) widths[c] = std::max(widths[c], Width(row[c]));
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t c = 0; c < columns; ++c) {
      const std::string padding(widths[c] - Width(row[c]), ' ');
      if (c > 0) line += "  ";
      line += numeric[c] ? padding + row[c] : row[c] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  }
}

}  // namespace mgral::client
