"""Shows a page on this computer that says what a sound is: drop, choose or record one. Ctrl-C stops it."""

import argparse
import signal
from types import FrameType
from typing import NoReturn

from audio_cls.cli.arguments import add_output_dir, find_job
from audio_cls.terminal import answer, open_terminal, say
from audio_cls.wording import UserError

HELP = "try a trained model in the browser, on this computer alone"
PORT = 8765
TRIED = 20  # ports from PORT on
TERMINATED = 128 + signal.SIGTERM


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="an exported model's folder, or a job's")
    parser.add_argument(
        "--port", type=int, metavar="N", help=f"where the page is (default: {PORT}, or the next free one)"
    )
    add_output_dir(parser)


def run(options: argparse.Namespace) -> int:
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UserError(f"--port {options.port}: ports go from 1 to 65535; without it a free one is found")
    from audio_cls.serving.load import load_classifier
    from audio_cls.serving.server import page_server

    classifier = load_classifier(find_job(options.model, options.output_dir))
    open_terminal(lasting=True)  # whoever reads the address and goes away leaves the page in place
    signal.signal(signal.SIGTERM, _end)
    ports = range(PORT, PORT + TRIED) if options.port is None else [options.port]
    with page_server(classifier, ports) as server:
        if options.port is None and server.server_port != PORT:
            say(f"audio-cls serve: port {PORT} is taken by another program; {server.server_port} is free")
        answer(f"{classifier.name} is at {server.address} on this computer; Ctrl-C stops it")
        server.serve_forever()
    return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)
