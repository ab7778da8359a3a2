#include "client/cpp/report/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {

std::string Cell(const std::string& text) {
  return absl::StrCat("<td class='num'>", Escape(text), "</td>");
}

std::string StrategyCell(const Results& results, const std::string& strategy) {
  const std::vector<std::string> names = StrategyNames(results);
  const auto at = std::find(names.begin(), names.end(), strategy) - names.begin();
  return absl::StrFormat("<th scope='row' style='--c:%s'><i class='key'></i>%s</th>",
                         StrategyColor(strategy, static_cast<size_t>(at)), Escape(strategy));
}

std::string Table(const std::vector<std::string>& head, const std::string& rows) {
  std::string html = "<div class='scroll'><table><thead><tr>";
  for (size_t i = 0; i < head.size(); ++i) {
    absl::StrAppend(&html, i == 0 ? "<th>" : "<th class='num'>", Escape(head[i]), "</th>");
  }
  return absl::StrCat(html, "</tr></thead><tbody>", rows, "</tbody></table></div>");
}

}  // namespace mgral::client
