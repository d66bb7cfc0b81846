"""A passage is judged by its measured width and time alone, and does not flap."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import PassageDwell, PassageLimits, PassageZone
from edge_agent.scenarios.finding import ClearWidth, Finding, FindingKind, FindingState, Scenario
from edge_agent.scenarios.moment import Moment, Passage
from edge_agent.scenarios.passage import PassageJudge

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ZONE = PassageZone(
    id="deck",
    scenario="passage",
    polygon=((0, 0), (100, 0), (100, 40), (0, 40)),
    ends=(((0, 0), (0, 40)), ((100, 0), (100, 40))),
    limits_m=PassageLimits(blocked=1.2, narrowed=1.8),
    dwell_limit_s=PassageDwell(blocked=20, narrowed=60, crowded=30),
)


def moment(t_s: float, width_m: float | None, can_see: bool = True, density: float = 0.0) -> Moment:
    passage = Passage(ClearWidth(width_m, 0.05 if width_m is not None else None, t_s), crowd_density=density)
    return Moment(t_s, START + timedelta(seconds=t_s), can_see, (), {"deck": passage})


def always(_: datetime) -> bool:
    return True


def story(judge: PassageJudge, moments: list[Moment]) -> list[tuple[float, Finding]]:
    return [(m.media_time_s, finding) for m in moments for finding in judge.judge(m)]


def first(told: list[tuple[float, Finding]], kind: FindingKind, state: FindingState) -> float | None:
    return next((t for t, finding in told if finding.kind is kind and finding.state is state), None)


def count(told: list[tuple[float, Finding]], kind: FindingKind, state: FindingState) -> int:
    return sum(finding.kind is kind and finding.state is state for _, finding in told)


def test_a_wide_passage_has_nothing_to_say() -> None:
    assert story(PassageJudge(ZONE, always), [moment(t, 3.0) for t in range(100)]) == []


def test_a_blocked_passage_is_reported_at_its_limit_and_cleared_when_it_is_wide_again() -> None:
    moments = [moment(t, 3.0 if t < 10 or t >= 50 else 1.0) for t in range(120)]
    told = story(PassageJudge(ZONE, always), moments)
    assert first(told, FindingKind.BLOCKED, FindingState.PENDING) == 10
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 30
    assert first(told, FindingKind.BLOCKED, FindingState.CLEARED) == 51
    assert count(told, FindingKind.BLOCKED, FindingState.CLEARED) == 1
    assert first(told, FindingKind.NARROWED, FindingState.VIOLATION) is None
    blocked = next(finding for _, finding in told if finding.state is FindingState.VIOLATION)
    assert (blocked.zone_id, blocked.scenario, blocked.limit_s, blocked.since_s) == ("deck", Scenario.PASSAGE, 20, 10)
    assert blocked.clear_width is not None
    assert blocked.clear_width.width_m == 1.0


def test_narrowed_and_blocked_run_on_their_own_clocks() -> None:
    moments = [moment(t, 1.5 if t < 50 else 0.9 if t < 100 else 1.5 if t < 150 else 4.0) for t in range(200)]
    told = story(PassageJudge(ZONE, always), moments)
    assert first(told, FindingKind.NARROWED, FindingState.VIOLATION) == 60
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 70
    assert first(told, FindingKind.BLOCKED, FindingState.CLEARED) == 101
    assert first(told, FindingKind.NARROWED, FindingState.CLEARED) == 151


def test_a_short_squeeze_is_never_an_incident_and_ends_in_silence() -> None:
    told = story(PassageJudge(ZONE, always), [moment(t, 1.0 if 10 <= t < 25 else 3.0) for t in range(60)])
    assert {finding.state for _, finding in told} == {FindingState.PENDING}


def test_one_bad_frame_does_not_start_the_clock_again() -> None:
    told = story(PassageJudge(ZONE, always), [moment(t, 3.0 if t == 20 else 1.0) for t in range(40)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 21
    assert count(told, FindingKind.BLOCKED, FindingState.CLEARED) == 0


def test_noise_about_the_limit_does_not_flap() -> None:
    rng = np.random.default_rng(3)
    moments = [moment(t, 1.18 + float(rng.normal(0, 0.015))) for t in range(600)]
    told = story(PassageJudge(ZONE, always), moments)
    assert count(told, FindingKind.BLOCKED, FindingState.CLEARED) == 0
    states = [finding.state for _, finding in told if finding.kind is FindingKind.BLOCKED]
    assert states.count(FindingState.VIOLATION) > 550


def test_a_width_that_stays_a_little_above_its_limit_ends_the_matter_and_one_that_does_not_stay_does_not() -> None:
    blocked = [moment(t, 1.0) for t in range(30)]
    told = story(PassageJudge(ZONE, always), blocked + [moment(t, 1.22) for t in range(30, 60)])
    assert first(told, FindingKind.BLOCKED, FindingState.CLEARED) == 33
    assert count(told, FindingKind.BLOCKED, FindingState.PENDING) == 20
    told = story(PassageJudge(ZONE, always), blocked + [moment(t, 1.22 if t % 3 else 1.18) for t in range(30, 90)])
    assert count(told, FindingKind.BLOCKED, FindingState.CLEARED) == 0
    told = story(PassageJudge(ZONE, always), blocked + [moment(t, 1.22 if t % 3 else None) for t in range(30, 90)])
    assert count(told, FindingKind.BLOCKED, FindingState.CLEARED) == 0


def test_a_state_that_was_kept_before_the_judge_looked_for_small_excess_is_taken_up() -> None:
    judge, again = PassageJudge(ZONE, always), PassageJudge(ZONE, always)
    story(judge, [moment(t, 1.0) for t in range(30)])
    kept = json.loads(json.dumps(judge.dump()))
    for watch in kept["watches"].values():
        del watch["above_since_s"]
    again.load(kept)
    told = story(again, [moment(30, 1.0)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 30


def test_unknown_time_neither_counts_nor_clears() -> None:
    moments = [moment(t, None if 15 <= t < 60 else 1.0, can_see=not 15 <= t < 60) for t in range(100)]
    told = story(PassageJudge(ZONE, always), moments)
    states = {t: finding.state for t, finding in told if finding.kind is FindingKind.BLOCKED}
    assert states[30] is FindingState.UNKNOWN
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 66
    assert count(told, FindingKind.BLOCKED, FindingState.CLEARED) == 0


def test_what_cleared_while_nobody_saw_it_ends_only_when_it_is_seen() -> None:
    moments = [moment(t, 1.0) for t in range(30)]
    moments += [moment(t, None, can_see=False) for t in range(30, 200)]
    moments += [moment(t, 3.0) for t in range(200, 210)]
    told = story(PassageJudge(ZONE, always), moments)
    assert first(told, FindingKind.BLOCKED, FindingState.CLEARED) == 201


def test_a_gap_in_the_recording_does_not_count() -> None:
    moments = [moment(t, 1.0) for t in (*range(10), *range(500, 530))]
    told = story(PassageJudge(ZONE, always), moments)
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 511


def test_the_end_of_the_schedule_ends_a_violation_once_and_drops_what_was_pending() -> None:
    def in_force(at: datetime) -> bool:
        return at < START + timedelta(seconds=50)

    told = story(PassageJudge(ZONE, in_force), [moment(t, 1.0) for t in range(100)])
    assert first(told, FindingKind.BLOCKED, FindingState.SCHEDULE_ENDED) == 50
    assert count(told, FindingKind.BLOCKED, FindingState.SCHEDULE_ENDED) == 1
    assert count(told, FindingKind.NARROWED, FindingState.SCHEDULE_ENDED) == 0
    assert max(t for t, _ in told) == 50


def test_a_standing_crowd_is_its_own_finding_and_never_a_narrow_passage() -> None:
    moments = [moment(t, 4.0, density=1.0 if 10 <= t < 60 else 0.1) for t in range(100)]
    told = story(PassageJudge(ZONE, always), moments)
    assert {finding.kind for _, finding in told} == {FindingKind.CROWDED}
    assert first(told, FindingKind.CROWDED, FindingState.VIOLATION) == 40
    assert first(told, FindingKind.CROWDED, FindingState.CLEARED) == 61


def test_a_limit_of_zero_seconds_is_reported_at_once() -> None:
    zone = PassageZone(
        id="deck", scenario="passage", polygon=ZONE.polygon, ends=ZONE.ends, dwell_limit_s=PassageDwell(blocked=0)
    )
    told = story(PassageJudge(zone, always), [moment(t, 1.0) for t in range(5)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 0


def test_a_restart_changes_nothing() -> None:
    moments = [moment(t, 1.0 if 10 <= t < 50 else 3.0) for t in range(100)]
    unbroken = story(PassageJudge(ZONE, always), moments)
    first_run, second_run = PassageJudge(ZONE, always), PassageJudge(ZONE, always)
    told = story(first_run, moments[:33])
    second_run.load(json.loads(json.dumps(first_run.dump())))
    told += story(second_run, moments[33:])
    assert told == unbroken


def test_a_damaged_state_is_refused_and_leaves_the_judge_as_it_was() -> None:
    judge = PassageJudge(ZONE, always)
    with pytest.raises(ValueError, match="zone 'deck'"):
        judge.load({"last_s": 1.0, "last_known": True, "watches": {"blocked": {"nonsense": 1}}})
    assert story(judge, [moment(0, 1.0)])[0][1].since_s == 0


def uncertain(t_s: float, at_least_m: float, at_most_m: float) -> Moment:
    passage = Passage(ClearWidth(None, None, t_s), at_least_m=at_least_m, at_most_m=at_most_m)
    return Moment(t_s, START + timedelta(seconds=t_s), True, (), {"deck": passage})


def test_a_width_whose_bounds_have_a_limit_between_them_is_neither_narrow_nor_wide_for_sure() -> None:
    def reaching(t_s: float, at_least_m: float, at_most_m: float) -> Moment:
        passage = Passage(ClearWidth(1.0, 0.4, t_s), at_least_m=at_least_m, at_most_m=at_most_m)
        return Moment(t_s, START + timedelta(seconds=t_s), True, (), {"deck": passage})

    assert story(PassageJudge(ZONE, always), [reaching(t, 0.2, 2.6) for t in range(200)]) == []
    told = story(PassageJudge(ZONE, always), [reaching(t, 0.2, 1.1) for t in range(100)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 20


def narrowed(t_s: float, width_m: float, *since: tuple[float, float]) -> Moment:
    passage = Passage(ClearWidth(width_m, 0.05, t_s), narrowed_since=since)
    return Moment(t_s, START + timedelta(seconds=t_s), True, (), {"deck": passage})


def test_the_clock_starts_when_the_last_thing_came_that_makes_it_too_narrow() -> None:
    moments = [moment(t, 3.0) for t in range(14)]
    moments += [narrowed(t, 1.0, (3.0, 2.4), (10.0, 1.5), (11.5, 1.0)) for t in range(14, 80)]
    told = story(PassageJudge(ZONE, always), moments)
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 32  # 11.5 and 20 s
    assert first(told, FindingKind.NARROWED, FindingState.VIOLATION) == 70  # 10 and 60 s
    blocked = next(finding for _, finding in told if finding.kind is FindingKind.BLOCKED)
    assert (blocked.since_s, blocked.counted_s) == (11.5, 2.5)


def test_the_clock_does_not_start_before_the_camera_saw_and_the_rules_held() -> None:
    blind = [moment(t, None, can_see=False) for t in range(20)]
    seen = [narrowed(t, 1.0, (5.0, 1.0)) for t in range(20, 60)]
    told = story(PassageJudge(ZONE, always), blind + seen)
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 40

    def in_force(at: datetime) -> bool:
        return at >= START + timedelta(seconds=30)

    told = story(PassageJudge(ZONE, in_force), [narrowed(t, 1.0, (5.0, 1.0)) for t in range(60)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 50


def test_a_width_that_nobody_knows_is_neither_clear_nor_narrow_unless_its_bounds_say_so() -> None:
    moments = [moment(t, 1.0) for t in range(30)] + [uncertain(t, 1.0, 3.0) for t in range(30, 60)]
    told = story(PassageJudge(ZONE, always), moments)
    assert {f.state for t, f in told if t >= 30 and f.kind is FindingKind.BLOCKED} == {FindingState.UNKNOWN}
    told = story(PassageJudge(ZONE, always), [uncertain(t, 0.3, 0.9) for t in range(30)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 20
    told = story(PassageJudge(ZONE, always), moments[:30] + [uncertain(t, 2.0, 3.0) for t in range(30, 60)])
    assert first(told, FindingKind.BLOCKED, FindingState.CLEARED) == 31


def test_time_in_which_nobody_knew_counts_once_it_is_still_narrow() -> None:
    moments = [moment(t, 1.0) for t in range(10)] + [uncertain(t, 1.0, 3.0) for t in range(10, 40)]
    told = story(PassageJudge(ZONE, always), [*moments, moment(40, 1.0)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) == 40
    told = story(PassageJudge(ZONE, always), [*moments, *(moment(t, 3.0) for t in range(40, 50)), moment(50, 1.0)])
    assert first(told, FindingKind.BLOCKED, FindingState.VIOLATION) is None


@given(st.lists(st.one_of(st.none(), st.floats(0.0, 4.0)), min_size=1, max_size=120))
def test_every_violation_ends_at_most_once_and_no_end_comes_without_one(widths: list[float | None]) -> None:
    open_kinds: set[FindingKind] = set()
    judge = PassageJudge(ZONE, always)
    for t, width in enumerate(widths):
        findings = judge.judge(moment(float(t), width))
        assert len({finding.kind for finding in findings}) == len(findings)
        for finding in findings:
            if finding.state is FindingState.VIOLATION:
                assert finding.counted_s >= finding.limit_s
                open_kinds.add(finding.kind)
            if finding.state is FindingState.CLEARED:
                assert width is not None
                open_kinds.remove(finding.kind)
