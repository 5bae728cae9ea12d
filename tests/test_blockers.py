from __future__ import annotations

from timelines import timeline

from gtrace.timeline.blockers import blocker_lanes


def test_a_native_id_used_twice_names_the_thread_alive_at_the_time():
    known = timeline("""
    main  0-100   running
    old   0-20    running gil=away
    w     0-10    gil_wait <- old
    w     10-60   sleep
    w     60-80   gil_wait <- old
    new   50-100  native
    """)
    threads = known.threads.copy()
    threads.loc[threads["name"] == "new", "tid"] = threads.loc[threads["name"] == "old", "tid"].item()
    names = threads["name"].tolist()
    waits = known.intervals["state"] == "gil_wait"
    assert [names[lane] for lane in blocker_lanes(threads, known.intervals)[waits]] == ["old", "new"]


def test_a_blocker_that_is_no_known_thread_is_not_known():
    known = timeline("main 0-10 running")
    strange = known.intervals.assign(blocker_tid=99)
    assert blocker_lanes(known.threads, strange).tolist() == [-1]


def test_the_same_native_id_in_another_process_is_another_thread():
    known = timeline("""
    main  0-100   running
    w     0-100   gil_wait <- main
    """)
    twice = known.threads.assign(pid=[1, 2], tid=7)
    rows = known.intervals.assign(pid=[1, 2], blocker_tid=7)
    assert blocker_lanes(twice, rows).tolist() == [0, 1]
