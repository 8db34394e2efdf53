"""OpenPose JSON made by hand."""

import json


def frame(body, **more):
    return {"people": [{"pose_keypoints_2d": body}], **more}


def person(count=18, scale=100.0):
    return [
        float(value) for joint in range(count) for value in (scale * (joint + 1) / 30, 0.5, 0.9)
    ]


def save(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path
