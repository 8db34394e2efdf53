import pytest

from dtvideo.attention import plan_cache

GIB = 2**30


@pytest.mark.parametrize(
    ("device", "host", "storage"),
    [(50, 0, "device"), (49, 50, "host"), (49, 25, "features"), (49, 24, "recompute")],
)
def test_the_fastest_storage_that_fits_is_chosen(device, host, storage):
    plan = plan_cache(
        GIB, steps=50, device_budget=device * GIB, host_budget=host * GIB, on_host=False
    )
    assert plan.storage == storage


def test_on_the_cpu_the_device_is_main_memory():
    plan = plan_cache(GIB, steps=50, device_budget=99 * GIB, host_budget=GIB, on_host=True)
    assert plan.storage == "recompute"


def test_a_plan_says_what_is_needed_and_what_there_is():
    plan = plan_cache(GIB, steps=20, device_budget=24 * GIB, host_budget=0, on_host=False)
    assert str(plan) == (
        "reference features need 20.00 GiB of 24.00 GiB: keys and values stay on the device"
    )
