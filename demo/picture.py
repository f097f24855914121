"""`make picture`: the demo's first load as a terminal shows it, while it runs and at its end, as docs/run.svg."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from demo.servers import demo_servers, environment_without

PICTURE = Path(__file__).parent.parent / "docs" / "run.svg"
WIDTH = 92
_FRAME = re.compile(r"\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*")
"""Between two looks at a run that is under way: the lines of the first are taken away."""


def main() -> None:
    """Take the picture, of a real run."""
    with tempfile.TemporaryDirectory(prefix="shardlake-picture-") as made, demo_servers(Path(made), "postgres") as servers:
        servers.fill()
        environment = servers.write_project(Path(made))
        said, frames = _run(Path(made), environment)
    PICTURE.write_text(picture(said, frames))
    Console().print(f"{PICTURE.relative_to(Path.cwd()) if PICTURE.is_relative_to(Path.cwd()) else PICTURE} shows what the command showed")


def _run(folder: Path, environment: dict[str, str]) -> tuple[str, list[str]]:
    """What `shardlake run orders` prints at its end, and what its terminal showed on the way."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
    # LINES and COLUMNS, since a terminal whose size is asked by way of standard output is not one here
    told = (
        environment_without("SHARDLAKE_")
        | environment
        | {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": "40"}
    )
    told.pop("PREFECT_API_URL", None)
    seen: list[bytes] = []

    def look() -> None:
        while True:
            try:
                found = os.read(mine, 65536)
            except OSError:  # the other end is closed
                return
            seen.append(found)

    program = str(Path(sys.executable).parent / "shardlake")
    process = subprocess.Popen([program, "run", "orders"], cwd=folder, env=told, stdout=subprocess.PIPE, stderr=its, text=True)
    os.close(its)
    looking = threading.Thread(target=look)
    looking.start()
    said, _ = process.communicate(timeout=120)
    looking.join()
    os.close(mine)
    text = b"".join(seen).decode("utf-8", "replace")
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}: {text}")
    return said, [frame.replace("\r", "") for frame in _FRAME.split(text) if "rows" in frame]


def picture(said: str, frames: list[str]) -> str:
    """The picture as SVG, without an address in it: `said` as it was printed, behind what it showed when it was busiest."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print("[bold green]$[/] shardlake run orders\n")
    if frames:  # of those with the most lines under way the last: it has seen the most rows
        busiest = max(enumerate(frames), key=lambda found: (len(re.findall("reading|merging", found[1])), found[0]))[1]
        console.print(Text.from_ansi(busiest.strip("\n")))
        console.print("[dim]… and at its end:[/]\n")
    console.print(Text.from_ansi(said.strip("\n")))
    without_fonts = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    without_fonts = re.sub(r"<!--.*?-->\s*", "", without_fonts, flags=re.DOTALL)
    svg = console.export_svg(title="shardlake", code_format=without_fonts, unique_id="run")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("DO_NOT_TRACK", "1")
    main()
