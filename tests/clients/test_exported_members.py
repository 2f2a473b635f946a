"""What the package shows is a sorted list of its own things."""

import hearken


def test_all_is_sorted_and_complete() -> None:
    public = {
        name
        for name, value in vars(hearken).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("hearken.")
    }
    assert hearken.__all__ == sorted(public)


def test_no_generated_class_is_exported() -> None:
    for name in hearken.__all__:
        assert not getattr(hearken, name).__module__.startswith("hearken.v1")
