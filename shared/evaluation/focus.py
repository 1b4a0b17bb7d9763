"""Measures how well `focus` finds what a query asks for, compared with no focus and with chance.

    python focus.py [--sets DIR] [--engine PROGRAM]

There are two kinds of cases:

pairs     A document is two French articles, one after the other. The query is the title of one of
          them.
sections  A document is a German article without its headings. The query is one of the headings.

The script prints the share of chosen sentences that come from the article or section of the query.
For `pairs` it also prints ROUGE against the abstract of that article.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess

from rouge_score import rouge_scorer

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").open(encoding="utf-8")]


def pairs(folder):
    """The cases, each as (document, query, span of the wanted text, abstract)."""
    articles = load(folder, "orangesum_dev")
    for i, (a, b) in enumerate(zip(articles[::2], articles[1::2])):
        document = a["document"] + "\n\n" + b["document"]
        cut = len(a["document"])
        first = i % 2 == 0
        wanted = (0, cut) if first else (cut, len(document))
        article = a if first else b
        yield document, article["title"], wanted, article["summary"]


def sections(folder):
    """The cases, each as (document, query, span of the wanted text, no abstract)."""
    for article in load(folder, "klexikon_dev"):
        parts = re.split(r"\n=+ *([^=\n]+?) *=*\n", "\n" + article["document"])
        bodies = [("", parts[0])] + list(zip(parts[1::2], parts[2::2]))
        bodies = [(title, body.strip()) for title, body in bodies if body.strip()]
        for i, (title, body) in enumerate(bodies):
            stem = title.lower()[:6]
            if not title or len(body) < 1500 or body.lower().count(stem) < 2:
                continue
            document, start = "", 0
            for j, (_, text) in enumerate(bodies):
                start = len(document) if i == j else start
                document += text + "\n\n"
            yield document, title, (start, start + len(body)), None


def run(engine, cases, focus, budget):
    lines = [
        {"id": i, "document": d, "include": ["scores"], **budget, **({"focus": q} if focus else {})}
        for i, (d, q, _, _) in enumerate(cases)
    ]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    done = subprocess.run([*engine, "summarize", "--jsonl"], input=data, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--engine", help="a built program that is used instead of `cargo local`")
    arguments = parser.parse_args()
    engine = [arguments.engine] if arguments.engine else ["cargo", "run", "--release", "--quiet", "--bin", "local", "--"]
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2"], use_stemmer=True)
    inside = lambda sentence, span: span[0] <= sentence["offset"] < span[1]

    print(f"{'set':9} {'cases':>5} {'method':9} {'wanted':>7} {'R1':>6} {'R2':>6}")
    for name, make, budget in (("pairs", pairs, {"sentences": 2}), ("sections", sections, {"sentences": 3})):
        cases = list(make(arguments.sets))
        random.Random(0).shuffle(cases)
        for method, focus in (("no focus", False), ("focus", True)):
            results = run(engine, cases, focus, budget)
            hits = [inside(s, case[2]) for case, r in zip(cases, results) for s in r["sentences"]]
            row = f"{name:9} {len(cases):5} {method:9} {100 * sum(hits) / len(hits):6.1f}%"
            if cases[0][3]:
                scores = [scorer.score(case[3], r["text"]) for case, r in zip(cases, results)]
                row += "".join(f" {100 * sum(s[m].fmeasure for s in scores) / len(scores):6.2f}" for m in ("rouge1", "rouge2"))
            print(row, flush=True)
        chance = [inside(s, case[2]) for case, r in zip(cases, results) for s in r["scores"]]
        print(f"{name:9} {len(cases):5} {'chance':9} {100 * sum(chance) / len(chance):6.1f}%", flush=True)


if __name__ == "__main__":
    main()
