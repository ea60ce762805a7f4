"""The short table of the main job, from what is in `fit.json`."""

from typing import Any

from ..models.lotka_volterra import RATES
from .job import MECHANISTIC, UNIVERSAL


def table(document: dict[str, Any]) -> str:
    """What was fitted, and how well it forecasts."""
    return "\n".join([_head(document), "", *_parameters(document), "", *_errors(document), "", *_notes(document)])


def _head(document: dict[str, Any]) -> str:
    data = document["data"]
    span = f"{data['time']} {data['t'][0]:g} to {data['t'][-1]:g}"
    held = f"the last {data['held_out']} held out for the forecast" if data["held_out"] else "none held out"
    return f"{data['source']}: {', '.join(data['states'])}, {span}, {data['rows']} rows, {held}"


def _parameters(document: dict[str, Any]) -> list[str]:
    found, names = document["lotka_volterra"], document["data"]["states"]
    if "growth" in found["parameters"]:
        lines = [f"{MECHANISTIC}, generalised: growth, and interaction with each (training rows)"]
        for name, r, row in zip(names, *found["parameters"].values(), strict=True):
            lines.append(f"  {name[:16]:16}{r:11.3g}  | " + "".join(f"{x:11.3g}" for x in row))
        return lines
    u, v = names
    lines = [f"{MECHANISTIC}: {u}' = a u - b u v, {v}' = -c v + d u v", " " * 22 + "".join(f"{r:>22}" for r in RATES)]
    for title, fitted in (("training", found), ("all", found["all_rows"])):
        if fitted is not None:
            pairs = [(fitted["parameters"][r], fitted["standard_errors"][r]) for r in RATES]
            cells = [f"{value:.3g} ± {'?' if error is None else f'{error:.2g}'}" for value, error in pairs]
            label = f"{title}, {fitted['rows']} rows"
            lines.append(f"  {label:20}" + "".join(f"{cell:>22}" for cell in cells))
    if found["published_means"] is not None:
        lines.append(f"  {'published means':20}" + "".join(f"{found['published_means'][r]:>22}" for r in RATES))
    return lines


def _errors(document: dict[str, Any]) -> list[str]:
    held_out = document["data"]["held_out"]
    lines = [f"{'rms error of log populations':34}{'training':>10}" + (f"{'forecast':>10}" if held_out else "")]
    for name, found in document["errors"].items():
        title = name if name in (MECHANISTIC, UNIVERSAL) else f"naive: {name}"
        if name == "last cycle":
            title += f", of length {document['cycle_length']:.3g}"
        cells = [found["training"], *([found["forecast"]] if held_out else [])]
        lines.append(f"  {title:32}" + "".join(f"{'' if x is None else f'{x:.3f}':>10}" for x in cells))
    return lines


def _notes(document: dict[str, Any]) -> list[str]:
    starts, universal = document["starts"], document["universal"]
    lines = [f"{starts['within_5_percent']} of {starts['count']} starts ended within 5% of the best."]
    rows = universal["validation_rms_error"]
    if rows and len(universal["priors"]) > 1:
        mean = [sum(column) / len(column) for column in zip(*rows, strict=True)]
        chosen = universal["priors"].index(universal["prior"])
        inside = "forecasts inside the training rows"
        before, after = f"{mean[0]:.3f}", f"{mean[chosen]:.3f}"
        if chosen == 0:
            lines.append(f"{UNIVERSAL}: {inside} are no better with a freer network, so it stays near zero.")
        else:
            same = f"have the error {after} with or without it"
            gain = same if before == after else f"improve from {before} to {after} with it"
            lines.append(f"{UNIVERSAL}: weights of size {universal['prior']:g}; {inside} {gain}.")
    names = document["data"]["states"]
    # a perfect fit to what hardly changes is not a poor one
    if len(names) == 2 and starts["rms_error"][0] > max(0.5 * starts["spread_of_data"], 0.05):
        lines.append(f"The fit is poor. Is {names[0]!r} the prey? If {names[1]!r} is: --states {names[1]},{names[0]}")
    return lines
