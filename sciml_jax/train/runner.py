"""The host side of a run: compiled pieces of steps, and between them validation, callbacks, the bar and checkpoints."""

import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from .batches import as_source
from .callbacks import Every, Info, ask
from .checkpoint import Snapshot, read_run, write_run
from .diagnose import explain
from .failure import steps_in_words, told_briefly
from .history import History, Recorder, StageSpan
from .identity import compare
from .loop import (
    CAPACITY,
    DONE,
    LOSS_NOT_FINITE,
    UPDATE_NOT_FINITE,
    Place,
    Setup,
    evaluate_jitted,
    init_state,
    place,
    run_steps,
    shape_of_state,
)
from .params import Params, cast_params, join
from .plan import Outcome, Plan, Position
from .progress import Bar, Lines, Silent
from .validation import Best, check_loss

PIECE_SECONDS = 0.25
"""How long a compiled piece of a run should take: the bar, an interrupt and a checkpoint wait no longer."""


class Run:
    """A run in progress. All that changes is `at`, `best` and `recorder`, each replaced or grown in one statement."""

    def __init__(self, plan: Plan, bar: Silent | Bar | Lines | None = None):
        self.plan = plan
        self.bar = bar or Silent()
        self.recorder = Recorder(plan.terms)
        self.best = Best()
        self.last: tuple[float, dict[str, float]] = (np.nan, {})
        self.final_loss = np.nan
        self.broken = 0
        self.piece, self.timed = 1, False
        self.saved = time.monotonic()
        self.at: Position
        found = read_run(plan.folder) if plan.folder is not None else None
        if found is None:
            self._open(0, (), plan.params, plan.params)
            self.save()
        else:
            self._resume(*found)

    def train(self) -> tuple[Outcome, str]:
        """Run to the end; the outcome and its reason."""
        ending = self._validate()
        while ending is None:
            if not self._has_steps() and not self._next_stage():
                return self._finish()
            ending = self._advance()
            if ending is None:
                ending = self._validate() or self._tell()
                self._save_if_due()
        if ending[0] is not Outcome.non_finite:
            self.save()
        return ending

    # --- where the run stands ---

    def model(self) -> PyTree:
        """The model that the run would return now: the best on validation, else the last finite one."""
        best = self.best.params
        return join(self._params() if best is None else best, self.plan.parts)

    def history(self) -> History:
        """The record so far."""
        return self.recorder.history(self.at.total, self.at.spans, self.best.record)

    def _params(self) -> Params:
        state = self.at.state
        with self.at.opened.context():
            params = state.previous if self.broken == LOSS_NOT_FINITE else state.params
            return cast_params(params, self.plan.parts, False)

    def _has_steps(self) -> bool:
        return not self.at.finished and self.at.step < self.plan.stages[self.at.stage].steps

    def _place(self) -> Place:
        return place(self.at.opened.stage, self.at.opened.setup.source, self.at.step)

    # --- stages ---

    def _open(self, index: int, spans: tuple[StageSpan, ...], params: Params, previous: Params) -> None:
        opened = self.plan.open_stage(index)
        start = spans[-1].stop if spans else 0
        spans = (*spans, StageSpan(opened.stage.name, start, start))
        with opened.context():
            wide = [cast_params(p, self.plan.parts, opened.wide) for p in (params, previous)]
            state = init_state(opened.setup, *wide)
        self.piece, self.timed = 1, False
        self.at = Position(opened, index, 0, False, spans, state)

    def _next_stage(self) -> bool:
        """Open the next stage; `False` after the last one."""
        if self.at.stage + 1 == len(self.plan.stages):
            return False
        with self.at.opened.context():
            params, previous = (
                cast_params(p, self.plan.parts, False) for p in (self.at.state.params, self.at.state.previous)
            )
        self._open(self.at.stage + 1, self.at.spans, params, previous)
        self.save()
        return self._has_steps() or self._next_stage()

    def _resume(self, identity: dict[str, Any], snapshot: Snapshot) -> None:
        folder = self.plan.folder
        assert folder is not None
        compare(identity, self.plan.identity, snapshot.stage, snapshot.stage_step, folder)
        opened = self.plan.open_stage(snapshot.stage)
        with opened.context():
            params = cast_params(self.plan.params, self.plan.parts, opened.wide)
            state = _fill(shape_of_state(opened.setup, params), snapshot.leaves, folder)
        history = snapshot.history
        self.recorder.add(0, history.loss, history.terms)
        if history.steps:
            self.last = (float(history.loss[-1]), {name: float(x[-1]) for name, x in history.terms.items()})
        record = tuple(zip(history.validation_step.tolist(), history.validation_loss.tolist(), strict=True))
        best = _fill(self.plan.params, snapshot.best_leaves, folder) if snapshot.best_leaves else None
        numbers = {**snapshot.best, "loss": float(snapshot.best["loss"])}  # infinity is no JSON
        self.best = Best(**numbers, params=best, record=record)
        self.at = Position(opened, snapshot.stage, snapshot.stage_step, snapshot.finished, history.stages, state)

    # --- steps ---

    def _count(self) -> int:
        """The steps in the next piece: few enough to answer soon, and never past one where something is due."""
        p, total = self.plan, self.at.total
        due = [callback.steps for callback in p.callbacks if isinstance(callback, Every)]
        due += [p.validation.every] if p.validation else []
        due += [p.checkpoint.steps] if p.checkpoint and p.checkpoint.steps else []
        left = p.stages[self.at.stage].steps - self.at.step
        return min(CAPACITY, self.piece, left, *(every - total % every for every in due))

    def _advance(self) -> tuple[Outcome, str] | None:
        at, count = self.at, self._count()
        start = time.monotonic()
        with at.opened.context(), told_briefly(steps_in_words(at.total, count, at.opened.stage.name)):
            state, rows, done, code = run_steps(at.opened.setup, at.state, self._place(), count)
            done, code = int(done), int(code)
            rows = jax.tree.map(lambda x: np.asarray(x)[:done], rows)
        self._pace(time.monotonic() - start, count)
        kept = done - (code in (LOSS_NOT_FINITE, UPDATE_NOT_FINITE))
        self.recorder.add(at.total, rows["loss"][:kept], {name: x[:kept] for name, x in rows["terms"].items()})
        self.at = at.after(state, kept, code == DONE)
        if kept:
            self.last = (float(rows["loss"][kept - 1]), {name: float(x[kept - 1]) for name, x in rows["terms"].items()})
        return (
            None if kept == done else self._break(code, rows["loss"][-1], {n: x[-1] for n, x in rows["terms"].items()})
        )

    def _pace(self, seconds: float, count: int) -> None:
        # The first piece compiles and tells nothing. Growing by steps keeps one lucky measurement from asking for much.
        ideal = count * PIECE_SECONDS / max(seconds, 1e-9)
        if self.timed and (count == self.piece or ideal < self.piece):
            self.piece = int(max(1, min(ideal, 8 * self.piece, CAPACITY)))
        self.timed = True

    def _break(self, code: int, loss: float, terms: dict[str, float]) -> tuple[Outcome, str]:
        with self.at.opened.context():
            params, at = self.at.state.params, self._place()
            reason = explain(self.at.opened.setup, params, at, self.at.total, float(loss), terms, code)
        self.broken = code
        return Outcome.non_finite, reason

    def _finish(self) -> tuple[Outcome, str]:
        """The last parameters have not been judged yet: their loss is that of one step more, which is thrown away."""
        at = self.at
        with at.opened.context(), told_briefly(steps_in_words(at.total, 1, at.opened.stage.name)):
            _, rows, _, code = run_steps(at.opened.setup, at.state, self._place(), 1)
            rows = jax.tree.map(lambda x: float(np.asarray(x)[0]), rows)
        if int(code) == LOSS_NOT_FINITE:
            ending = self._break(LOSS_NOT_FINITE, rows["loss"], rows["terms"])
        else:
            self.final_loss = rows["loss"]
            ending = Outcome.completed, "all stages are done"
        self._validate(last=True)
        if ending[0] is Outcome.completed:
            self.save()
        return ending

    # --- between the steps ---

    def _validate(self, last: bool = False) -> tuple[Outcome, str] | None:
        v, total = self.plan.validation, self.at.total
        if v is None:
            return None
        seen = self.best.record and self.best.record[-1][0] == total
        if not seen and (last or total % v.every == 0):
            params = self._params()
            self.best = self.best.update(self._validation_loss(params), total, params, v.min_delta)
        if v.patience is None or self.best.since < v.patience:
            return None
        best = self.best
        return Outcome.early_stopped, (
            f"no validation loss below {best.loss:.6g} (step {best.step}) in the last {best.since} validations"
        )

    def _validation_loss(self, params: Params) -> float:
        p = self.plan
        assert p.validation is not None
        target = p.validation.target
        if callable(target):
            return check_loss(target(join(params, p.parts)))
        bare = eqx.tree_at(lambda s: s.steps, p.stages[0], 0)
        setup = Setup(p.objective, p.parts, bare, as_source(target), p.key, p.terms, False)
        with told_briefly(f"on the validation data, after {self.at.total} steps"):
            return float(evaluate_jitted(setup, params, Place(np.int32(0), np.int32(0), ()))[0])

    def info(self) -> Info:
        """What callbacks and the bar see."""
        loss, terms = self.last
        stage = self.at.opened.stage.name
        validation = self.best.record[-1][1] if self.best.record else None
        at, params, parts = self.at, self._params, self.plan.parts
        total = self.plan.total_steps
        return Info(at.total, total, stage, at.step, loss, terms, validation, lambda: join(params(), parts))

    def _tell(self) -> tuple[Outcome, str] | None:
        info = self.info()
        self.bar.update(info)
        if ask(self.plan.callbacks, info):
            return Outcome.stopped, f'a callback returned "stop" at step {info.step}'
        return None

    # --- checkpoints ---

    def _save_if_due(self) -> None:
        c = self.plan.checkpoint
        if c is not None:
            exact = c.steps is not None and self.at.total % c.steps == 0
            if exact or time.monotonic() - self.saved >= c.seconds:
                self.save()

    def save(self) -> None:
        """Write a checkpoint, where one is asked for."""
        if self.plan.folder is None or self.plan.checkpoint is None:
            return
        at, best = self.at, self.best
        numbers = {"loss": repr(best.loss), "step": best.step, "since": best.since}
        leaves, best_leaves = jax.tree.leaves(at.state), jax.tree.leaves(best.params)
        snapshot = Snapshot(at.stage, at.step, at.finished, leaves, numbers, best_leaves, self.history())
        write_run(self.plan.folder, self.plan.checkpoint.keep, self.model(), self.plan.identity, snapshot)
        self.saved = time.monotonic()


def _fill(like: PyTree, leaves: list[Any], folder: Path | None) -> PyTree:
    """The leaves of a checkpoint in a structure; to be called in the precision of the stage."""
    wanted, treedef = jax.tree.flatten(like)
    for i, (want, have) in enumerate(zip(wanted, leaves, strict=False)):
        if want.shape != have.shape or str(want.dtype) != str(have.dtype):
            raise ValueError(
                f"checkpoint={str(folder)!r}: array {i} of the optimiser's state is {have.dtype}{list(have.shape)}, "
                f"these stages need {want.dtype}{list(want.shape)}; give another folder, or the stages that wrote it"
            )
    if len(wanted) != len(leaves):
        raise ValueError(
            f"checkpoint={str(folder)!r} holds {len(leaves)} arrays of state, these stages need {len(wanted)}; "
            "give another folder, or the stages that wrote it"
        )
    return jax.tree.unflatten(treedef, [x if isinstance(x, jax.Array) else jax.numpy.asarray(x) for x in leaves])
