"""A small captured figure, written by hand as a BVH file; its bones are known."""

from pathlib import Path


def limb(side: str, x: float, joints: tuple[tuple[str, str], ...]) -> str:
    lines, closing = [], ""
    for name, offset in joints:
        lines.append(
            f"JOINT {side}{name} {{ OFFSET {offset.format(x=x)}\n"
            "CHANNELS 3 Zrotation Xrotation Yrotation"
        )
        closing += "}\n"
    text = "\n".join(lines) + "\nEnd Site\n{\nOFFSET 0 0 1\n}\n" + closing
    return text.replace(" { OFFSET", "\n{\nOFFSET")


ARM = (("Arm", "{x} 5 0"), ("ForeArm", "{x} 0 0"), ("Hand", "{x} 0 0"))
LEG = (("UpLeg", "{x} 0 0"), ("Leg", "0 -4 0"), ("Foot", "0 -4 0"), ("ToeBase", "0 0 1"))
BODY = (
    "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\n"
    "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
    + limb("Left", 1, LEG)
    + limb("Right", -1, LEG)
    + limb("Left", 2, ARM)
    + limb("Right", -2, ARM)
    + "JOINT Head\n{\nOFFSET 0 6 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n"
    "End Site\n{\nOFFSET 0 1 0\n}\n}\n}\nMOTION\nFrames: 2\nFrame Time: 0.1\n"
)  # fmt: skip
CHANNELS = 6 + 3 * (4 + 4 + 3 + 3 + 1)
LEFT_ELBOW, LEFT_KNEE, HEAD = 6 + 3 * 8 + 3, 6 + 3, CHANNELS - 3


def write_bvh(folder: Path, frame: list[float]) -> Path:
    path = folder / "figure.bvh"
    path.write_text(BODY + 2 * (" ".join(map(str, frame)) + "\n"))
    return path


def rest() -> list[float]:
    return [0.0, 8.0, 0.0] + [0.0] * (CHANNELS - 3)
