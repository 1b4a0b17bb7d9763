"""Measures the speed of the engine, of sumy, of summa and of the Rust crate `summary`, in one run on one core.

    python speed.py [--sets DIR] [--quick]

Documents of about 3.6 KB are made from the English and French development sets. Every method
summarises each of them in three sentences. The time is the CPU time of the process without reading
the input. sumy gets sentences that are already split, because its own splitter needs a download.
summa splits the text itself. If valgrind is installed, callgrind counts the instructions per byte.
The chart `linearity.svg` is written beside this file.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ["cargo", "build", "--release", "--quiet", "-p", "summarizer", "--examples"]
DOCUMENT = 3_600
SENTENCES = 3
SIZES = [1_000 * 10 ** (step / 3) for step in range(13)]


def documents(folder, name):
    """Documents of about the same size. Short ones are joined, and long ones are left out."""
    made, parts = [], []
    for line in (folder / f"{name}.jsonl").open(encoding="utf-8"):
        text = json.loads(line)["document"]
        if len(text.encode()) > 1.3 * DOCUMENT:
            continue
        parts.append(text)
        if sum(len(part.encode()) for part in parts) >= 0.85 * DOCUMENT:
            made.append("\n\n".join(parts))
            parts = []
    return made


def lines(texts):
    return "\n".join(json.dumps(text) for text in texts).encode()


def run(program, texts, *arguments):
    done = subprocess.run([program, *map(str, arguments)], input=lines(texts), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def row(name, texts, seconds, rounds=1, note=""):
    size = sum(len(text.encode()) for text in texts) * rounds
    print(f"  {name:22} {len(texts) * rounds / seconds:10.1f} docs/s {size / seconds / 1e6:9.3f} MB/s  {note}", flush=True)


def peers(texts, language):
    """The CPU seconds that each of the other Python summarisers needs for `texts`."""
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.nlp.stemmers import Stemmer
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.summarizers.sum_basic import SumBasicSummarizer
    from sumy.utils import get_stop_words
    from summa import summarizer as textrank

    class Words:
        def to_words(self, text):
            return re.findall(r"\w+", text)

    def parsed(text):
        sentences = re.split(r"(?<=[.!?…])\s+|\n+", text)
        return ObjectDocumentModel([Paragraph([Sentence(s, Words()) for s in sentences if s.strip()])])

    ready = [parsed(text) for text in texts]
    for name, kind in (("sumy LexRank", LexRankSummarizer), ("sumy SumBasic", SumBasicSummarizer)):
        summarizer = kind(Stemmer(language))
        summarizer.stop_words = get_stop_words(language)
        begun = time.process_time()
        for document in ready:
            summarizer(document, SENTENCES)
        yield name, time.process_time() - begun
    begun = time.process_time()
    for text in texts:
        textrank.summarize(text, ratio=0.1, language=language)
    yield "summa TextRank", time.process_time() - begun


def instructions(program, texts):
    """The instructions per byte. They are calculated from the difference between three rounds and one."""
    counts = []
    for rounds in (1, 3):
        with tempfile.NamedTemporaryFile() as out:
            done = subprocess.run(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", program, str(rounds), "engine"],
                input=lines(texts),
                capture_output=True,
                check=True,
            )
        counts.append(int(re.search(rb"refs:\s*([\d,]+)", done.stderr)[1].replace(b",", b"")))
    return (counts[1] - counts[0]) / 2 / sum(len(text.encode()) for text in texts)


def linearity(program, texts):
    """The milliseconds for one document of each size, in paragraphs and on one line."""
    source = "\n\n".join(texts)
    source = source * (1 + int(SIZES[-1]) // len(source))
    table = []
    for size in SIZES:
        text = source[: int(size)]
        rounds = max(1, int(3e6 / size))
        times = []
        for variant in (text, text.replace("\n", " ")):
            result = run(program, [variant], rounds, "engine")[0]
            times.append(1000 * result["cpu_seconds"] / rounds)
        table.append((len(text.encode()), *times, result["peak_resident_bytes"]))
    return table


def chart(table, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "linearity"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    sizes = [size for size, *_ in table]
    axes.loglog(sizes, [lined for _, lined, _, _ in table], "o-", label="in paragraphs")
    axes.loglog(sizes, [flat for _, _, flat, _ in table], "s--", label="on one line")
    slope = table[len(table) // 2]
    axes.loglog(sizes, [slope[1] * size / slope[0] for size in sizes], ":", color="grey", label="linear")
    axes.set_xlabel("document, bytes")
    axes.set_ylabel("CPU time, ms")
    axes.legend()
    axes.grid(True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--program", type=pathlib.Path, help="a built program `engine_speed`, which is used instead of building it")
    parser.add_argument("--quick", action="store_true", help="leave out callgrind and the chart")
    arguments = parser.parse_args()
    program = arguments.program
    if program is None:
        subprocess.run(BUILD, cwd=ROOT, check=True)
        program = ROOT / "target" / "release" / "examples" / "engine_speed"

    for name, language in (("scitldr_dev", "english"), ("orangesum_dev", "french")):
        texts = documents(arguments.sets, name)
        print(f"{language}: {len(texts)} documents, {sum(len(t.encode()) for t in texts) // len(texts)} bytes each")
        methods = ("engine", "summary") if language == "english" else ("engine",)
        for result in run(program, texts, 10, *methods):
            label = {"engine": "SummarEase", "summary": "summary (Rust crate)"}[result["method"]]
            note = f"first {1000 * result['first_cpu_seconds']:.1f} ms"
            row(label, texts, result["cpu_seconds"], 10, note)
        allocations = run(program.with_name("engine_allocations"), texts)[0]
        print(f"  {allocations['allocations']} allocations and {allocations['allocated_bytes'] / 1000:.0f} kB per document")
        few = texts[:20]
        for label, seconds in peers(few, language):
            row(label, few, seconds)
        if not arguments.quick and shutil.which("valgrind"):
            print(f"  {instructions(program, texts[:60]):.0f} instructions per byte")
    if arguments.quick:
        return
    table = linearity(program, documents(arguments.sets, "scitldr_dev"))
    print("one document: bytes, ms in paragraphs, ms on one line, peak resident MB")
    for size, lined, flat, resident in table:
        print(f"  {size:9} {lined:9.3f} {flat:9.3f} {resident / 1e6:7.1f}")
    chart(table, pathlib.Path(__file__).with_name("linearity.svg"))


if __name__ == "__main__":
    main()
