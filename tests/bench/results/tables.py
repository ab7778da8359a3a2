"""Markdown tables of the experiments' results."""

from __future__ import annotations

import json
import pathlib
import subprocess
import tempfile
from typing import Any, Dict, List, Optional

from experiments import ALL_LABELS, HERE, Row, load

_MINUS = "−"
Comparisons = List[Dict[str, Any]]


def results_document(rows: List[Row]) -> Dict[str, Any]:
    """One experiment's rows as a results.json, without what the file does not hold."""
    runs: Dict[Any, Dict[str, Any]] = {}
    for row in rows:
        if row["strategy"] == ALL_LABELS:
            continue
        run = runs.setdefault((row["strategy"], row["seed"]), {
            "strategy": row["strategy"], "seed": int(row["seed"]), "complete": True, "points": []})
        run["points"].append({"labels": int(row["labels"]), "boxes": _number(row["boxes"]),
                              "cost": _number(row["cost"]), "map50": _number(row["test_map50"]),
                              "map": _number(row["test_map"]), "seconds": _number(row["seconds"])})
    return {"dataset": rows[0]["dataset"], "classes": [], "runs": list(runs.values()),
            "protocol": protocol_of(rows[0]["experiment"])}


def protocol_of(experiment: str) -> Dict[str, Any]:
    """The strategies as the experiment lists them, and what labels mean; of one that is not in this
    folder nothing is known."""
    if not (HERE / f"{experiment.partition('/')[0]}.json").exists():
        return {}
    (found,) = load(experiment)
    return {"strategies": found.labels(), "variants": found.variants()}


def statistics(rows: List[Row], mgral: str) -> Dict[str, Any]:
    """What `mgral report --json` computes of them."""
    with tempfile.TemporaryDirectory(prefix="mgral-results-") as folder:
        file = pathlib.Path(folder) / "results.json"
        file.write_text(json.dumps(results_document(rows)))
        done = subprocess.run([mgral, "--json", "report", "--results", str(file)], check=True,
                              capture_output=True, text=True)
    found: Dict[str, Any] = json.loads(done.stdout)
    return found


def section(rows: List[Row], mgral: str) -> str:
    names = sorted({row["experiment"] for row in rows})
    if not names:
        return "No experiment has been run yet.\n"
    parts = []
    for name in names:
        of_it = [row for row in rows if row["experiment"] == name]
        parts.append(experiment_part(of_it, statistics(of_it, mgral)))
    return "\n".join(parts)


def experiment_part(rows: List[Row], found: Dict[str, Any]) -> str:
    first = rows[0]
    labels = sorted({int(row["labels"]) for row in rows if row["strategy"] != ALL_LABELS})
    lines = [f"### {first['experiment']}: {labels[0]} to {labels[-1]} labels in batches of "
             f"{first['batch']}", "", finding(found), "", *strategy_table(rows, found), ""]
    lines += win_table(found)
    lines += [headroom(rows, found), ""]
    return "\n".join(lines)


def finding(found: Dict[str, Any]) -> str:
    """What the primary endpoint carries, the losses first."""
    primary = [each for each in found["against_random"] if each["axis"] == "cost"]
    if not primary:
        return "No strategy was compared with `random`."
    if all(each["p"] is None for each in primary):
        return "**One seed shows nothing**: no differences are tested."
    said = []
    for words, chosen in (
            ("worse than `random`", [each for each in primary if _is(each, -1)]),
            ("better", [each for each in primary if _is(each, +1)]),
            ("a tie with it", [each for each in primary if each["tie"] and not each["significant"]]),
            ("not settled", [each for each in primary
                             if not each["tie"] and not each["significant"]])):
        if chosen:
            names = ", ".join(f"`{each['strategy']}`" for each in chosen)
            said.append(f"{words}: {names}")
    text = "; ".join(said)
    return f"Area over cost, after Holm's correction: {text}."


def _is(comparison: Dict[str, Any], sign: int) -> bool:
    return bool(comparison["significant"]) and comparison["mean"] * sign > 0


def strategy_table(rows: List[Row], found: Dict[str, Any]) -> List[str]:
    lines = ["| strategy | seeds | over cost | p | than `random` | over images | p | than `random` "
             "| over cost − best baseline | p | final mAP@.5 | boxes | s a cycle |",
             "|" + "---|" * 13]
    for summary in found["summary"]:
        strategy = summary["strategy"]
        cost = _find(found["against_random"], "cost", strategy)
        images = _find(found["against_random"], "images", strategy)
        best = _find(found["against_best_baseline"], "cost", strategy)
        cells = [f"`{strategy}`", str(summary["seeds"]),
                 difference(cost), p_value(cost), verdict(cost),
                 difference(images), p_value(images), verdict(images),
                 difference(best) + (f", `{best['baseline']}`" if best else ""), p_value(best),
                 _fixed(summary["final_map50"], 3), _fixed(summary["final_boxes"], 0),
                 _fixed(seconds_per_cycle(rows, strategy), 0)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def win_table(found: Dict[str, Any]) -> List[str]:
    if all(each["p"] is None for each in found["against_random"]):
        return []  # one seed: nobody beats anybody
    for matrix in found["win_matrices"]:
        if matrix["axis"] != "cost" or len(matrix["strategies"]) < 3:
            continue
        names = [f"`{name}`" for name in matrix["strategies"]]
        lines = ["Seeds in which the row's area over cost is larger than the column's (bold: "
                 "significantly, Holm over all pairs):", "",
                 "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for name, wins, marks in zip(names, matrix["wins"], matrix["significant"]):
            cells = ["" if share is None else
                     f"**{100 * share:.0f} %**" if mark else f"{100 * share:.0f} %"
                     for share, mark in zip(wins, marks)]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return lines + [""]
    return []


def headroom(rows: List[Row], found: Dict[str, Any]) -> str:
    """What is left to win: random at the end against a detector of all labels."""
    everything = [row for row in rows if row["strategy"] == ALL_LABELS]
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    measured = f"Profile `{rows[0]['profile']}`, commit {commits}."
    if not everything:
        return measured
    mean = sum(float(row["test_map50"]) for row in everything) / len(everything)
    seeds = "one seed" if len(everything) == 1 else f"{len(everything)} seeds"
    text = f"All {everything[0]['labels']} labels of the pool: {mean:.3f} ({seeds}"
    for summary in found["summary"]:
        if summary["strategy"] == "random" and summary["final_map50"] is not None:
            left = 100 * (mean - summary["final_map50"])
            text += f"), {points(left / 100)} points above `random`'s last value"
            return f"Headroom: {text}. {measured}"
    return f"Headroom: {text}). {measured}"


def seconds_per_cycle(rows: List[Row], strategy: str) -> Optional[float]:
    values = [float(row["seconds"]) for row in rows
              if row["strategy"] == strategy and row["seconds"]]
    return sum(values) / len(values) if values else None


def _find(comparisons: Comparisons, axis: str, strategy: str) -> Optional[Dict[str, Any]]:
    for each in comparisons:
        if each["axis"] == axis and each["strategy"] == strategy:
            return each
    return None


def points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", _MINUS)


def interval(comparison: Dict[str, Any], key: str) -> str:
    low, high = comparison[key]
    return f"{points(low)} to {points(high)}"


def difference(comparison: Optional[Dict[str, Any]]) -> str:
    if comparison is None or comparison["mean"] is None:
        return "–"
    text = points(comparison["mean"])
    if comparison["t95"] is None:
        return text
    return f"{text} ({interval(comparison, 't95')}) [{interval(comparison, 'bootstrap95')}]"


def p_value(comparison: Optional[Dict[str, Any]]) -> str:
    if comparison is None or comparison["p_holm"] is None:
        return "–"
    return "< 0.001" if comparison["p_holm"] < 0.001 else f"{comparison['p_holm']:.3f}"


def verdict(comparison: Optional[Dict[str, Any]]) -> str:
    if comparison is None:
        return ""
    if comparison["p"] is None:
        return "one seed shows nothing"
    if comparison["significant"]:
        word = "better" if comparison["mean"] > 0 else "worse"
        return word + (", by less than a point" if comparison["tie"] else "")
    return "a tie" if comparison["tie"] else "not settled"


def _fixed(value: Optional[float], digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _number(text: str) -> Optional[float]:
    return float(text) if text else None
