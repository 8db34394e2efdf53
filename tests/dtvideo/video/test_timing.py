from fractions import Fraction as F

from hypothesis import given
from hypothesis import strategies as st

from dtvideo.video.timing import (
    choose_rate,
    count_ticks,
    is_regular,
    nearest_frames,
    steady_times,
    usual_rate,
)

NTSC = F(30000, 1001)


def test_times_begin_at_zero_whatever_the_first_stamp() -> None:
    assert list(steady_times([F(-2, 25), F(-1, 25), F(0)], F(1, 25))) == [0, F(1, 25), F(2, 25)]


def test_missing_stamp_follows_its_predecessor_by_one_step() -> None:
    assert list(steady_times([None, None, F(1, 5)], F(1, 10))) == [0, F(1, 10), F(1, 5)]


def test_clock_that_jumps_back_goes_on() -> None:
    stamps = [F(10), F(11), F(0), F(1)]
    assert list(steady_times(stamps, F(1))) == [0, 1, 2, 3]


def test_declared_rate_wins_when_the_times_obey_it() -> None:
    times = [k / NTSC for k in range(100)]
    assert choose_rate(times, [F(90000), None, NTSC]) == (NTSC, False)


def test_times_in_whole_milliseconds_are_still_regular() -> None:
    times = [F(round(1000 * k / NTSC), 1000) for k in range(1000)]
    assert is_regular(times, NTSC)
    assert not is_regular(times, F(25))


def test_dropped_frames_make_a_variable_rate_of_the_usual_gap() -> None:
    times = [F(k, 30) for k in range(60) if k % 7]
    assert choose_rate(times, [F(60 - 9, 2)]) == (F(30), True)


def test_screen_recording_with_gaps_of_33_and_90_ms_is_30_frames_per_second() -> None:
    gaps = [33, 33, 90, 33, 33, 33, 90, 33]
    times = [F(sum(gaps[:k]), 1000) for k in range(len(gaps))]
    assert choose_rate(times, [F(640000, 33893), F(1000, 3)]) == (F(1000, 33), True)


def test_single_picture_has_the_declared_rate_or_none() -> None:
    assert choose_rate([F(0)], [F(25)]) == (F(25), False)
    assert choose_rate([F(0)], [None, F(90000)]) == (None, True)


def test_gap_near_a_well_known_rate_becomes_it() -> None:
    assert usual_rate([F(k * 33367, 1_000_000) for k in range(9)]) == NTSC
    assert usual_rate([F(0), F(30)]) is None


def test_nearest_frame_is_taken_and_the_last_held() -> None:
    timed = [(F(0), "a"), (F(1), "b"), (F(4), "c")]
    assert "".join(nearest_frames(timed, rate=F(1), count=7)) == "abbcccc"


def test_half_the_rate_takes_every_second_frame() -> None:
    timed = [(F(k, 60), k) for k in range(60)]
    assert list(nearest_frames(timed, rate=F(30), count=30)) == list(range(0, 60, 2))


@given(st.integers(1, 200), st.sampled_from([F(24), F(25), NTSC, F(60)]))
def test_regular_frames_pass_through_one_by_one(count: int, rate: F) -> None:
    timed = [(k / rate, k) for k in range(count)]
    assert list(nearest_frames(timed, rate=rate, count=count)) == list(range(count))
    assert count_ticks(count / rate, rate) == count
