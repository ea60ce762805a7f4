"""The pictures of the benchmarks."""

from pathlib import Path

from .results import Results


def work_precision_picture(results: Results, path: Path, quantity: str, target: float | None = None) -> None:
    """Time against achieved error, one panel a case, one line a contender (peers dashed); both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cases = list(dict.fromkeys(row["case"] for row in results.rows))
    names = list(dict.fromkeys(row["contender"] for row in results.rows))
    colours = plt.get_cmap("tab20")
    figure, panels = plt.subplots(1, len(cases), figsize=(6.5 * len(cases), 5), squeeze=False, layout="constrained")
    for panel, case in zip(panels[0], cases, strict=True):
        for i, name in enumerate(names):
            errors, seconds = results.curve(case, name)
            if len(errors):
                style = "o-" if name.startswith("ours") else "s--"
                label = name.removeprefix("ours_").replace("_", " ")
                panel.loglog(errors, 1e3 * seconds, style, color=colours(i % 20), markersize=3.5, label=label)
        if target is not None:
            panel.axvline(target, color="0.6", linewidth=0.8)
        panel.invert_xaxis()
        panel.set(title=case.replace("_", " "), xlabel=quantity, ylabel="time of one solve in ms")
        panel.grid(True, which="major", alpha=0.3)
    panels[0][-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=150)
    plt.close(figure)
