from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.volume.session.history import History


def a_history(*actions: str) -> History[str]:
    """One step is one letter, one word an action."""
    found: History[str] = History()
    for action in actions:
        found.add(action)
    return found


def test_steps_come_back_last_one_first_and_again_in_their_order():
    history = a_history("ab", "c")
    assert "".join(history.undo()) == "c"
    assert "".join(history.undo()) == "ba"
    assert "".join(history.undo()) == ""
    assert (history.can_undo, history.can_redo) == (False, True)
    assert "".join(history.redo()) == "ab"
    assert "".join(history.redo()) == "c"
    assert (history.can_undo, history.can_redo) == (True, False)


def test_what_was_not_moved_stays_and_what_was_moved_can_be_moved_back():
    history = a_history("abcd")
    assert "".join(itertools.islice(history.undo(), 3)) == "dcb"
    # The third step was handed out, and not the one after it: it counts as still to be done.
    assert ("".join(history.to_undo), "".join(reversed(history.to_redo))) == ("ab", "cd")
    assert "".join(history.redo()) == "cd"
    assert ("".join(history.to_undo), history.to_redo) == ("cd", ())
    assert "".join(history.undo()) + "".join(history.undo()) == "dcba"


def test_a_new_action_forgets_what_was_undone():
    history = a_history("a", "b")
    list(history.undo())
    history.add("c")
    assert not history.can_redo
    assert "".join(history.undo()) + "".join(history.undo()) == "ca"


def move(steps: Iterator[str], change: Callable[[str], None], how_many: int) -> None:
    """Change what the steps are about, and give up at the one after `how_many`."""
    for n, step in enumerate(steps):
        if n == how_many:
            return
        change(step)


@given(st.lists(st.tuples(st.sampled_from(["add", "undo", "redo"]), st.integers(1, 3)), max_size=40))
def test_whatever_fails_the_history_knows_what_is_done(actions):
    history: History[str] = History()
    letters = map(chr, itertools.count(ord("a")))
    present: list[str] = []

    def take_back(step: str) -> None:
        assert present.pop() == step

    for action, how_many in actions:
        if action == "undo":
            move(history.undo(), take_back, how_many)
        elif action == "redo":
            move(history.redo(), present.append, how_many)
        else:
            steps = list(itertools.islice(letters, how_many))
            history.add(steps)
            present.extend(steps)
    while history.can_undo:
        move(history.undo(), take_back, 3)
    assert present == []
