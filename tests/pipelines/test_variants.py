from dataclasses import replace

from dtvideo.guidance import GuidanceSettings
from pipelines.clip_settings import ClipSettings
from pipelines.variants import FULL, ablations, changed, variants

BASE = ClipSettings(steps=1, guidance=GuidanceSettings(mode="none"))


def test_names_of_guidance_are_flat():
    found = changed(BASE, steps=3, mode="averaged")
    assert found == replace(BASE, steps=3, guidance=replace(BASE.guidance, mode="averaged"))


def test_every_combination_is_named_by_what_differs():
    made = variants("toon", BASE, {"steps": (1, 4), "reference_weight": (0.5,), "mode": ("none",)})
    assert list(made) == ["toon, steps 1", "toon, steps 4"]
    assert {one.reference_weight for one in made.values()} == {0.5}
    assert variants("toon", BASE, {}) == {"toon": BASE}


def test_an_ablation_changes_one_part_and_says_nothing_twice():
    made = ablations(BASE)
    assert next(iter(made)) == FULL
    assert made[FULL] == BASE
    others = [one for name, one in made.items() if name != FULL]
    assert BASE not in others
    assert made["neither"] == replace(BASE, coarse=False, reference_weight=0.0, previous_weight=0.0)
    assert not made["no mask"].masked
    assert not made["no reference pose"].reference_posed
    assert made["20 steps"].steps == 20
    assert "reference weight 10" not in made
    assert "reference weight 10" in ablations(changed(BASE, reference_weight=3.0))
