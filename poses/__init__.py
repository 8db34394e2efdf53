"""Bodies as data: find, read, choose, mend, fit, draw and write the poses of people.

detections = extract_poses(frames, create_detector("mediapipe"), rate=rate)
sequence, repairs = repair(select_person(detections).sequence)
fitted, report = retarget(smooth(sequence), read_pose("reference.json"))
picture = draw_pose(fitted[0])
write_clip(sequence, "dance.json")
"""

from poses.details import keep_face, keep_hands
from poses.detections import Detections
from poses.detectors import PoseDetector, create_detector, detector_names, register_detector
from poses.errors import DetectorError, ExplainedError, PoseError
from poses.extract import extract_poses
from poses.io import read_detections, read_pose, read_poses, write_clip, write_coco, write_openpose
from poses.people import Person, find_people
from poses.projection import Camera, project
from poses.render import draw_pose
from poses.repair import repair
from poses.retarget import RetargetReport, retarget
from poses.select import Selection, select_person
from poses.skeleton import BODY18, COCO17, FACE70, HAND21, Skeleton, load_skeleton
from poses.smooth import Repair, RepairReport, fill_gaps, jitter, smooth
from poses.standing import fit_skeleton
from poses.types import Pose, PoseSequence, confident, missing_joints

__all__ = [
    "BODY18",
    "COCO17",
    "FACE70",
    "HAND21",
    "Camera",
    "Detections",
    "DetectorError",
    "ExplainedError",
    "Person",
    "Pose",
    "PoseDetector",
    "PoseError",
    "PoseSequence",
    "Repair",
    "RepairReport",
    "RetargetReport",
    "Selection",
    "Skeleton",
    "confident",
    "create_detector",
    "detector_names",
    "draw_pose",
    "extract_poses",
    "fill_gaps",
    "find_people",
    "fit_skeleton",
    "jitter",
    "keep_face",
    "keep_hands",
    "load_skeleton",
    "missing_joints",
    "project",
    "read_detections",
    "read_pose",
    "read_poses",
    "register_detector",
    "repair",
    "retarget",
    "select_person",
    "smooth",
    "write_clip",
    "write_coco",
    "write_openpose",
]
