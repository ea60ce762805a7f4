"""`sciml-jax fit`: one run on data with known parameters, and every way in which it can be asked for the impossible."""

import dataclasses
import json
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

import sciml_jax
from sciml_jax import train
from sciml_jax.cli import fit, job, main
from sciml_jax.cli.bar import JobBar
from sciml_jax.cli.picture import title_of
from sciml_jax.cli.table import table
from sciml_jax.models import LotkaVolterra, UniversalLotkaVolterra
from sciml_jax.train import Outcome

pytestmark = pytest.mark.xdist_group("sciml-jax fit")  # one run serves them all

RATES = {"a": 0.6, "b": 0.03, "c": 0.7, "d": 0.02}
NOISE = 0.05
GOOD = "year,hare,lynx\n" + "".join(f"{1900 + k},{30 + k},{4 + k}\n" for k in range(12))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """21 rows of Lotka–Volterra with 5% of noise, beside a column that is not asked for."""
    truth = LotkaVolterra(list(RATES.values()), [20.0, 8.0], t0=2.0)
    t = 2.0 + np.arange(21.0)
    y = np.asarray(truth.predict(t)) * np.exp(NOISE * np.random.default_rng(0).normal(size=(21, 2)))
    path = tmp_path_factory.mktemp("data") / "wolves.csv"
    rows = [f"{v:.6g},note,{k:g},{u:.6g}" for k, (u, v) in zip(t, y, strict=True)]
    path.write_text("wolf,note,day,moose\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """The folder of a run, what it printed, and the job with its fits."""
    out = tmp_path_factory.mktemp("out") / "deep" / "folder"
    kept = []
    run_job = job.run_job

    def keep(the_job, bar):
        kept.append(the_job)
        run_job(the_job, bar)

    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as output:
        import io

        patch.setattr(fit, "run_job", keep)
        output.setattr(sys, "stdout", io.StringIO())
        output.setattr(sys, "stderr", io.StringIO())
        options = ["--time", "day", "--states", "moose,wolf", "--holdout", "5", "--starts", "8"]
        code = main(["fit", str(data), "--out", str(out), *options])
        printed, told = sys.stdout.getvalue(), sys.stderr.getvalue()
    assert code == 0, told
    return out, printed, told, kept[0]


@pytest.fixture
def instant(done, monkeypatch):
    """Fits that take no time: those of the run above."""
    finished = done[3]
    monkeypatch.setattr(job, "fit_lotka_volterra", lambda *args, **kwargs: finished.mechanistic)
    monkeypatch.setattr(job, "fit_universal", lambda *args, **kwargs: finished.universal)
    return ["--time", "day", "--states", "moose,wolf", "--holdout", "5", "--starts", "8"]


def test_the_parameters_are_found(done):
    found = json.loads((done[0] / "fit.json").read_text())["lotka_volterra"]
    for fitted in (found, found["all_rows"]):
        for name, value in RATES.items():
            # three standard errors: one run in some hundred would miss by chance, and this one has its seed
            assert abs(fitted["parameters"][name] - value) < 3 * fitted["standard_errors"][name]
            assert fitted["standard_errors"][name] < 0.1 * value
        assert fitted["rms_error"] == pytest.approx(NOISE, rel=0.3)


def test_forecasts_are_as_good_as_the_noise_and_better_than_none(done):
    errors = json.loads((done[0] / "fit.json").read_text())["errors"]
    models, naive = ("Lotka–Volterra", "universal (UDE)"), ("last value", "mean", "last cycle")
    assert set(errors) == {*models, *naive}
    for name in models:
        assert errors[name]["forecast"] < 2 * NOISE
        assert errors[name]["forecast"] < min(errors[other]["forecast"] for other in naive)
        assert errors[name]["training"] < 1.5 * NOISE
    assert errors[models[1]]["forecast"] < 1.1 * errors[models[0]]["forecast"]


def test_fit_json_holds_what_it_should(done, data):
    document = json.loads((done[0] / "fit.json").read_text(), parse_constant=lambda x: pytest.fail(f"{x} is no JSON"))
    assert set(document) == {
        *("format", "status", "data", "settings", "lotka_volterra", "starts", "universal", "errors"),
        *("cycle_length", "predictions", "seconds", "versions"),
    }
    assert (document["format"], document["status"]) == (1, "completed")
    described = document["data"]
    assert (described["source"], described["states"], described["time"]) == (str(data), ["moose", "wolf"], "day")
    assert (described["rows"], described["held_out"], len(described["y"])) == (21, 5, 21)
    assert document["settings"] == {"starts": 8, "seed": 0, "prior": None}
    assert len(document["starts"]["rms_error"]) == document["starts"]["count"] == 8
    assert document["starts"]["rms_error"] == sorted(document["starts"]["rms_error"])
    assert np.shape(document["universal"]["validation_rms_error"]) == (3, len(document["universal"]["priors"]))
    assert set(document["seconds"]) == {"lotka_volterra", "universal", "total"}
    assert set(document["versions"]) >= {"python", "jax", "sciml-jax"}
    assert document["lotka_volterra"]["published_means"] is None
    for values in document["predictions"].values():
        assert np.shape(values) == (21, 2)


def test_saved_models_predict_what_was_reported(done):
    predictions = json.loads((done[0] / "fit.json").read_text())["predictions"]
    kinds = {"lotka_volterra": LotkaVolterra, "universal": UniversalLotkaVolterra}
    for (folder, kind), name in zip(kinds.items(), ("Lotka–Volterra", "universal (UDE)"), strict=True):
        with jax.enable_x64(True):
            model = train.load_model(done[0] / folder)
            again = np.asarray(model.predict(2.0 + np.arange(21.0)))
        assert type(model) is kind
        # the run saved at more times: other interpolants of the same steps
        np.testing.assert_allclose(again, predictions[name], rtol=1e-6)


def test_the_picture_is_a_png(done):
    content = (done[0] / "picture.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(content[k : k + 4], "big") for k in (16, 20))
    assert (width, height) == (round(13.5 * 150), round(6.8 * 150))


def test_the_table_and_the_bar(done):
    out, printed, told, _ = done
    for words in ("moose' = a u - b u v", "21 rows, the last 5 held out", "training", "forecast", "naive: last cycle"):
        assert words in printed
    assert "published" not in printed
    assert str(out / "picture.png") in printed
    assert max(len(line) for line in printed.splitlines() if "/" not in line) <= 120
    assert "loss" in told
    assert "universal (UDE)" in told


def test_quiet_and_no_plot(instant, data, tmp_path, capsys):
    assert main(["fit", str(data), "--out", str(tmp_path / "out"), *instant, "--quiet", "--no-plot"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fit.json", "lotka_volterra", "universal"]


def test_without_matplotlib_and_tqdm_it_says_what_to_install(instant, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fit, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert main(["fit", str(data), "--out", str(tmp_path), *instant]) == 0
    told = capsys.readouterr().err
    assert "pip install 'sciml-jax[plot]'" in told
    assert "pip install 'sciml-jax[progress]'" in told
    assert not (tmp_path / "picture.png").exists()


def test_an_interrupt_saves_what_there_is(instant, data, tmp_path, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "fit_universal", interrupt)
    assert main(["fit", str(data), "--out", str(tmp_path), *instant]) == 130
    document = json.loads((tmp_path / "fit.json").read_text())
    assert (document["status"], document["universal"]) == ("interrupted", None)
    assert document["lotka_volterra"]["parameters"]["a"] > 0
    assert {"lotka_volterra", "picture.png"} <= {path.name for path in tmp_path.iterdir()}
    assert "interrupted; what there is:" in capsys.readouterr().err


def test_an_interrupt_that_the_trainer_caught_ends_the_job(done, instant, data, tmp_path, monkeypatch):
    stopped = dataclasses.replace(done[3].mechanistic, outcome=Outcome.interrupted)
    monkeypatch.setattr(job, "fit_lotka_volterra", lambda *args, **kwargs: stopped)
    monkeypatch.setattr(job, "fit_universal", lambda *args, **kwargs: pytest.fail("the job went on"))
    assert main(["fit", str(data), "--out", str(tmp_path), *instant, "--no-plot"]) == 130
    assert json.loads((tmp_path / "fit.json").read_text())["lotka_volterra"]["outcome"] == "interrupted"


def test_an_interrupt_before_anything_is_fitted(data, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "fit_lotka_volterra", interrupt)
    code = main(["fit", str(data), "--out", str(tmp_path), "--time", "day", "--states", "moose,wolf"])
    assert code == 130
    assert json.loads((tmp_path / "fit.json").read_text())["lotka_volterra"] is None


def refused(capsys, arguments, words):
    assert main(["fit", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("\n")
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("sciml-jax")
    assert words in captured.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("35,9", "many,9"), "line 7, column 'hare': 'many' is not a number"),
        (GOOD.replace("35,9", ",9"), "line 7, column 'hare' is empty"),
        (GOOD.replace("35,9", "nan,9"), "line 7, column 'hare' holds 'nan'"),
        (GOOD.replace("1905", "1904"), "line 7, column 'year': 1904 is repeated"),
        (GOOD.replace("1905", "1903"), "line 7, column 'year': 1903 follows 1904"),
        (GOOD.replace("35,9", "-35,9"), "'hare' is -35 at year 1905; populations must be positive"),
        (GOOD.replace("35,9", "0,9"), "'hare' is 0 at year 1905; populations must be positive"),
        ("year,hare,lynx\n1900,30,4\n", "too few rows: 1, at least 8"),
        ("\n".join(line.rsplit(",", 1)[0] for line in GOOD.splitlines()), "one state column, 'hare'; two"),
    ],
)
def test_bad_data_are_one_line_and_code_2(capsys, tmp_path, text, words):
    path = tmp_path / "data.csv"
    path.write_text(text)
    refused(capsys, [path, "--out", tmp_path / "out"], words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.csv"], "none.csv: there is no such file"),
        (["--time", "year"], "--time year goes with a file"),
        (["--states", "hare,fox"], "there is no column 'fox'; it has 'hare', 'lynx'"),
        (["--states", "hare"], "one state column, 'hare'"),
        (["--states", "hare,"], "empty name"),
        (["--holdout", "14"], "21 rows with 14 held out leave 7 to train on, and 2 states need at least 8"),
        (["--holdout", "99"], "leave 0 to train on"),
        (["--holdout", "-1"], "-1 is less than 0"),
        (["--starts", "0"], "0 is less than 1"),
        (["--starts", "few"], "'few' is not an integer"),
        (["--prior", "-1"], "-1 is not positive"),
        (["--prior", "wide"], "'wide' is not a number"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_bad_arguments_are_one_line_and_code_2(capsys, arguments, words):
    refused(capsys, arguments, words)


def test_a_folder_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    refused(capsys, ["--out", tmp_path / "file"], "cannot be written")
    refused(capsys, ["--out", tmp_path / "file" / "deeper"], "cannot be written")


def test_columns_by_name(capsys, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(GOOD)
    refused(capsys, [path, "--time", "day"], "no time column 'day'; it has 'year', 'hare', 'lynx'")
    refused(capsys, [path, "--states", "hare,fox"], "no state column 'fox'")


def test_help_version_and_no_command(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sciml-jax {sciml_jax.__version__}\n"
    assert main(["--help"]) == 0
    assert main([]) == 0
    assert main(["fit", "--help"]) == 0
    assert "--holdout" in capsys.readouterr().out
    assert main(["nothing"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_as_a_program(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(GOOD.replace("35,9", "many,9"))
    for arguments in ([str(path)], ["--starts", "0"]):
        ran = subprocess.run([sys.executable, "-m", "sciml_jax", "fit", *arguments], capture_output=True, text=True)
        assert ran.returncode == 2
        assert ran.stdout == ""
        assert ran.stderr.count("\n") == 1


def test_the_table_says_nothing_of_a_gain_where_there_is_none(done):
    document = json.loads((done[0] / "fit.json").read_text())
    universal = document["universal"]
    universal["priors"], universal["validation_rms_error"] = [0.05, 0.1, 0.5], [[2e-9, 1e-9, 3e-4]]
    for prior in universal["priors"]:
        universal["prior"] = prior
        text = table(document)
        said = "no better with a freer network" if prior == 0.05 else "have the error 0.000 with or without it"
        assert said in text
        assert "improve" not in text
    universal["validation_rms_error"], universal["prior"] = [[0.4, 0.3, 0.2]], 0.5
    assert "improve from 0.400 to 0.200 with it" in table(document)
    universal["prior"] = 0.05
    assert "are no better with a freer network" in table(document)


def test_the_bar_puts_one_comma_between_time_and_loss():
    import io

    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        the_bar = JobBar(10)
        the_bar.phase("fit", 10)(train.Info(3, 10, "adam", 3, 1.5, {"best": 1.0}, None, lambda: None))
        the_bar.close()
    assert re.search(r"\d\d:\d\d, loss 1.500e\+00, best 1.000e\+00", stream.getvalue())
    assert " ," not in stream.getvalue()


def test_the_picture_says_that_the_network_stays_near_zero(done):
    assert "network" not in title_of(done[3]) or done[3].universal.prior == min(done[3].universal.priors)
    there = done[3].curves
    same = dict.fromkeys(there, there["Lotka–Volterra"])
    pretended = dataclasses.replace(done[3])
    pretended.__dict__["curves"] = same
    assert title_of(pretended).endswith(", whose network stays near zero")
    pretended.__dict__["curves"] = same | {"universal (UDE)": 1.1 * there["Lotka–Volterra"]}
    assert title_of(pretended).endswith("a universal differential equation")
