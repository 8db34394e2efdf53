"""A picture cut into limbs and moved like a paper puppet: the coarse answer, without a network."""

from dtvideo.puppet.posing import Puppet, coarse_frame, puppet
from dtvideo.puppet.warp import thin_plate_warp

__all__ = ["Puppet", "coarse_frame", "puppet", "thin_plate_warp"]
