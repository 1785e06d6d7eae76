"""`bkpc release`: a person has looked at a held image and found it right."""

from __future__ import annotations

import argparse

from bkpc_runtime.commands.outcome import add_plan, reported, say, world_of
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.judgement import Limits
from bkpc_runtime.steps.judge import limits_of, release

EXAMPLE = "example: bkpc release plan.json orders 20261123T010004Z-0a1b2c3d --because 'old orders moved to the archive'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("database", metavar="DB")
    parser.add_argument("image", metavar="IMAGE", help="its id, as `bkpc status` shows it")
    parser.add_argument("--because", required=True, metavar="WHY", help="what changed; it is kept beside the backups")


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    (database,) = world.databases(arguments.database)
    if not layout.is_image_id(arguments.image):
        raise BadUsage(f"{arguments.image!r} is not the id of an image", help="such as 20261123T010004Z-0a1b2c3d")
    if not arguments.because.strip():
        raise BadUsage("--because says nothing")
    flow = next((one for one in world.plan.flow if one.database == database.name), None)
    limits = limits_of(flow) or Limits(None, None)
    stores = [world.store(name) for name in world.stores_of(database.name)]
    freed = release(stores, database.name, arguments.image, arguments.because.strip(), limits, world.clock())
    print(f"image {arguments.image} of `{database.name}` is released")
    for image in freed:
        print(f"image {image} is like it, and no longer held")
    say("what it held back expires by the plan again")
    return 0
