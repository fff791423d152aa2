"""The command mo and the real Model Optimizer, run with the same command lines in the same files.

What Model Optimizer made is kept beside the tests.
"""

import hashlib
import shlex
import shutil

import pytest
from onnx import helper

from core.convert.test_against_mo import closed, infer, mirrored, off_by, values
from core.convert.test_graph_cutting import gated
from fakes import graphs, model_optimizer
from fakes.caffe import detector, squeeze_net
from fakes.network import network, saved_model
from omz.replay import TENSORFLOW
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.omz.commands import mo

#: Lines that both carry out. The weights of their IR have the same type, FP16 unless the line says otherwise.
CARRIED_OUT = (
    "--input_model net.onnx",
    "--input_model=net.onnx --output_dir=out/FP32 --compress_to_fp16=False",
    "-m net.onnx -o out -n other -s 255 -b 2",
    "--fram onnx --input_model net.onnx --mean [123,117,104] --scale_v [58,57,57] --rev --model_n a.b --compress True",
    "--input_model pair.onnx --input right,left --input_shape [1,3,4,6],[1,3,4,6] --framework onnx --output more",
    "--input_model pair.onnx --input left",
    "--input_model pair.onnx --input right --mean_values right[1,2,3] --layout right(nchw)",
    "--input_model gated.onnx --freeze_placeholder_with_value training->True,which->[0]",
    "--input_model rows.onnx --batch 5 --static_shape",
    "--input_model open.onnx --input_shape [1,3,24,20] --layout nchw->nhwc --silent --log_level ERROR",
    "--input_model open.onnx --input_shape [1,3,?,20] --progress --stream_output",
    "--input_model last.onnx --mean_values [1,2,3] --reverse_input_channels",
    "--input_model net.pb --reverse_input_channels --mean_values [127.5,127.5,127.5] --scale_values [127.5]",
    "--input_model net.pb --framework tf --input image --output features --compress_to_fp16=false",
    "--input_model net.pb --input_shape [1,24,24,3] --model_name n --output_dir .",
    "--saved_model_dir folder --output_dir out --use_new_frontend",
    "--saved_model_dir folder --output_dir out --input_shape [1,24,24,3] --model_name net",
    "--input_model folder",
    "--input_meta_graph net.meta",
    "--input_model net.tflite --layout nhwc->nchw",
    "--input_model net.tflite --batch 3",
    "--input_model ssd.caffemodel --input_shape [1,3,100,100] --mean_values [127.5,127.5,127.5] --scale 127.5",
    "--input_model squeezed.caffemodel --input_proto squeezed.prototxt --output prob --reverse_input_channels",
    "--framework caffe --input_model squeezed.caffemodel --input_shape [2,3,67,67] --output inner,prob",
    "--input_model net.onnx --source_layout nchw",
    "--input_model net.onnx --source_layout nchw --target_layout nhwc",
    "--input_model net.onnx --target_layout nhwc",
    "--input_model net.onnx --source_layout image(nchw) --target_layout image(nhwc) --mean_values [1,2,3]",
    "--input_model net.onnx --source_layout [n,c,h,w] --target_layout [n,h,w,c] --reverse_input_channels",
    "--input_model net.onnx --layout [n,c,h,w]->[n,h,w,c]",
    "--input_model net.onnx --layout image[n,c,h,w]->[n,h,w,c] --scale_values [4,5,6]",
    "--input_model net.onnx --layout nchw->",
    "--input_model net.onnx --layout nc... --mean_values [1,2,3]",
    "--input_model net.onnx --layout image(...hw),pafs(n...)",
    "--input_model net.onnx --layout nc...->n...c --reverse_input_channels",
    "--input_model open.onnx --layout nc...->nhwc --input_shape [1,3,24,20]",
    "--input_model pair.onnx --source_layout left(nc...) --target_layout left(n...c)",
    "--input_model net.onnx --layout image(nchw),heatmaps(nchw)",
    "--input_model net.onnx --layout pafs(nchw)",
    "--input_model net.onnx --output pafs --layout image(nchw->nhwc),pafs(nchw)",
    "--input_model net.onnx --layout nchw --mean_values image[1,2,3] --reverse_input_channels",
    "--input_model net.onnx --output pafs,heatmaps",
    "--input_model pair.onnx --layout nchw,nchw",
    "--input_model pair.onnx --layout nchw->nhwc,nchw",
    "--input_model pair.onnx --source_layout left(nchw),right(nchw) --target_layout left(nhwc)",
    "--input_model pair.onnx --source_layout left(nchw) --target_layout right(nhwc)",
    "--input_model pair.onnx --source_layout [n,c,h,w],[n,c,h,w] --target_layout [n,h,w,c],[n,c,h,w]",
    "--input_model pair.onnx --layout left(nchw->nhwc) --reverse_input_channels",
    "--input_model pair.onnx --mean_values left[1,2,3] --reverse_input_channels --scale 2",
    "--input_model pair.onnx --mean_values [1,2,3],[4,5,6] --scale_values [2,2,2],[3,3,3]",
    "--input_model net.onnx --mean_values [1,2,3] --scale_values [4]",
    "--input_model net.onnx --mean_values [1] --scale_values [4,5,6]",
    "--input_model pair.onnx --mean_values [1,2,3] --scale_values [4,5,6],[7,8,9]",
    "--input_model pair.onnx --mean_values [1,2,3],[4,5,6] --scale_values [7,8,9]",
    "--input_model pair.onnx --mean_values left[1,2,3] --scale_values right[4,5,6]",
    "--input_model pair.onnx --mean_values left[1,2,3] --scale_values left[4,5,6],right[7,8,9]",
    "--input_model pair.onnx --input left,right --mean_values [1,2,3] --scale 2",
    "--input_model pair.onnx --input left,right --scale_values [3] --reverse_input_channels",
    "--input_model pair.onnx --transform MakeStateful[param_res_names={}]",
    "--input_model pair.onnx --transform MakeStateful[param_res_names={\\'left\\':\\'more\\'}]",
    "--input_model net.onnx --transform MakeStateful[param_res_names={}],LowLatency2",
    "--input_model net.onnx --transform LowLatency2[use_const_initializer=false],Pruning,",
    "--input_model three.onnx --reverse_input_channels",
    "--input_model three.onnx --reverse_input_channels --layout mask(nchw)",
    "--input_model three.onnx --mean_values [1,2,3],[4],[5] --reverse_input_channels",
    "--input_model clip.onnx --reverse_input_channels --mean_values [1,2,3]",
    "--input_model words.onnx --input words{i32}[1,7]",
    "--input_model words.onnx --input words[1,7]{i32}",
    "--input_model offs.onnx --input x,shift[3,1,1]->[1,2,3]",
    "--input_model offs.onnx --input 'x,shift->[1 2 3]'",
    "--input_model offs.onnx --input x[2,3,4,6],shift{f32}[3,1,1]->[1,2,3]",
    "--input_model gated.onnx --input x,training{boolean}->True,which->[0]",
    "--input_model open.onnx --input image{f32}[1,3,16,16] --source_layout nchw --target_layout nhwc",
    "--input_model net.tflite --source_layout image(nhwc) --target_layout image(nchw) --reverse_input_channels",
    "--input_model net.pb --output pafs:0,heatmaps:0",
    "--saved_model_dir folder --source_layout nhwc --target_layout nchw --reverse_input_channels",
    "--saved_model_dir folder --output pafs,heatmaps",
    "--input_meta_graph net.meta --input_shape [1,24,24,3] --layout nhwc->nchw",
)
#: The same of a file whose IR is too large to keep.
OPENPOSE = "--input_model openpose.pb --input_shape [1,96,128,3] --output Openpose/concat_stage7"
#: Lines that both refuse, and the exit code of both.
REFUSED = {
    "": 1,
    "--input_model gone.onnx": 1,
    "--saved_model_dir gone": 1,
    "--input_model damaged.onnx": 1,
    "--input_model net.zip": 1,
    "--input_model net.onnx --nonsense": 2,
    "--input_model net.onnx --input_": 2,
    "net.onnx": 2,
    "--input_model net.onnx --batch 2 --input_shape [1,3,12,20]": 1,
    "--input_model net.onnx --input_shape [1,4,12,20]": 1,
    "--input_model net.onnx --input gone": 1,
    "--input_model net.onnx --output gone": 1,
    "--input_model net.onnx --mean_values [1,2]": 1,
    "--input_model net.onnx --mean_values [1,2,3],[4,5,6]": 1,
    "--input_model net.onnx --mean_values [123,117,104] --scale_values [58],[57]": 1,
    "--input_model net.onnx --mean_values [1,2,3] --scale_values image[4,5,6]": 1,
    "--input_model pair.onnx --mean_values [1,2,3]": 1,
    "--input_model pair.onnx --mean_values [1,2,3] --scale 2": 1,
    "--input_model pair.onnx --mean_values [1,2,3],[4,5,6] --scale_values left[7,8,9]": 1,
    "--input_model pair.onnx --input right,left --mean_values [1,2,3] --scale_values [2],[3]": 1,
    "--input_model pair.onnx --layout nchw": 1,
    "--input_model pair.onnx --input_shape [2,3,4,6]": 1,
    "--input_model net.onnx --transform MakeStateful": 1,
    "--input_model net.onnx --transform MakeStateful[]": 1,
    "--input_model net.onnx --transform MakeStateful[param_res_names=1]": 1,
    "--input_model net.onnx --transform LowLatency2[]": 1,
    "--input_model net.onnx --transform LowLatency2[use_const_initializer=maybe]": 1,
    "--input_model net.onnx --transform 'LowLatency2, Pruning'": 1,
    "--input_model net.onnx --transform ' LowLatency2'": 1,
    "--input_model net.onnx --output_dir net.pb/out": 1,
    "--input_model damaged.caffemodel": 1,
    "--input_model net.onnx --transformations_config gone.json": 1,
    "--input_model net.onnx --layout nchw --target_layout nhwc": 1,
    "--input_model net.onnx --source_layout nchwd": 1,
    "--input_model gray.onnx --reverse_input_channels": 1,
    "--input_model gray.onnx --reverse_input_channels --layout nchw": 1,
    "--input_model net.onnx --reverse_input_channels --layout nhwc": 1,
    "--input_model offs.onnx --input x,shift[3,1,1]->[1,2]": 1,
}


def last_channels():
    """An ONNX network whose images have their channels last, as exporters of TensorFlow write."""
    ports = [(name, graphs.FLOAT, (1, 4, 6, 3)) for name in ("image", "y")]
    return graphs.written(
        "last", [helper.make_node("Tanh", ["image"], ["y"], "y")], ports[:1], ports[1:]
    )


def each_by_itself(**shapes):
    """A network of inputs that do not meet."""
    inputs = [(name, graphs.FLOAT, shape) for name, shape in shapes.items()]
    outputs = [(f"{name}_end", kind, shape) for name, kind, shape in inputs]
    nodes = [helper.make_node("Tanh", [name], [f"{name}_end"], name) for name in shapes]
    return graphs.written("apart", nodes, inputs, outputs)


def shifted():
    """A picture, and a number for each of its channels."""
    x, y = ((name, graphs.FLOAT, (1, 3, 4, 6)) for name in ("x", "y"))
    shift = ("shift", graphs.FLOAT, (3, 1, 1))
    nodes = [helper.make_node("Add", ["x", "shift"], ["y"], "y")]
    return graphs.written("shifted", nodes, [x, shift], [y])


@pytest.fixture(scope="module")
def originals(tmp_path_factory, mirror):
    """A folder with the files that the lines name."""
    folder = tmp_path_factory.mktemp("originals")
    whole, meta = saved_model()
    files = {
        **{f"net.{kind}": network(kind) for kind in ("onnx", "pb", "tflite")},
        "open.onnx": network("onnx", open_sizes=True),
        "pair.onnx": graphs.pair(),
        "rows.onnx": graphs.rows(),
        "gated.onnx": gated(),
        "last.onnx": last_channels(),
        "three.onnx": each_by_itself(photo=(1, 3, 4, 6), mask=(1, 1, 4, 6), sizes=(1, 3)),
        "gray.onnx": each_by_itself(image=(1, 1, 4, 6)),
        "offs.onnx": shifted(),
        "clip.onnx": graphs.clip(),
        "words.onnx": graphs.words(),
        "damaged.onnx": network("onnx")[:300],
        "damaged.caffemodel": b"weights",
        "net.meta": meta,
        "folder/saved_model.pb": whole,
        "openpose.pb": mirrored(mirror, "ee9d0c68"),
    }
    (folder / "folder").mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    detector().save(folder, "ssd")
    squeeze_net().save(folder, "squeezed")
    return folder


@pytest.fixture(scope="module")
def digest(originals):
    """Of all files that the lines name."""
    contents = [path.read_bytes() for path in sorted(originals.rglob("*")) if path.is_file()]
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in contents)).hexdigest()


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The real program imports TensorFlow only to ask whether the path of a file is one of its objects."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "tensorflow.py").write_text(TENSORFLOW)
    return str(folder)


def run_both(
    line,
    originals,
    run,
    folder,
    monkeypatch,
    capfd,
):
    """The exit code and the new files of the real program and of ours, each in its own folder.

    Args:
        run: of the real program, with a command line in a folder.
    """
    ended = {}
    for who in ("theirs", "ours"):
        place = shutil.copytree(originals, folder / who)
        before = set(place.rglob("*"))
        if who == "theirs":
            code = run(shlex.split(line), place)
        else:
            monkeypatch.chdir(place)
            try:
                code = mo.main(shlex.split(line))
            except SystemExit as error:
                code = error.code
        files = {
            str(path.relative_to(place))
            for path in set(place.rglob("*")) - before
            if path.is_file()
        }
        ended[who] = code, files
    capfd.readouterr()
    return ended


@pytest.fixture(scope="module")
def kept_run(originals, modules, digest):
    """What the real program did with a command line."""

    def run(words, place):
        def ask():
            return model_optimizer.run_copy(words, place, modules)

        return model_optimizer.recorded_run([digest, *words], place, ask).returncode

    return run


@model_optimizer.has_recorded_runs
@pytest.mark.parametrize("line", CARRIED_OUT)
def test_both_leave_the_same_files_which_compute_the_same(
    line, originals, kept_run, tmp_path, monkeypatch, capfd
):
    compare_runs(line, run_both(line, originals, kept_run, tmp_path, monkeypatch, capfd), tmp_path)


@model_optimizer.needs_mo
def test_both_leave_the_same_files_of_openpose(originals, modules, tmp_path, monkeypatch, capfd):
    def run(words, place):
        return model_optimizer.run_copy(words, place, modules).returncode

    ended = run_both(OPENPOSE, originals, run, tmp_path, monkeypatch, capfd)
    compare_runs(OPENPOSE, ended, tmp_path)


def compare_runs(line, ended, tmp_path):
    assert ended["ours"] == ended["theirs"]
    code, files = ended["ours"]
    assert code == 0 and len(files) == 2
    (xml,) = (name for name in files if name.endswith(".xml"))
    core = import_openvino().Core()
    ours, theirs = (core.read_model(tmp_path / who / xml) for who in ("ours", "theirs"))
    feeds = [{}, {}]
    for number, (our, their) in enumerate(zip(ours.inputs, theirs.inputs, strict=True)):
        assert our.names & their.names
        assert (our.partial_shape, our.element_type) == (their.partial_shape, their.element_type)
        given = values(closed(their), number, their.element_type.to_dtype())
        feeds[0][our.any_name] = feeds[1][their.any_name] = given
    expected, found = infer(theirs, feeds[1]), infer(ours, feeds[0])
    for our, their in zip(ours.outputs, theirs.outputs, strict=True):
        assert our.names & their.names
        assert our.node.layout == their.node.layout
        assert (our.partial_shape, our.element_type) == (their.partial_shape, their.element_type)
        # What each folds into the weights may round to the next value of FP16: 2**-11 of each.
        tolerance = 1e-5 if "fp16=" in line.lower() else 2**-9
        assert off_by(expected[their.any_name], found[our.any_name]) <= tolerance
    sizes = [
        (tmp_path / who / xml).with_suffix(".bin").stat().st_size for who in ("ours", "theirs")
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1, abs=200)


@model_optimizer.has_recorded_runs
@pytest.mark.parametrize("line", REFUSED)
def test_both_refuse_with_the_same_exit_code_and_write_nothing(
    line, originals, kept_run, tmp_path, monkeypatch, capfd
):
    ended = run_both(line, originals, kept_run, tmp_path, monkeypatch, capfd)
    assert ended["ours"] == ended["theirs"] == (REFUSED[line], set())
