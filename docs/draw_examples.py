"""Draw example.jpg of each model whose files can be downloaded: its results on the sample
photos.

docs/draw_examples.py [MODEL ...]: the models to run (default: all). The picture shows what the
command of the page finds, so a model gets none if only another precision than that of the command
can be downloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(names: Sequence[str]) -> int:
    """Run each model, and write the pictures that changed."""
    from posezoo.core.declarations.model import Model
    from posezoo.core.errors import ConversionError, DownloadError, MissingPackageError
    from posezoo.core.files.verified_files import write_atomically
    from posezoo.core.pipeline.zoo_context import open_context
    from posezoo.core.settings import read_settings, to_settings
    from posezoo.pages.cards.usage_section import PICTURE, finds_keypoints
    from posezoo.pages.example_pictures import draw_examples, encode_example
    from posezoo.pages.facts.model_facts import describe_model
    from posezoo.poses.people import noun_of
    from posezoo.run.images import read_image, sample_photos

    context = open_context(to_settings(read_settings({})))
    selection = context.registry.select(names or None)
    models: list[Model] = [*selection.composites, *selection.models]
    for model in models:
        facts = describe_model(model, context.registry)
        if not finds_keypoints(facts):
            continue
        photos = [read_image(path) for path in sample_photos(noun_of(model))]
        try:
            precision, pictures = draw_examples(facts, photos, context)
        except DownloadError:
            print(f"{model.name}: its files cannot be downloaded")
            continue
        # Its IR is made by PyTorch, or by its authors' code alone.
        except (ConversionError, MissingPackageError) as error:
            print(f"{model.name}: {error.problem}")
            continue
        if precision is not facts.usual_precision:
            print(f"{model.name}: only its {precision} IR can be downloaded")
            continue
        path = model.path.with_name(PICTURE)
        write_atomically(path, encode_example(pictures))
        print(f"drew {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
