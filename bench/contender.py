"""What the side-by-side measurements share: a process that answers one line at a time."""

import csv
import json
import os
import platform
import re
import select
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# They choose another kernel than OpenBLAS would, or another size of its blocks; a peer is
# measured as it comes.
DISTURBING = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


class TimedOut(Exception):
    """No answer in time; the process has been ended."""


class Refused(Exception):
    """The process answered that it could not."""


class Contender:
    """A process that answers each line with one line of JSON."""

    def __init__(self, command, threads):
        environment = {k: v for k, v in os.environ.items() if k not in DISTURBING}
        for name in ["OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON"]:
            environment[f"{name}_NUM_THREADS"] = str(threads)
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, *words, limit=None):
        """The answer to a line of words, within `limit` seconds."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        # One question, one line: nothing of an earlier answer can be left in the buffer.
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        if not ready:
            self.process.kill()
            raise TimedOut(limit)
        line = self.process.stdout.readline()
        if not line:
            raise Refused(f"ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def peak(self):
        """Peak resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return round(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024, 1)

    def close(self):
        """Ends the process."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


def serve(answer):
    """The other side, in Python: answers each line of standard input by `answer(words)`."""
    # Answers go out here; what a library prints must not stand among them.
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            found = answer(line.split())
        except Exception as error:  # noqa: BLE001: told to the driver
            found = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(found), file=out, flush=True)


def build(bench="baselines", features=""):
    """Our side: an example of `crates/qualm`."""
    command = ["cargo", "build", "--release", "--locked", "-p", "qualm"]
    command += ["--example", f"bench_{bench}"]
    command += ["--features", features, "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return [m["executable"] for m in messages if m.get("executable")][-1]


def processor():
    """The processor's name and the widest vectors that it has."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", text)
    flags = re.search(r"flags\s*:\s*(.+)", text)
    flags = flags[1].split() if flags else []
    widest = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{model[1] if model else platform.processor()} ({widest})"


def machine(threads):
    """The machine in a sentence."""
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    rustc = subprocess.check_output(["rustc", "--version"], text=True).strip()
    return f"{os.cpu_count()} cores, {threads} threads, {processor()}, {memory} GiB; {rustc}"


def between_marks(path, text, name="tables"):
    """Replaces what stands between the two marks of a document that bear a name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    head, rest = path.read_text().split(begin)
    path.write_text(head + begin + text + end + rest.split(end)[1])


def write_csv(path, fields, rows):
    """Writes a file of rows that is whole at any time."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, path)


def table(header, lines):
    """A Markdown table, its first column to the left and the others to the right."""
    text = "| " + " | ".join(header) + " |\n|---|" + "---:|" * (len(header) - 1) + "\n"
    return text + "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
