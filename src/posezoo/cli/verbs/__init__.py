"""The verbs of ``posezoo``: each is a module with ``EXAMPLES``, ``FLAGS`` and ``run(args) -> int``;
some have their own ``USAGE``.
"""

#: The summaries of the verbs, below the headings of the help. The help of the whole command line
#: needs nothing else: importing all verbs takes several times as long.
VERB_GROUPS = {
    "use models": {
        "run": "find the poses in images and videos with a model of the zoo",
        "demo": "find poses in images, videos and cameras, and show them",
        "export": (
            "get models, and write what a model server, a pipeline or a program in another language"
            " needs"
        ),
    },
    "find and make models": {
        "list": "list the models of the zoo",
        "info": "show what is declared about models: files, license, inputs, outputs",
        "card": "draw the model cards: a Markdown page for each model",
        "plan": "show what posezoo get would download, convert and write, and what prevents it",
        "get": "download models and convert them to OpenVINO IR",
        "download": "download the published files of models and verify them",
        "pull": "download models from an OCI registry, and verify them",
        "convert": "convert downloaded models to OpenVINO IR",
        "quantize": "make INT8 IR from FP32 IR, and measure how much their results differ",
    },
    "measure models": {
        "evaluate": "measure how accurately a model finds poses, on annotated images",
        "benchmark": "measure how fast models run on this machine",
        "compare": "compare models: AP and speed of whole pipelines, size, GFLOPs and license",
        "recommend": "name the models that meet limits of AP, latency and license, the best first",
        "dataset": "describe a data set of annotated images, or download one",
    },
    "publish models": {
        "gallery": (
            "write a static web site about models, with search, filters, an accuracy chart and a "
            "page for each model"
        ),
        "licenses": (
            "show the licenses of downloaded models, with their texts, or write them to a NOTICE "
            "file"
        ),
        "bom": (
            "write a bill of materials of models: files by digest, licenses, figures, how the IR "
            "were made"
        ),
        "push": "push the files and IR of models to an OCI registry, as one artifact",
    },
    "operate an installation": {
        "doctor": "check packages, plug-ins, settings and devices, and say how to fix problems",
        "verify": (
            "check downloaded files and IR: which have changed, are missing, or do not belong there"
        ),
        "lock": (
            "record the SHA-384 of each model.yml, file and IR; with --locked, all others are "
            "refused"
        ),
        "cache": "list, verify or remove the files in the cache",
        "mirror": (
            "create or check a mirror: a folder of models' files, for machines without a network"
        ),
        "completion": "print a script for a shell, so that TAB completes verbs, flags and models",
        "shims": "write Open Model Zoo's commands, such as omz_downloader, which then run posezoo",
    },
    "maintain a registry": {
        "new": (
            "download a model's files and draft its model.yml: size, SHA-384, inputs and outputs"
        ),
        "record": "write measurements into the measured.yml files of a registry",
        "sources": (
            "ask the sources of models whether they still have the files, without downloading them"
        ),
    },
}

SUMMARIES = {name: text for group in VERB_GROUPS.values() for name, text in group.items()}
