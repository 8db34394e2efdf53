"""Settings of one model side by side: lists of values, and the ablations of the method."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Any

from dtvideo.guidance import GuidanceSettings
from pipelines.clip_settings import ClipSettings

REFERENCE_WEIGHTS = (1.0, 3.0, 10.0, 30.0)
PREVIOUS_WEIGHTS = (0.0, 1.0, 3.0)
STEPS = (1, 4, 8, 20, 50)
GUIDED_STEPS = 4
"""Steps of the rows that compare guidance: in a single step there is nothing to interleave."""
FULL = "full"


def changed(settings: ClipSettings, **values: Any) -> ClipSettings:
    """Return settings with some values changed; the names of guidance are flat too."""
    guided = {each.name for each in fields(GuidanceSettings)} & values.keys()
    guidance = replace(settings.guidance, **{name: values.pop(name) for name in guided})
    return replace(settings, guidance=guidance, **values)


def variants(
    name: str, base: ClipSettings, choices: Mapping[str, Sequence[Any]]
) -> dict[str, ClipSettings]:
    """Return every combination of the values of some settings, by what to call it.

    What has one value only is not told in the name.
    """
    told = [key for key, values in choices.items() if len(values) > 1]
    made = {}
    for values in product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        words = [f"{key.replace('_', ' ')} {_short(chosen[key])}" for key in told]
        made[", ".join([name, *words])] = changed(base, **chosen)
    return made


def ablations(base: ClipSettings) -> dict[str, ClipSettings]:
    """Return the method with one part changed at a time, by what is changed; FULL comes first.

    "S-S-A" is all self-subject attention: to the reference and to the previous frame. What is
    the same as FULL is left out.
    """
    alone = {"reference_weight": 0.0, "previous_weight": 0.0}
    parts: dict[str, dict[str, Any]] = {
        FULL: {},
        "coarse frame alone": alone,
        "S-S-A alone": {"coarse": False},
        "neither": {"coarse": False, **alone},
    }
    parts |= {f"reference weight {w:g}": {"reference_weight": w} for w in REFERENCE_WEIGHTS}
    parts |= {f"previous weight {w:g}": {"previous_weight": w} for w in PREVIOUS_WEIGHTS}
    parts |= {"no mask": {"masked": False}, "no reference pose": {"reference_posed": False}}
    parts |= {
        f"guidance {mode}, {GUIDED_STEPS} steps": {"mode": mode, "steps": GUIDED_STEPS}
        for mode in ("none", "interleaved", "averaged")
    }
    parts |= {f"{steps} step{'s' * (steps > 1)}": {"steps": steps} for steps in STEPS}
    made = {name: changed(base, **values) for name, values in parts.items()}
    return {name: one for name, one in made.items() if name == FULL or one != base}


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
