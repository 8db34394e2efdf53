from pathlib import Path

from pipelines.doctor import check_openpose
from poses.backends.weights import WEIGHTS

COMMIT = "0" * 40


def fetch(cache: Path, hub_id: str, names: tuple[str, ...]) -> None:
    """Lay files out as the hub's library keeps what it fetched."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (snapshot, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for name in names:
        (snapshot / name).touch()


def test_the_doctor_tells_whether_weights_of_openpose_were_fetched(empty_hub_cache: Path) -> None:
    assert "weights not fetched" in str(check_openpose())
    fetch(empty_hub_cache, WEIGHTS["openpose"].hub_id, WEIGHTS["openpose"].files)
    assert "weights in the hub's cache" in str(check_openpose())
