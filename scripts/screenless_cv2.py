"""Succeed when the one installed cv2 loads and was built without a screen."""

import re
import sys

try:
    import cv2
except ImportError as error:
    sys.exit(f"cv2 does not load: {error}")

if not re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
    sys.exit("cv2 was built for a screen")
