"""Which model learns from a folder of pictures where no `--model` says it?"""

from pathlib import Path

from subitize.cli.progress import say


def model_of_folder(folder: str, run: Path | None = None) -> str:
    """The name of the model that suits a folder, said aloud; a run that has begun keeps its own.

    Args:
        folder: with pictures.
        run: where it will be trained, if that is known.

    Raises:
        NoInputError: there is no picture that can be read.
        UsageError: the folder is something that subitize wrote.
    """
    from subitize.counter.pathway import pathway
    from subitize.training.run_folder import begun_recipe

    begun = begun_recipe(run) if run else None
    if begun is not None:
        return begun.name
    chosen = pathway(folder)
    say(f"learns with {chosen.model}: {chosen.why}")
    return chosen.model
