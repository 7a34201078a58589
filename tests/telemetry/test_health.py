"""Health is progress: what makes a process alive, started and ready, and what does not unmake it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from telemetry.health import Health, Limits, Report
from tests.agents.doors import HandClock

LIMITS = Limits(beat_s_max=30.0, contact_s_max=30.0, same_position_s_max=60.0, lag_records_max=1_000)


def ready_at(clock: HandClock, position: int = 0, end: int = 0) -> Health:
    """A worker of partition 3, recovered and in contact."""
    health = Health(clock, LIMITS)
    health.note_assigned([3])
    health.note_recovered()
    health.note_contact()
    health.note_position({3: position}, {3: end})
    return health


def turn(health: Health, clock: HandClock, s: float, position: int, end: int) -> None:
    """Time passes, the loop turns, the broker answers."""
    clock.s += s
    health.beat()
    health.note_contact()
    health.note_position({3: position}, {3: end})


def failing(report: Report) -> list[str]:
    """The checks that are unhealthy."""
    return [name for name, check in report.checks.items() if check.status == "unhealthy"]


def test_it_is_alive_from_the_start_and_ready_when_it_works() -> None:
    """Alive; then assigned, recovered and in contact, one after the other."""
    health = Health(HandClock(), LIMITS)
    assert (health.live().status, health.startup().status) == ("ok", "unhealthy")
    assert failing(health.ready()) == ["assigned", "recovered", "contact"]
    health.note_assigned([3, 4])
    assert failing(health.ready()) == ["recovered", "contact"]
    assert health.startup().status == "unhealthy"
    health.note_recovered()
    assert failing(health.ready()) == ["contact"]
    assert health.startup().status == "ok"
    health.note_contact()
    assert health.ready().status == "ok"
    assert health.ready().checks["assigned"].observed == 2


def test_each_check_says_what_it_saw() -> None:
    """Somebody reads it at night."""

    def said(report: Report) -> list[str]:
        return [check.message for check in report.checks.values()]

    clock = HandClock()
    health = Health(clock, LIMITS)
    assert said(health.startup()) == ["not yet assigned and recovered"]
    assert said(health.ready()) == [
        "the loop turned 0.0 s ago",
        "no assignment yet",
        "the state of new partitions is being restored",
        "the broker has not answered yet",
        "0 records behind",
    ]
    health = ready_at(clock, position=5, end=9)
    clock.s += 61
    assert said(health.startup()) == ["assigned and recovered once"]
    assert said(health.ready()) == [
        "the loop turned 61.0 s ago",
        "1 partitions assigned",
        "recovered",
        "the broker answered 61.0 s ago",
        "no progress for 61 s while records wait, of partition 3",
    ]


def test_a_loop_that_stands_is_dead() -> None:
    """At the limit it still lives; a beat revives it. To be told of positions is not to turn."""
    clock = HandClock()
    health = ready_at(clock)
    clock.s += 30
    assert health.live().status == "ok"
    clock.s += 0.5
    health.note_contact()
    health.note_position({3: 1}, {3: 1})
    assert failing(health.live()) == failing(health.ready()) == ["loop"]
    assert health.live().checks["loop"].observed == 30.5
    health.beat()
    assert health.live().status == "ok"


def test_a_broker_that_is_away_kills_nothing() -> None:
    """For an hour: not ready, and alive all the while, or every worker would be restarted with the broker."""
    clock = HandClock()
    health = ready_at(clock, position=5, end=9)
    for _ in range(360):
        clock.s += 10
        health.beat()
        assert health.live().status == "ok"
    assert "contact" in failing(health.ready())
    assert health.startup().status == "ok"


def test_contact_lapses_after_its_limit_and_not_at_it() -> None:
    """And what was idle before an outage is idle after it."""
    clock = HandClock()
    health = ready_at(clock, position=9, end=9)
    clock.s += 30
    health.beat()
    assert failing(health.ready()) == []
    clock.s += 0.1
    assert failing(health.ready()) == ["contact"]
    health.note_contact()
    for _ in range(7):
        clock.s += 10
        health.beat()
        health.note_contact()
    assert failing(health.ready()) == []


def test_an_answer_just_in_time_is_no_outage() -> None:
    """A partition that stands still has no more time because the broker is asked seldom."""
    clock = HandClock()
    health = ready_at(clock, position=5, end=9)
    for _ in range(3):
        turn(health, clock, 30, position=5, end=9)
    assert failing(health.ready()) == ["progress"]


def test_after_an_outage_a_partition_has_its_time_again() -> None:
    """It could not move; only if it then does not, it is stuck. In either order of what is told."""
    clock = HandClock()
    health = ready_at(clock, position=5, end=9)
    clock.s += 3_600
    health.beat()
    health.note_contact()
    health.note_position({3: 5}, {3: 9})
    assert health.ready().status == "ok"
    for _ in range(6):
        turn(health, clock, 10, position=5, end=9)
    assert health.ready().status == "ok"
    turn(health, clock, 1, position=5, end=9)
    assert failing(health.ready()) == ["progress"]


def test_the_same_position_before_waiting_records_is_unhealthy() -> None:
    """For longer than the limit, whether the lag is the same or grows, and however small it is."""
    for grows in (0, 1):
        clock = HandClock()
        health = ready_at(clock, position=5, end=6)
        for passed in range(1, 7):
            turn(health, clock, 10, position=5, end=6 + grows * passed)
            assert health.ready().status == "ok"
        turn(health, clock, 0.5, position=5, end=6 + grows * 7)
        report = health.ready()
        assert failing(report) == ["progress"]
        assert report.checks["progress"].observed == 60.5
        assert report.checks["progress"].limit == 60
        assert "partition 3" in report.checks["progress"].message
        assert health.live().status == "ok"
        turn(health, clock, 0.5, position=6, end=20)
        assert health.ready().status == "ok"


def test_a_loop_that_tells_nothing_more_is_found() -> None:
    """The time runs on when no position is told: a consumer that hangs tells none."""
    clock = HandClock()
    health = ready_at(clock, position=5, end=6)
    for _ in range(7):
        clock.s += 10
        health.beat()
        health.note_contact()
    assert failing(health.ready()) == ["progress"]


def test_idle_is_healthy_for_ever_and_the_first_record_starts_the_time() -> None:
    """At the end there is nothing to do; what arrives after a week is not late at once."""
    clock = HandClock()
    health = ready_at(clock, position=5, end=5)
    for _ in range(100):
        turn(health, clock, 3_600, position=5, end=5)
        assert health.ready().status == "ok"
    for _ in range(4):
        turn(health, clock, 20, position=5, end=6)
    assert health.ready().status == "ok"
    turn(health, clock, 1, position=5, end=6)
    assert failing(health.ready()) == ["progress"]


def test_a_large_lag_that_moves_is_degraded_and_no_more() -> None:
    """It is behind and catches up: 200 with a flag. A partition that stands still meanwhile is unhealthy all the same."""
    clock = HandClock()
    health = ready_at(clock, position=0, end=1_000)
    assert health.ready().status == "ok"
    for passed in range(1, 100):
        turn(health, clock, 50, position=passed, end=1_001 + passed)
        report = health.ready()
        assert (report.status, report.checks["progress"].status) == ("degraded", "degraded")
        assert report.checks["progress"].observed == 1_001
    for _ in range(4):
        turn(health, clock, 16, position=99, end=1_200)
    assert failing(health.ready()) == ["progress"]


def test_the_lag_is_that_of_all_partitions_and_the_stuck_one_is_named() -> None:
    """One that moves does not hide one that does not."""
    clock = HandClock()
    health = Health(clock, LIMITS)
    health.note_assigned([1, 2])
    health.note_recovered()
    for passed in range(8):
        clock.s += 10
        health.beat()
        health.note_contact()
        health.note_position({1: passed, 2: 7}, {1: 600 + passed, 2: 600})
    assert health.ready().checks["progress"].message.endswith("of partition 2")
    clock.s += 5
    health.note_position({1: 7}, {1: 608})
    assert health.ready().checks["progress"].observed == 75
    health.note_position({2: 8}, {2: 600})
    assert health.ready().checks["progress"].observed == 601 + 592


def test_a_lag_that_nobody_measures_any_more_is_degraded() -> None:
    """The last answer does not stand for ever; whoever has no partition has nothing to measure."""
    for assigned, status in (([3], "degraded"), ([], "ok")):
        clock = HandClock()
        health = Health(clock, LIMITS)
        health.note_assigned(assigned)
        health.note_recovered()
        for _ in range(12):
            clock.s += 10
            health.beat()
            health.note_contact()
        assert health.ready().status == "ok"
        clock.s += 1
        assert health.ready().status == status
        if assigned:
            assert "was not measured for 121 s" in health.ready().checks["progress"].message
            health.note_position({3: 5}, {3: 5})
            assert health.ready().status == "ok"


def test_a_new_partition_must_be_recovered_and_a_lost_one_is_forgotten() -> None:
    """Startup is once; ready is now. What another worker has is not our lag."""
    clock = HandClock()
    health = ready_at(clock, position=5, end=9_000)
    health.note_assigned([3, 4])
    assert failing(health.ready()) == ["recovered"]
    assert health.startup().status == "ok"
    health.note_recovered()
    assert health.ready().status == "degraded"
    health.note_assigned([4])
    assert (health.ready().status, health.ready().checks["progress"].observed) == ("ok", 0)
    health.note_position({3: 5, 4: 1}, {3: 9_000, 4: 1})
    assert health.ready().checks["progress"].observed == 0


def test_a_worker_without_a_partition_is_ready() -> None:
    """More workers than partitions: it stands by, and the group has said so."""
    health = Health(HandClock(), LIMITS)
    health.note_assigned([])
    health.note_contact()
    assert (health.startup().status, health.ready().status) == ("ok", "ok")


def test_to_recover_before_an_assignment_is_no_start() -> None:
    """There was nothing to recover."""
    health = Health(HandClock(), LIMITS)
    health.note_recovered()
    assert health.startup().status == "unhealthy"
    health.note_assigned([3])
    assert "recovered" in failing(health.ready())


def test_an_assignment_that_is_told_again_changes_nothing() -> None:
    """Nor does one that shrinks while its state is being restored: what is left is not yet there."""
    health = ready_at(HandClock())
    health.note_assigned([3])
    assert health.ready().status == "ok"
    health.note_assigned([3, 4, 5])
    health.note_assigned([4, 5])
    assert failing(health.ready()) == ["recovered"]


def test_a_reader_that_no_group_assigns_to_is_heard_too() -> None:
    """Its positions count as they come. An end that is behind the position, or not told, is no lag."""
    clock = HandClock()
    health = Health(clock, LIMITS)
    health.note_position({"a": 5, "b": 9, "c": 1}, {"a": 7, "b": 2})
    assert health.ready().checks["progress"].observed == 2
    clock.s += 61
    assert health.ready().checks["progress"].message.endswith("of partition a")


def test_the_limits_have_defaults_in_order() -> None:
    """A rebalance must fit into the time that a position may stay the same."""
    health: Any = Health(HandClock())
    assert health._limits == Limits()
    assert Limits().beat_s_max < Limits().same_position_s_max


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 3), st.integers(0, 3)), max_size=60))
def test_progress_is_what_the_whole_history_says(steps: list[tuple[int, int, int]]) -> None:
    """Against the definition: stuck is to have had records waiting at one position for longer than the limit."""
    clock = HandClock()
    health = ready_at(clock)
    position = end = 0
    since_s: float | None = None
    for s, moved, appended in steps:
        clock.s += s
        end += appended
        before, position = position, min(end, position + moved)
        waits = position < end
        since_s = None if not waits else clock.s if since_s is None or position > before else since_s
        health.note_position({3: position}, {3: end})
        stuck = since_s is not None and clock.s - since_s > LIMITS.same_position_s_max
        assert (health.ready().checks["progress"].status == "unhealthy") == stuck
