"""What the volumes give is joined in their order, whatever the measure returns."""

from __future__ import annotations

from tools.volume_targets import joined


def test_lists_are_joined_in_order_and_dicts_by_key() -> None:
    parts = [
        {"CT": {"auto": [1.0, 2.0]}, "rows": [(1,)]},
        {"MR": {"auto": [3.0]}, "rows": []},
        {"CT": {"auto": [4.0], "bone": [5.0]}, "rows": [(2,), (3,)]},
    ]
    assert joined(parts) == {
        "CT": {"auto": [1.0, 2.0, 4.0], "bone": [5.0]},
        "rows": [(1,), (2,), (3,)],
        "MR": {"auto": [3.0]},
    }
    assert joined([[1], [], [2, 3]]) == [1, 2, 3]
