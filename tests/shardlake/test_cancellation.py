"""Ending a run: what its steps wait for fails, none begins, and what comes afterwards waits for the last of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from shardlake import cancellation
from shardlake.cancellation import Cancellation
from shardlake.errors import Retryable, RunEnded


def on_a_thread(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=do)
    thread.start()
    return thread


def test_no_step_begins_once_the_run_has_ended_and_none_is_tried_again() -> None:
    run = Cancellation()
    assert run.cancel()
    with pytest.raises(RunEnded, match="the run was broken off"), run.working():
        raise AssertionError
    assert not issubclass(RunEnded, Retryable)


def test_what_a_step_waits_for_is_broken_off_and_what_others_wait_for_is_not() -> None:
    run, other, broken = Cancellation(), Cancellation(), threading.Event()
    began, alone = threading.Event(), threading.Event()

    def step() -> None:
        with run.working(), cancellation.waiting(broken.set):
            began.set()
            assert broken.wait(30)

    thread = on_a_thread(step)
    assert began.wait(30)
    with other.working(), cancellation.waiting(alone.set):
        assert run.cancel(30)
    thread.join(30)
    assert (broken.is_set(), alone.is_set()) == (True, False)


def test_a_wait_that_is_over_is_not_broken_off() -> None:
    run, broken = Cancellation(), threading.Event()
    with run.working(), cancellation.waiting(broken.set):
        pass
    run.cancel()
    assert not broken.is_set()


def test_what_is_to_be_done_afterwards_waits_for_the_last_step() -> None:
    run, go, began, done = Cancellation(), threading.Event(), threading.Event(), threading.Event()

    def step() -> None:
        with run.working():
            began.set()
            assert go.wait(30)

    thread = on_a_thread(step)
    assert began.wait(30)
    assert not run.cancel(patience=0.01)
    run.afterwards(done.set)
    assert not done.is_set()
    go.set()
    thread.join(30)
    assert done.is_set()


def test_outside_of_a_run_a_wait_is_just_a_wait() -> None:
    broken = threading.Event()
    with cancellation.waiting(broken.set):
        cancellation.check()
    assert not broken.is_set()
