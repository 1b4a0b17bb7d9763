"""Measures ROUGE and the dangling rate of the engine, of Lead and of LexRank from sumy, in one run.

    python quality.py [--sets DIR] [--engine PROGRAM] [--no-lexrank] [--limit N]

Every method gets the same sentences, which the engine has split, and must keep the same length.
ROUGE is the F1 score of `rouge-score` with its Porter stemmer, in per cent. If a document has
several references, the best one counts. The dangling rate is the share of chosen sentences that are
dependent sentences without the sentence before them. Sets are JSON Lines with `id`, `lang`,
`document` and `summary` (or `summaries`).
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

from rouge_score import rouge_scorer

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The length of the summaries of each set.
BUDGETS = {
    "scitldr_dev": {"sentences": 1},
    "orangesum_dev": {"sentences": 1},
    "klexikon_dev": {"words": 350},
    "qmsum_dev": {"words": 112},
}
# The first words of dependent sentences in each language.
DEPENDENT = {
    "en": "he she it they his her its their him them this that these those but and or so however "
    "then also yet still thus therefore hence instead meanwhile moreover furthermore nevertheless "
    "nonetheless besides otherwise such consequently accordingly additionally similarly likewise",
    "fr": "il elle ils elles ce cela ceci ça celui-ci celle-ci ceux-ci celles-ci celui celle ceux "
    "celles cette ces cet son sa ses leur leurs mais et ou donc or car cependant toutefois pourtant "
    "néanmoins ainsi aussi puis ensuite enfin alors",
    "de": "er sie es dies dieser diese dieses diesem diesen sein seine seinen seiner ihr ihre ihren "
    "ihrer aber und oder doch jedoch dennoch deshalb daher darum deswegen also außerdem zudem "
    "dann danach dabei dadurch damit dort",
}
LABEL = re.compile(r"^[\w .'-]{1,40}:\s+")
SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")
METRICS = ("rouge1", "rouge2", "rougeLsum")


def is_dependent(sentence, language):
    """Whether a sentence is a dependent sentence. Quotation marks and a speaker's label are skipped."""
    words = re.findall(r"[\w'’-]+", LABEL.sub("", sentence).lower())
    return bool(words) and words[0] in DEPENDENT.get(language, "").split()


def size(text):
    """The number of words, about as the engine counts them."""
    return len(re.findall(r"\w+(?:[.'’]\w+)*", text))


def fill(order, sentences, budget):
    """The sentences of `order` that fit the budget, in document order."""
    chosen, room = [], budget.get("sentences") or budget["words"]
    for i in order:
        cost = 1 if "sentences" in budget else size(sentences[i])
        if cost <= room:
            room -= cost
            chosen.append(i)
        if room <= 0:
            break
    return sorted(chosen)


def lexrank(sentences, language):
    """The numbers of the sentences in the order of LexRank from sumy, the best first."""
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.nlp.stemmers import Stemmer
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.utils import get_stop_words

    name = {"en": "english", "fr": "french", "de": "german"}[language]

    class Words:
        def to_words(self, text):
            return re.findall(r"\w+", text)

    units = [Sentence(text, Words()) for text in sentences]
    document = ObjectDocumentModel([Paragraph(units)])
    summarizer = LexRankSummarizer(Stemmer(name))
    summarizer.stop_words = get_stop_words(name)
    # The public function returns sentences without their ranks, so that its parts are called here.
    words = [summarizer._to_words_set(unit) for unit in document.sentences]
    tf = summarizer._compute_tf(words)
    idf = summarizer._compute_idf(words)
    matrix = summarizer._create_matrix(words, summarizer.threshold, tf, idf)
    scores = summarizer.power_method(matrix, summarizer.epsilon)
    return sorted(range(len(sentences)), key=lambda i: -scores[i])


def measure(job):
    """The scores of one document for each method."""
    entry, result, budget, with_lexrank = job
    document = entry["document"]
    spans = [(s["offset"], s["offset"] + s["length"]) for s in result["scores"]]
    sentences = [" ".join(document[a:b].split()) for a, b in spans]
    place = {span: i for i, span in enumerate(spans)}
    ours = [place.get((s["offset"], s["offset"] + s["length"])) for s in result["sentences"]]
    methods = {"Lead": fill(range(len(sentences)), sentences, budget), "engine": ours}
    if with_lexrank:
        methods["LexRank"] = fill(lexrank(sentences, entry["lang"]), sentences, budget)
    scorer = rouge_scorer.RougeScorer(METRICS, use_stemmer=True)
    references = entry.get("summaries") or [entry["summary"]]
    outcome = {}
    for method, chosen in methods.items():
        if None in chosen:
            texts, dangling = [" ".join(s["text"].split()) for s in result["sentences"]], 0
        else:
            texts = [sentences[i] for i in chosen]
            dangling = sum(i > 0 and i - 1 not in chosen and is_dependent(sentences[i], entry["lang"]) for i in chosen)
        scores = [scorer.score("\n".join(SENTENCE.split(r)), "\n".join(texts)) for r in references]
        best = max(scores, key=lambda s: s["rouge1"].fmeasure)
        outcome[method] = ([100 * best[m].fmeasure for m in METRICS], dangling, len(texts))
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--engine", help="a built program that is used instead of `cargo local`")
    parser.add_argument("--only", help="the name of the only set to measure")
    parser.add_argument("--no-lexrank", action="store_true")
    parser.add_argument("--limit", type=int, help="how many documents of each set to measure")
    parser.add_argument("--titles", action="store_true", help="put the title above the document")
    parser.add_argument("--budget", type=json.loads, help='a length for all sets, such as {"words": 55}')
    arguments = parser.parse_args()
    engine = [arguments.engine] if arguments.engine else ["cargo", "run", "--release", "--quiet", "--bin", "local", "--"]

    print(f"{'set':14} {'method':8} {'R1':>6} {'R2':>6} {'RLsum':>6} {'dangling':>9}")
    for name, budget in BUDGETS.items():
        budget = arguments.budget or budget
        if arguments.only and name != arguments.only:
            continue
        path = arguments.sets / f"{name}.jsonl"
        if not path.exists():
            sys.exit(f"{path} does not exist. Give the folder of the sets with --sets.")
        entries = [json.loads(line) for line in path.open(encoding="utf-8")][: arguments.limit]
        if arguments.titles:
            entries = [{**e, "document": e["title"] + "\n\n" + e["document"]} for e in entries]
        lines = [{"id": i, "document": e["document"], "include": ["scores"], **budget} for i, e in enumerate(entries)]
        done = subprocess.run(
            [*engine, "summarize", "--jsonl"],
            input="\n".join(json.dumps(line) for line in lines).encode(),
            stdout=subprocess.PIPE,
            check=True,
            cwd=ROOT,
        )
        results = [json.loads(line) for line in done.stdout.splitlines()]
        jobs = [(e, r, budget, not arguments.no_lexrank) for e, r in zip(entries, results, strict=True)]
        with ProcessPoolExecutor() as pool:
            outcomes = list(pool.map(measure, jobs, chunksize=5))
        for method in outcomes[0]:
            rows = [outcome[method] for outcome in outcomes]
            mean = [sum(row[0][i] for row in rows) / len(rows) for i in range(3)]
            dangling = 100 * sum(row[1] for row in rows) / max(1, sum(row[2] for row in rows))
            print(f"{name:14} {method:8} {mean[0]:6.2f} {mean[1]:6.2f} {mean[2]:6.2f} {dangling:8.1f}%", flush=True)


if __name__ == "__main__":
    main()
