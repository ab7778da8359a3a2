// fidelity.html, one file that needs nothing else, and the same figures in a terminal.
#pragma once

#include <ostream>
#include <string>

#include "client/cpp/fidelity/fidelity_results.h"
#include "client/cpp/fidelity/fidelity_summary.h"

namespace mgral::client {

std::string RenderFidelity(const FidelityResults& results, const FidelitySummary& summary);

void PrintFidelity(const FidelityResults& results, const FidelitySummary& summary,
                   std::ostream& out);

struct Finding {
  std::string finding;  // a sentence without its period
  std::string support;
};
Finding FindingOf(const FidelityResults& results, const FidelitySummary& summary);

// "0.62 (0.41 … 0.77)"; "not measurable".
std::string FigureText(const Figure& figure, int digits = 2);
// "1.23 points" of AP; "not measurable".
std::string InPoints(const Number& value);
// "93 %"; "not measurable".
std::string InPercent(const Number& share);

// Inline SVG with its legend: estimated gains with their 95 % intervals against real ones. Empty
// where nothing was measured.
std::string FidelityChart(const FidelityResults& results);

}  // namespace mgral::client
