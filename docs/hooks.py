"""Fill the docs from what they speak of: tables from the code, numbers from the committed results.

mkdocs calls `on_page_markdown`; `python docs/hooks.py` renews the numbers in the README.
"""

import html
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, wraps
from math import log
from pathlib import Path
from statistics import mean
from typing import Any

from claim_tables import CLAIM_TABLES, tested

from subitize.core.results import Result

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
EXPERIMENTS = ROOT / "experiments" / "results"
README_BLOCK = re.compile(r"(<!-- numbers: python docs/hooks.py -->\n).*?(<!-- end -->)", re.DOTALL)

ANSWERS = ("count", "val", "show")  # verbs whose start is measured


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace {{name}} by what the function of that name makes."""
    others = (
        estimators,
        raced,
        air_raced,
        mathematics,
        covariates,
        numbers,
        highlights,
        doubts,
        no_sums,
        cells,
        doubts_of_a_catalogue,
        doubts_of_runs,
        reasons_of_files,
        fields,
        real_fields,
        digits_in_a_folder,
        first_table,
        many_pictures,
        parts,
        killed_while_learning,
        start,
        zoo,
        contrastive_divergence,
        install_sizes,
    )
    for make in (*CLAIM_TABLES, *others):
        mark = f"{{{{{make.__name__}}}}}"
        markdown = markdown.replace(mark, make()) if mark in markdown else markdown
    return markdown


def of_result(name: str, script: str | None = None) -> Callable[[Callable[[Result], str]], Callable[[], str]]:
    """A decorator: what makes text of a committed result; without one the text says how to measure it."""

    def decorated(make: Callable[[Result], str]) -> Callable[[], str]:
        @wraps(make)
        def text() -> str:
            found = result(name)
            return (
                make(found) if found else f"Not yet measured: `python benchmarks/{script or f'{name}.py'}`."
            )

        return text

    return decorated


def estimators() -> str:
    """Rows of the table of estimators."""
    import jax.numpy as jnp

    from subitize.core.distributions import Bernoulli, Categorical, Normal, Stopping
    from subitize.gradients import ESTIMATORS

    zeros = jnp.zeros(2)
    sites = [Bernoulli(zeros), Categorical(zeros), Stopping(zeros), Normal(zeros, zeros)]
    rows = []
    for word, build in ESTIMATORS.items():
        estimator = build()
        takes = ", ".join(type(site).__name__ for site in sites if estimator.why_not(site) is None)
        says = ((build.__doc__ or type(estimator).__doc__) or "").splitlines()[0].rstrip(".")
        kept = "yes" if estimator.unbiased else "no"
        rows.append(f"| `{word}` | {says} | {kept} | {estimator.reference} | {takes} |")
    return "\n".join(rows)


def zoo() -> str:
    """A row for each generative model: its sentence, and what its learner can do."""
    from subitize.core.interfaces import DataSpec, HasLikelihood, Sampler
    from subitize.core.optimizer import Optimizer
    from subitize.registry import HOMES, LEARNERS

    rows = ["| model | | draws | likelihood | labels | presets |", "|---|---|---|---|---|---|"]
    for name in (name for name, home in HOMES.items() if home.startswith("subitize.zoo.")):
        settings = LEARNERS[name]()
        learner = settings.learner(DataSpec(28, 28, 1, size=1, classes=10), Optimizer(), 1)
        can = (isinstance(learner, Sampler), isinstance(learner, HasLikelihood))
        told = ["yes" if each else "" for each in (*can, getattr(settings, "supervised", False))]
        presets = ", ".join(f"`{preset}`" for preset in getattr(settings, "presets", {}))
        sentence = (settings.__doc__ or "").splitlines()[0]
        rows.append(f"| `{name}` | {sentence} | {' | '.join(told)} | {presets} |")
    return "\n".join(rows)


def contrastive_divergence() -> str:
    """How far updates are from the exact gradient at the end of a training."""
    found = result("contrastive_divergence")
    if found is None:
        return "Not yet run: `python experiments/contrastive_divergence.py`."
    ways = {name: s for name, s in found.summary.items() if "cosine" in s}
    rows = [
        f"| {name} | {s['cosine']:.3f} | {s['bias']:.3f} | {s['divergence']:.3f} |"
        for name, s in ways.items()
    ]
    updates = max(s["updates"] for s in ways.values())
    head = f"| after {updates:,} updates | cosine | bias | KL(p_0 \\| p), nats |\n|---|--:|--:|--:|"
    curl = found.summary["asymmetry_of_the_jacobian"]
    told = (
        f"The Jacobian of CD-1 is not symmetric: ‖J - Jᵀ‖ / ‖J + Jᵀ‖ is {curl['CD-1']:.2g} at the end of its "
        f"training. That of the exact gradient is {curl['exact']:.0e}, which is rounding ({measured(found)})."
    )
    return "\n".join([head, *rows, "", told])


def mathematics() -> str:
    """What every file of an estimator says about itself."""
    import inspect

    from subitize.gradients import ESTIMATORS

    files: dict[str, list[str]] = {}
    for word, build in ESTIMATORS.items():
        files.setdefault(inspect.getmodule(type(build())).__doc__ or "", []).append(word)
    sections = []
    for text, words in files.items():
        head, _, body = text.partition("\n")
        sections += [f"### {', '.join(words)}", head, body.strip("\n")]
    return "\n\n".join(sections)


def raced() -> str:
    """The belief network's bound after equal time, best first."""
    race = result("belief_net_race")
    if race is None:
        return "Not yet run: `python benchmarks/belief_nets.py --part race`."
    head = "| estimator | training bound, every seed | test bound | steps | runs per example |"
    head += "\n|---|---|---|---|---|"
    texts = [race.note] if race.note else []
    for length, ranked in race.summary.items():
        rows = [
            f"| {marked(name)} | {bounds(s['train_bounds'])} | {bounds(s['test_bounds'])} "
            f"| {s['steps']:,} | {s['evaluations']:,} |"
            for name, s in ranked.items()
        ]
        own = [run for run in race.runs if f"{run['seconds'] / 60:g} minutes" == length]
        seeds, made = len({run["seed"] for run in own}), race.provenance
        places = dict.fromkeys(f"{(made | run)['cpu']}, {(made | run)['date']}" for run in own)
        texts.append(
            f"A sigmoid belief network of two layers of 200 on binarised MNIST: {length} of one core, one "
            f"learning rate for all; bounds in nats (`python benchmarks/belief_nets.py --part race --minutes "
            f"{length.split()[0]} --seeds {seeds}`, {'; '.join(places)}).\n\n" + "\n".join([head, *rows])
        )
    return "\n\n".join(texts)


def air_raced() -> str:
    """What AIR's count makes of each estimator, the soonest at 98 % first."""
    found = result("estimators_on_air")
    if found is None:
        return "Not yet run: `python benchmarks/estimators_on_air.py`."
    rows = []
    for name, s in found.summary.items():
        last = [run["curve"][-1][2] for run in found.runs if run["estimator"] == name]
        times = [s[f"median_seconds_to_{level}%"] for level in (95, 98)]
        cells = [", ".join(f"{100 * value:.1f} %" for value in last)]
        cells += ["never" if time is None else f"{time:.0f} s" for time in times]
        rows.append((times[1] or float("inf"), f"| {marked(name)} | {' | '.join(cells)} |"))
    head = "| estimator | counted right in the end, every seed | 95 % after | 98 % after |\n|---|---|---|---|"
    text = (
        "Attend, Infer, Repeat on MNIST scenes of 0-2 digits, the estimator of its count swapped and nothing "
        "else; held-out scenes, median seconds of one core, from the start of the process "
        f"({measured(found)})."
    )
    return "\n".join([text, "", head, *(row for _, row in sorted(rows))])


def bounds(values: list[float]) -> str:
    """Bounds of all seeds, in nats."""
    return ", ".join(f"{value:.1f}" for value in values)


def marked(word: str) -> str:
    """An estimator's word, and whether it is biased."""
    from subitize.gradients import ESTIMATORS, caption

    return caption(f"`{word}`", unbiased=word not in ESTIMATORS or ESTIMATORS[word]().unbiased)


def doubts() -> str:
    """The reasons for review that AIR and DAIR give."""
    from subitize.evaluation.reasons import OF_AIR_AND_DAIR, OF_EVERY_MODEL

    return codes(OF_AIR_AND_DAIR | OF_EVERY_MODEL)


def doubts_of_a_catalogue() -> str:
    """The reasons for review that a catalogue gives."""
    from subitize.evaluation.reasons import OF_A_CATALOGUE, OF_EVERY_MODEL

    return codes(OF_A_CATALOGUE | OF_EVERY_MODEL)


def doubts_of_runs() -> str:
    """What a run may say against itself."""
    from subitize.evaluation.reasons import OF_THE_RUN

    return codes(OF_THE_RUN)


def reasons_of_files() -> str:
    """Why a file may have no count."""
    from subitize.evaluation.reasons import OF_A_FILE

    return codes(OF_A_FILE)


def codes(meanings: dict[str, str]) -> str:
    """A table of codes and what they mean."""
    rows = (f"| `{code}` | {meaning} |" for code, meaning in meanings.items())
    return "\n".join(["| code | what it means |", "|---|---|", *rows])


@of_result("fields")
def fields(found: Result) -> str:
    """Errors on folders of many things, beside the rivals."""
    columns = {
        "catalogue, %": ("error", hundredths),
        "watershed, %": ("watershed", tenths),
        "Laplacian of Gaussian, %": ("log", tenths),
        **OF_INTERVALS,
    }
    what = (
        "Drawn folders of eight pictures with 50 to 200 things each: error in counting, as a share of them."
    )
    return of_folders(found, what, columns)


@of_result("fields_pictures", "fields.py --real pictures")
def real_fields(found: Result) -> str:
    """Errors on real folders, beside a watershed at the resolution of the pictures."""
    columns = {
        "catalogue, %": ("error", tenths),
        "watershed, %": ("well_made", tenths),
        "F1, catalogue": ("f1", "{:.3f}".format),
        "F1, watershed": ("well_made_f1", "{:.3f}".format),
        **OF_INTERVALS,
        "holds once the others are verified, %": ("covered_after_verify", whole),
        "its width then, %": ("width_after_verify", whole),
    }
    what = (
        "Real folders: error in counting as a share of the objects, and F1 of one-to-one matches within half "
        "a diameter, where places are known. The watershed is one made by hand at the resolution of the "
        "pictures. Settings were chosen while these folders were seen."
    )
    return of_folders(found, what, columns)


def hundredths(share: float) -> str:
    """A share in hundredths of a percent."""
    return f"{100 * share:.2f}"


def tenths(share: float) -> str:
    """A share in tenths of a percent."""
    return f"{100 * share:.1f}"


def whole(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f}"


Columns = dict[str, tuple[str, Callable[[float], str]]]  # head -> a number in the summary, and how it is told
OF_INTERVALS: Columns = {
    "90 % interval holds, %": ("covered", whole),
    "its width, % of the count": ("width", whole),
}


def of_folders(found: Result, what: str, columns: Columns) -> str:
    """A table with a row for each folder, under a sentence and above its provenance."""
    rows = [
        " | ".join(
            [f"| {folder}", *(tell(row[name]) if name in row else "" for name, tell in columns.values())]
        )
        for folder, row in found.summary.items()
    ]
    which = "One seed" if numbers_of_seeds(found) == "1" else f"Means of {numbers_of_seeds(found)} seeds"
    head = [what, "", f"| folder | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    return "\n".join([*head, *(f"{row} |" for row in rows), "", f"{which}; {measured(found)}."])


def no_sums() -> str:
    """How surely models learn from no sum scenes, as they do from a folder."""
    rows = ["| | right, mean | on the worst seed | seeds | began again |\n|---|---|---|---|---|"]
    places = []
    for learner in ("air", "dair"):
        if found := result(f"count_accuracy_of_{learner}_without_sums"):
            s = found.summary
            shares = f"{s['accuracy_mean']:.1%} | {s['accuracy_worst']:.1%}"
            rows.append(f"| `{learner}` | {shares} | {s['seeds']} | {s['restarts']} |")
            places.append(measured(found))
    return "\n".join([*rows, "", f"{'; '.join(places)}."])


@of_result("cells")
def cells(found: Result) -> str:
    """What the documented command counts on drawn folders of cells."""
    head = "| model | seed | right | wrong without review | codes of the run |\n|---|---|---|---|---|"
    rows = [
        f"| `{r['model']}` | {r['seed']} | {r['right']} of {r['of']} | {r['wrong_without_review']} | "
        f"{', '.join(r['run_flags']) or 'none'} |"
        for r in found.runs
    ]
    what = "Drawn folders of none to four cells that do not touch, 400 to learn from and 60 to count:"
    return "\n".join([what, "", head, *rows, "", f"{measured(found)}."])


@of_result("digits_in_a_folder")
def digits_in_a_folder(found: Result) -> str:
    """How well folders of digits are counted, by the model that suits them and by the other."""
    head = (
        "| asked for | learned by | seed | right | to review | wrong without review | seconds to learn |\n"
        "|---|---|---|--:|--:|--:|--:|"
    )
    rows = [
        f"| {r['asked_for']} | `{r['model']}` | {r['seed']} | {r['right'] / r['of']:.1%} | "
        f"{r['to_review'] / r['of']:.1%} | {r['wrong_without_review'] / r['of']:.2%} | "
        f"{r['seconds_to_learn']} |"
        for r in found.runs
    ]
    what = "Folders of 2,000 pictures with none to two MNIST digits, and 10,000 others to count:"
    return "\n".join([what, "", head, *rows, "", f"{measured(found)}."])


@of_result("first_table")
def first_table(found: Result) -> str:
    """How long the one command takes."""
    s = found.summary
    return (
        f"Of {s['pictures']} pictures of {s['megapixels_each']:.1f} megapixels the table was there after "
        f"{s['seconds_from_command_to_table']:.0f} seconds, learning and compiling included. After that it "
        f"took {s['seconds_a_megapixel_after_that']:.1f} seconds a megapixel ({measured(found)})."
    )


@of_result("many_pictures")
def many_pictures(found: Result) -> str:
    """How fast small pictures are counted."""
    s = found.summary
    return (
        f"One process counted {s['pictures']:,} pictures of 40x40 pixels by `air` in {s['seconds']:,.0f} "
        f"seconds, {s['pictures_a_second']} a second with its start and its tables. It took at most "
        f"{s['most_gigabytes']:.1f} GB of memory, as did its training ({measured(found)})."
    )


@of_result("parts")
def parts(found: Result) -> str:
    """Whether counts end the same whose workers are killed."""
    s = found.summary
    return (
        f"Of {s['kills']} counts by clusters of one to four workers, one of which was killed at a random "
        f"moment, {s['identical']} ended with the same bytes as the count of one process ({measured(found)})."
    )


@of_result("count_survives_kills_while_learning", "count_survives_kills.py --learn")
def killed_while_learning(found: Result) -> str:
    """Whether counts that learn end the same when they are killed."""
    s = found.summary
    return (
        f"Of {s['kills']} counts that learned from their folder and were killed at a random moment, "
        f"{s['identical']} ended with the same bytes. {s['while_learning']} were killed while they learned "
        f"({measured(found)})."
    )


@of_result("start")
def start(found: Result) -> str:
    """How soon the first answers come, beside an earlier version."""
    train, own = found.summary["train"], found.summary
    rows = [
        ("training, core seconds to the first look", train["process_seconds_to_first_look"]),
        ("training, seconds to the first look", train["seconds_to_first_look"]),
        ("training, seconds to 98 % of held-out scenes", train["seconds_to_98"]),
        *((f"`{verb}`, {how}, seconds", own[verb][how]) for verb in ANSWERS for how in ("cold", "warm")),
    ]
    head = "| | now | version 9710018 | ratio |\n|---|--:|--:|--:|"
    lines = [f"| {name} | {s['now_median']} | {s['then_median']} | {s['ratio_median']} |" for name, s in rows]
    trained = [run["now"] for run in found.runs if run["verb"] == "train"]
    reached = sum(run["seconds_to_98"] is not None for run in trained)
    told = (
        f"Medians of {len(trained)} seeds ({measured(found)}). By `fast`, {reached} of them reached 98 %; "
        f"the others ended at {', '.join(f'{100 * low:.1f} %' for low in lows(trained))}."
    )
    return "\n".join([head, *lines, "", told])


def lows(trained: Sequence[dict[str, Any]]) -> list[float]:
    """The last accuracies of runs that never reached the level."""
    return [run["accuracies"][-1] for run in trained if run["seconds_to_98"] is None]


@of_result("install_size")
def install_sizes(found: Result) -> str:
    """What installations bring along."""
    head = "| by pip alone, on Linux | packages | MB |\n|---|--:|--:|"
    rows = [f"| {name} | {s['packages']} | {s['megabytes']:,} |" for name, s in found.summary.items()]
    return "\n".join([head, *rows, "", f"{measured(found)}."])


def covariates() -> str:
    """Variances of the integral, measured and by the formula."""
    found = result("control_variates")
    if found is None:
        return "Not yet run: `python experiments/control_variates.py`."
    rows = [
        f"| {name} | {r['coefficient']:.3f} | {r['mean_of_estimates']:.5f} | {r['variance']:.3g} ± "
        f"{r['standard_error']:.1g} | {r['variance_by_formula']:.3g} |"
        for name, r in found.summary.items()
    ]
    head = "| covariate | β | mean of the estimates | variance | by the formula |\n|---|---|---|---|---|"
    return "\n".join([head, *rows, "", f"{measured(found)}. ln 2 = {log(2):.5f}."])


def result(name: str) -> Result | None:
    """A committed result, None if that benchmark or experiment has not been run."""
    paths = [folder / f"{name}.json" for folder in (RESULTS, EXPERIMENTS)]
    return next((Result.read(path) for path in paths if path.exists()), None)


def measured(found: Result) -> str:
    """When a result was measured; by which command, where and of which commit is shown under the pointer."""
    sittings = found.sittings or (found.provenance,)
    days = dict.fromkeys(made["date"] for made in sittings)
    older = any(changed_since(made["commit"], code_of(found.name)) for made in sittings)
    told = html.escape(found.where().replace("`", ""))
    since = "; its code has changed since" if older else ""
    return f'<abbr title="{told}">measured {", ".join(days)}</abbr>{since}'


def code_of(name: str) -> tuple[str, ...]:
    """The rooms of the code that a result speaks of."""
    return next((rooms for begin, rooms in CODE.items() if name.startswith(begin)), COUNTERS)


COUNTERS = ("models", "gradients", "scenes", "training", "counter", "evaluation")
GLANCE = ("models/catalogue", "counter", "evaluation")
DIFFUSIONS = ("zoo/diffusion.py", "zoo/gaussian_diffusion.py")
CODE = {  # by how the name of a result begins; of others that of all counters
    **dict.fromkeys(("fields", "cells", "first_table", "parts", "count_survives"), GLANCE),
    **dict.fromkeys(("belief_net", "gradient", "toy", "control"), ("gradients", "core/distributions")),
    "survives_kills": ("training",),
    "bit_flips": ("training", "core"),
    "contrastive": ("models",),
    "diffusion": ("gradients/diffusion_learner.py", "models/time_network.py", *DIFFUSIONS),
    "install_size": ("../../pyproject.toml",),
}


@cache
def changed_since(commit: str | None, rooms: tuple[str, ...]) -> bool:
    """Whether these rooms are no longer as at a commit; not known, and so no, where there is no history."""
    if commit is None:
        return False
    paths = [f"src/subitize/{room}" for room in rooms]
    asked = ["git", "-C", str(ROOT), "diff", "--quiet", commit, "--", *paths]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 1


def highlights() -> str:
    """The short list of numbers for the README, and where each was measured."""
    told = [each for make in HIGHLIGHTS if (each := make())]
    lines = [f"- {text} ({number})" for number, (text, _) in enumerate(told, 1)]
    rows = [f"| {number} | {where} |" for number, (_, where) in enumerate(told, 1)]
    return "\n".join([*lines, "", "| | measured by |\n|--:|---|", *rows])


HIGHLIGHTS: list[Callable[[], tuple[str, str] | None]] = []


def highlight(name: str, read: Callable[[str], Result | None] = result) -> Callable:
    """A decorator: what makes text of a result is a highlight of the README, if there is that result."""

    def listed(make: Callable[[Result], str]) -> Callable[[Result], str]:
        HIGHLIGHTS.append(lambda: (make(found), found.where()) if (found := read(name)) else None)
        return make

    return listed


@highlight("fields")
def folders_counted(found: Result) -> str:
    """How wrong a catalogue is on drawn folders."""
    each = "; ".join(
        f"{kind} {hundredths(s['error'])} % ({tenths(s['watershed'])}, {tenths(s['log'])})"
        for kind, s in found.summary.items()
    )
    return (
        "**It counts folders that nobody labelled.** Relative error of the count on synthetic pictures of 50 "
        "to 200 objects, by data set, and in brackets that of watershed and Laplacian of Gaussian: "
        f"{each}. Means of {numbers_of_seeds(found)} seeds."
    )


def numbers_of_seeds(found: Result) -> str:
    """How many seeds the means of folders are of, from the least to the most."""
    seeds = Counter(run["folder"] for run in found.runs).values()
    return " to ".join(map(str, sorted({min(seeds), max(seeds)})))


@highlight("count_accuracy")
def counted_on_every_seed(found: Result) -> str:
    """How often AIR is right, and how soon."""
    s = found.summary
    return (
        "**It learns to count on every seed.** It was never told a count of MNIST scenes of 0-2 digits, and "
        f"tells {s['accuracy_mean']:.2%} of {s['held_out_scenes_per_seed']:,} held-out ones right. The worst "
        f"of {s['seeds']} seeds reaches {s['accuracy_worst']:.2%}. The median time to 98 % is "
        f"{s['median_seconds_to_98%']:.0f} s, compilation included."
    )


@highlight("beyond_training")
def counted_more(found: Result) -> str:
    """How often DAIR is right about counts that no training scene had."""
    by_passes = found.summary["0, 1, 2"]
    passes = max(by_passes, key=int)
    refined, once = (
        {n: f"{100 * mean(shares):.0f} %" for n, shares in by_passes[own].items()} for own in (passes, "1")
    )
    return (
        "**It counts more than it was shown.** DAIR is AIR whose attention sees what the reconstruction "
        "leaves. It learned from scenes of none to two digits and from sum scenes. With "
        f"{passes} refinement passes it counts three right in {refined['3']} of held-out scenes and four in "
        f"{refined['4']}. In one pass it is {once['3']} and {once['4']}. Means of "
        f"{len(by_passes[passes]['3'])} seeds."
    )


@highlight("open_ended", tested)
def counted_twice_as_many(found: Result) -> str:
    """How often DAIR is right about twice as many."""
    from subitize.reproduce.counters import OPEN_ENDED_MOST, PASSES

    six = {name: mean(found.values(name)) for name in found.summary["conditions"]}
    return (
        "**It counts six when it was shown three.** With a count prior of unbounded support DAIR is right in "
        f"{six['exact']:.0f} % of held-out scenes of six digits. In {six['within_one']:.1f} % it is wrong by "
        f"one at most. It looks for up to {OPEN_ENDED_MOST}, in {PASSES} refinement passes. Means of "
        f"{len(found.runs)} seeds."
    )


@highlight("survives_kills")
def killed_and_resumed(found: Result) -> str:
    """How many killed runs end as if nothing had happened."""
    s = found.summary
    return (
        f"**Kill it whenever you like.** Of {s['kills']} runs killed with SIGKILL at random moments and "
        f"resumed {s['identical']} ended with the same bytes. {s['while_training']} were killed while they "
        "trained, the others while they started or ended."
    )


@highlight("belief_net_anchor")
def as_the_authors_had_it(found: Result) -> str:
    """The anchor of the estimators."""
    last = list(found.summary.values())[-1]
    return (
        "**It reproduces what authors logged.** The sigmoid belief network of the REBAR paper reaches an "
        f"ELBO of {last['here']:.1f} nats on binarized MNIST after {len(found.summary)} epochs, mean of "
        f"{len(found.runs)} seeds. Its authors logged {last['logged']:.1f}."
    )


def numbers() -> str:
    """The page of numbers: every result, its summary as a table, its seeds below."""
    sections = []
    for path in sorted([*RESULTS.glob("*.json"), *EXPERIMENTS.glob("*.json")]):
        found = Result.read(path)
        sections += [f"## {path.stem.replace('_', ' ').capitalize()}", measured(found) + "."]
        if found.note:
            sections.append(found.note)
        sections.append(table(found.summary))
        if found.runs:
            sections.append(runs_table(found.runs))
    return "\n\n".join(sections)


def table(values: dict[str, Any]) -> str:
    """Names and values; nested ones side by side, the longer side downwards; deeper ones apart."""
    inner = list(values.values())
    if not (inner and all(isinstance(v, dict) for v in inner)):
        rows = [f"| {name.replace('_', ' ')} | {shown(value)} |" for name, value in values.items()]
        return "\n".join(["| | |\n|---|---|", *rows])
    if all(isinstance(v, dict) for nested in inner for v in nested.values()):
        return "\n\n".join(f"{name}:\n\n{table(nested)}" for name, nested in values.items())
    names = list(inner[0])
    if len(values) > len(names):
        values, names = {name: {k: v.get(name) for k, v in values.items()} for name in names}, list(values)
    head = f"| | {' | '.join(values)} |\n|---|{'---|' * len(values)}"
    rows = [f"| {name} | {' | '.join(cell(v, name) for v in values.values())} |" for name in names]
    return "\n".join([head, *rows])


def runs_table(runs: Sequence[dict[str, Any]]) -> str:
    """One row a run, of the fields that are single numbers or words in every run that has them."""
    deep = {k for run in runs for k, v in run.items() if isinstance(v, list | dict)}
    columns = [k for k in dict.fromkeys(k for run in runs for k in run) if k not in deep]
    head = f"| {' | '.join(c.replace('_', ' ') for c in columns)} |\n|{'---|' * len(columns)}"
    return "\n".join([head, *(f"| {' | '.join(cell(run, c) for c in columns)} |" for run in runs)])


def cell(values: dict[str, Any], name: str) -> str:
    """One of some values as people read it: never, if its time has not come; - if nothing is known."""
    if values.get(name) is None:
        return "never" if name in values and "seconds" in name else "-"
    return shown(values[name])


def shown(value: Any) -> str:
    """A number with the digits it deserves."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def renewed(readme: str) -> str:
    """The README with its numbers renewed."""
    return README_BLOCK.sub(lambda m: f"{m[1]}{highlights()}\n{m[2]}", readme)


if __name__ == "__main__":
    (ROOT / "README.md").write_text(renewed((ROOT / "README.md").read_text()))
