"""The pictures of the benchmarks."""

from pathlib import Path

from .results import Results

TITLES = {"lotka_volterra": "Lotka–Volterra", "pleiades": "Pleiades", "outer_solar_system": "Outer solar system"}


def work_precision_picture(
    results: Results, path: Path, quantity: str, target: float | dict[str, float] | None = None
) -> None:
    """Time against achieved error, one panel a case, one line a contender (peers dashed); both axes logarithmic.

    `target`: an error that a vertical line marks, the same in all panels or that of each case.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cases = list(dict.fromkeys(row["case"] for row in results.rows))
    names = list(dict.fromkeys(row["contender"] for row in results.rows))
    own = [name for name in names if name.startswith("ours")]
    looks = {name: _own_look(plt, i, len(own)) for i, name in enumerate(own)}
    looks |= {name: _peer_look(i) for i, name in enumerate(n for n in names if n not in own)}
    figure, panels = plt.subplots(1, len(cases), figsize=(6.5 * len(cases), 5), squeeze=False, layout="constrained")
    for panel, case in zip(panels[0], cases, strict=True):
        for name in names:
            errors, seconds = results.curve(case, name)
            if len(errors):
                label = name.removeprefix("ours_").replace("_", " ")
                panel.loglog(errors, 1e3 * seconds, label=label, markersize=4, linewidth=1.2, **looks[name])
        mark = target.get(case) if isinstance(target, dict) else target
        if mark is not None:
            panel.axvline(mark, color="0.6", linewidth=0.8)
        panel.invert_xaxis()
        panel.set(title=TITLES.get(case, case), xlabel=quantity, ylabel="time of one solve in ms")
        panel.grid(True, which="major", alpha=0.3)
    # one legend for all panels, whose contenders may differ; labels of other lines start with an underscore
    lines = {line.get_label(): line for panel in panels[0] for line in panel.get_lines()}
    shown = [line for label, line in lines.items() if not label.startswith("_")]
    panels[0][-1].legend(handles=shown, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _own_look(plt, i: int, n: int) -> dict:
    """Colours along a scale, markers in turn: neighbours differ in both."""
    return {"color": plt.get_cmap("turbo")(0.05 + 0.9 * i / max(n - 1, 1)), "marker": "osD^vP*X"[i % 8]}


def _peer_look(i: int) -> dict:
    style = ("--", ":", "-.")[i % 3]
    return {
        "color": ("black", "0.45", "0.65", "tab:brown", "tab:pink")[i % 5],
        "marker": "x+123"[i % 5],
        "linestyle": style,
    }
