"""`dtvideo models`: the presets, fetching and checking models, ControlNets for other bases.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
import sys
from pathlib import Path

from pipelines.parser import Parser

GIGABYTE = 1e9


def add_models(parser: Parser) -> None:
    """Add the tools for models to a parser."""
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    known = tools.add_parser("list", help="the presets: parts, licences, sizes, what is fetched")
    known.set_defaults(command=list_command)
    get = tools.add_parser("fetch", help="download presets or hub models")
    get.add_argument("names", metavar="NAME", nargs="+", help="a preset or owner/name")
    get.add_argument("--whole", action="store_true", help="float32 files instead of half precision")
    get.add_argument("--revision", metavar="R", help="branch, tag or commit of a hub model")
    get.set_defaults(command=fetch_command)
    verify = tools.add_parser("verify", help="check weight files: whole, sizes, hashes")
    verify.add_argument("names", metavar="NAME", nargs="+", help="preset, hub id, folder or file")
    verify.set_defaults(command=verify_command)
    carry = tools.add_parser("transfer", help="adapt a ControlNet to another base model")
    carry.add_argument("controlnet", metavar="CONTROLNET", help="folder or hub id")
    for flag, what in (("--from", "the base it was made for"), ("--to", "the base it is for")):
        dest = "old" if flag == "--from" else "new"
        carry.add_argument(flag, dest=dest, metavar="MODEL", required=True, help=what)
    carry.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    carry.add_argument("--overwrite", action="store_true")
    carry.set_defaults(command=transfer_command)


def list_command(arguments: argparse.Namespace) -> int:
    """Print one line per preset and one per part of it."""
    from dtvideo.models.presets import presets
    from dtvideo.models.sources import is_cached

    for preset in presets().values():
        size = preset.half_bytes / GIGABYTE
        print(f"{preset.name}: {preset.title}; {preset.side} pixels, {size:.1f} GB as half floats")
        for part, hub_id in preset.hub_ids.items():
            here = "here" if is_cached(hub_id) else "not fetched"
            print(f"  {part}: {hub_id} ({preset.licences[part]}), {here}")
    return 0


def fetch_command(arguments: argparse.Namespace) -> int:
    """Fetch models into the hub's cache; print the folder of each."""
    from dtvideo.errors import ModelError, UsageError
    from dtvideo.models.fetch import fetch
    from dtvideo.models.presets import presets
    from dtvideo.models.sources import is_hub_id

    for name in arguments.names:
        if name not in presets() and not is_hub_id(name):
            remedy = f"give {', '.join(presets())} or a hub id such as owner/name"
            raise ModelError("M1", name, "is neither a preset nor a hub id", remedy)
    for name in arguments.names:
        preset = presets().get(name)
        if preset is not None and arguments.revision is not None:
            raise UsageError(
                "U1", "--revision", f"cannot be given for the preset {name}", "name a hub id"
            )
        licences = {} if preset is None else preset.licences
        for part, hub_id in (preset.hub_ids if preset else {"model": name}).items():
            licence = f" ({licences[part]})" if part in licences else ""
            _tell(f"{hub_id}{licence}")
            folder = fetch(
                hub_id,
                revision=arguments.revision,
                half=not arguments.whole,
                on_file=lambda file, done, total: _tell(f"  {done}/{total} {file}"),
            )
            print(folder, flush=True)
    return 0


def verify_command(arguments: argparse.Namespace) -> int:
    """Check every weight file of some models; print its hash and its path."""
    from dtvideo.models.sources import find_model
    from dtvideo.models.verify import verify_file, verify_model
    from dtvideo.models.weights import pickles

    for name in arguments.names:
        source = find_model(name)
        parameters = source.preset.parameters if source.preset else {}
        places = {"": source.path}
        if source.preset is not None:
            others = {part: id_ for part, id_ in source.preset.hub_ids.items() if part != "model"}
            places |= {part: find_model(hub_id).path for part, hub_id in others.items()}
        for part, path in places.items():
            checked = (
                [verify_file(path)]
                if path.is_file()
                else verify_model(path, part=part, parameters=parameters)
            )
            for each in checked:
                print(f"{each.sha256}  {each.path}", flush=True)
                if not each.matched:
                    _tell(f"{each.path}: whole; nobody here knows the hash it should have")
            for pickle in pickles(path):
                _tell(f"{pickle}: a pickle, which is neither checked nor ever loaded")
    return 0


def transfer_command(arguments: argparse.Namespace) -> int:
    """Write a ControlNet for another base model and print its folder."""
    import shutil

    from dtvideo.files import check_output
    from dtvideo.models.sources import find_model, part_folder
    from dtvideo.models.transfer import transfer

    controlnet = part_folder(find_model(arguments.controlnet), "controlnet")
    target = arguments.output / "diffusion_pytorch_model.safetensors"
    config = controlnet / "config.json"
    old, new = (part_folder(find_model(name), "unet") for name in (arguments.old, arguments.new))
    check_output(target, overwrite=arguments.overwrite, inputs=list(controlnet.iterdir()))
    changed = transfer(controlnet, old_unet=old, new_unet=new, output=target)
    shutil.copyfile(config, arguments.output / "config.json")
    _tell(f"{changed} weights carried over")
    print(arguments.output)
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
