"""Samples are made anew only where something has changed."""

from __future__ import annotations

from aggregator.catalogue import SampleBook

NAMES = ("agent", "state")


def test_what_has_not_changed_is_the_same_list_of_the_same_samples() -> None:
    book = SampleBook()
    first = book.samples("m", NAMES, {("b", "up"): 1.0, ("a", "up"): 0.0})
    book.turn()
    assert book.samples("m", NAMES, {("a", "up"): 0.0, ("b", "up"): 1.0}) is first
    assert [(sample.labels["agent"], sample.value) for sample in first] == [("a", 0.0), ("b", 1.0)]


def test_a_list_that_was_given_out_never_changes() -> None:
    book = SampleBook()
    first = book.samples("m", NAMES, {("a", "up"): 0.0, ("b", "up"): 1.0})
    held = list(first)
    second = book.samples("m", NAMES, {("a", "up"): 5.0, ("b", "up"): 1.0})
    assert first == held
    assert [sample.value for sample in second] == [5.0, 1.0]
    assert second[1] is first[1], "and only what changed is made anew"


def test_series_come_and_go() -> None:
    book = SampleBook()
    book.samples("m", NAMES, {("a", "up"): 1.0, ("b", "up"): 1.0})
    third = book.samples("m", NAMES, {("b", "up"): 1.0, ("c", "up"): 1.0})
    assert [sample.labels["agent"] for sample in third] == ["b", "c"]
    assert [sample.labels["agent"] for sample in book.samples("m", NAMES, {("c", "up"): 1.0})] == ["c"]
    assert book.samples("m", NAMES, {}) == []
    assert book.samples("m", NAMES, {("a", "up"): 2.0})[0].value == 2.0


def test_samples_with_the_same_labels_share_them() -> None:
    book = SampleBook()
    one = book.samples("m", NAMES, {("a", "up"): 1.0})[0]
    other = book.samples("n", NAMES, {("a", "up"): 7.0})[0]
    assert one.labels is other.labels
    assert (one.name, other.name) == ("m", "n")
