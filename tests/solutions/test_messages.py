"""Messages that behave as protobuf's, which is the judge where it is installed."""

import copy
import pickle
import random
from threading import Thread

import numpy as np
import pytest

from fakes.waiting import HANG_S
from posezoo.solutions.messages import (
    MESSAGES,
    DecodeError,
    ProtoMessage,
    create_landmarks,
    messages_of,
)
from posezoo.solutions.tables import TABLES

LANDMARK = MESSAGES["NormalizedLandmark"]
LANDMARKS = MESSAGES["NormalizedLandmarkList"]

#: FieldDescriptorProto.Type of each kind.
TYPES = {"float": 2, "int64": 3, "int32": 5, "string": 9, "enum": 5}


@pytest.fixture(scope="module")
def protobuf():
    """MediaPipe's messages as protobuf itself makes them; enumerations are numbers there."""
    descriptors = pytest.importorskip("google.protobuf.descriptor_pb2", reason="needs protobuf")
    from google.protobuf import descriptor_pool, message_factory

    file = descriptors.FileDescriptorProto(name="judge.proto", package="judge", syntax="proto2")
    kinds = {
        name: fields for module in TABLES["messages"].values() for name, fields in module.items()
    }
    for name, fields in kinds.items():
        message = file.message_type.add(name=name.replace(".", "_"))
        for key, (number, kind, *flags) in fields.items():
            field = message.field.add(
                name=key, number=number, label=3 if "repeated" in flags else 1
            )
            field.type = TYPES.get(kind, 11)
            if kind in kinds:
                field.type_name = f".judge.{kind.replace('.', '_')}"
            if "packed" in flags:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"judge.{name.replace('.', '_')}")
        )
        for name in kinds
    }


def describe_face(kinds):
    """The same detection of any kind of messages."""
    detection = kinds["Detection"](label_id=[0, 300, -1], score=[0.5, 1 / 3], label=["é", ""])
    detection.location_data.format = 2
    detection.location_data.relative_bounding_box.xmin = 0.1
    for x in (0.25, -0.0, 1e10):
        detection.location_data.relative_keypoints.add(x=x, y=1)
    detection.detection_id = -5
    return detection


def test_bytes_are_those_of_protobuf_and_are_read_back(protobuf):
    ours, theirs = describe_face(MESSAGES), describe_face(protobuf)
    assert ours.SerializeToString() == theirs.SerializeToString()
    assert MESSAGES["Detection"].FromString(theirs.SerializeToString()) == ours
    assert ours.ByteSize() == theirs.ByteSize()
    assert list(ours.score) == list(theirs.score)


def test_the_text_is_that_of_protobuf(protobuf):
    ours, theirs = describe_face(MESSAGES), describe_face(protobuf)
    for message in (ours, theirs):
        message.location_data.ClearField("format")
    assert str(ours) == str(theirs)
    assert repr(ours.location_data) == str(theirs.location_data)


def test_protobuf_converts_a_message_to_a_dictionary():
    json_format = pytest.importorskip("google.protobuf.json_format", reason="needs protobuf")
    hand = MESSAGES["ClassificationList"]()
    hand.classification.add(index=1, score=0.98, label="Right")
    expected = {"classification": [{"index": 1, "score": 0.98, "label": "Right"}]}
    assert json_format.MessageToDict(hand) == expected
    location = json_format.MessageToDict(describe_face(MESSAGES))["locationData"]
    assert location["format"] == "RELATIVE_BOUNDING_BOX"
    assert location["relativeKeypoints"][0] == {"x": 0.25, "y": 1.0}


def test_protobuf_reads_text_and_json_into_a_message():
    json_format = pytest.importorskip("google.protobuf.json_format", reason="needs protobuf")
    from google.protobuf import text_format

    face = describe_face(MESSAGES)
    assert json_format.Parse(json_format.MessageToJson(face), MESSAGES["Detection"]()) == face
    assert text_format.Parse(str(face), MESSAGES["Detection"]()) == face
    points = json_format.ParseDict({"landmark": [{"x": 0.5, "y": 0.25}, {}]}, LANDMARKS())
    assert points == LANDMARKS(landmark=[{"x": 0.5, "y": 0.25}, {}])
    with pytest.raises(text_format.ParseError, match="no field named"):
        text_format.Parse("landmark { q: 1 }", LANDMARKS())


def test_a_value_is_rounded_to_float32_and_has_presence():
    landmark = LANDMARK(x=0.1)
    assert landmark.x == np.float32(0.1) and landmark.y == 0
    assert landmark.HasField("x") and not landmark.HasField("visibility")
    landmark.visibility = 0.0
    assert landmark.HasField("visibility")
    landmark.ClearField("visibility")
    assert not landmark.HasField("visibility")


def test_a_list_of_landmarks_grows_by_copies():
    landmarks = LANDMARKS()
    first = landmarks.landmark.add(x=0.5)
    landmarks.landmark.append(first)
    landmarks.landmark.extend([LANDMARK(x=1), first])
    first.x = 0.75
    assert [each.x for each in landmarks.landmark] == [0.75, 0.5, 1, 0.5]
    assert len(landmarks.landmark) == 4 and landmarks.landmark[-1].x == 0.5
    smoothed = LANDMARKS()
    smoothed.CopyFrom(landmarks)
    assert smoothed == landmarks and smoothed is not landmarks
    smoothed.landmark[0].y = 1
    assert smoothed != landmarks


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_messages_are_copied_and_sent_to_other_processes(copied):
    face = describe_face(MESSAGES)
    assert copied(face) == face and copied(face) is not face
    assert copied([face.location_data])[0] == face.location_data


def test_landmarks_are_made_from_rows():
    landmarks = create_landmarks("LandmarkList", np.array([[1, 2, 3, 0.5], [4, 5, 6, 1]]))
    assert landmarks.landmark[1].z == 6 and landmarks.landmark[0].visibility == 0.5
    assert str(landmarks.landmark[0]) == "x: 1\ny: 2\nz: 3\nvisibility: 0.5\n"


def test_a_thread_that_reads_while_landmarks_are_made_finds_all_of_them():
    found = []

    class Rows(np.ndarray):
        """Another thread reads the landmarks when the first one makes them."""

        def tolist(self):
            if not found:
                found.append("nothing")
                reader = Thread(target=lambda: found.append(len(landmarks.landmark)))
                reader.start()
                reader.join(HANG_S)
            return super().tolist()

    landmarks = create_landmarks("LandmarkList", np.zeros((5, 3), np.float32).view(Rows))
    assert len(landmarks.landmark) == 5
    assert found == ["nothing", 5]


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (lambda: LANDMARK(q=1), ValueError),
        (lambda: LANDMARK().HasField("landmark"), ValueError),
        (lambda: LANDMARKS().HasField("landmark"), ValueError),
        (lambda: setattr(LANDMARK(), "x", "a"), TypeError),
        (lambda: setattr(LANDMARK(), "foo", 1), AttributeError),
        (lambda: setattr(LANDMARKS(), "landmark", []), AttributeError),
        (lambda: LANDMARKS().landmark.append(3), TypeError),
        (lambda: LANDMARKS(landmark=[{"q": 1}]), ValueError),
        (lambda: LANDMARK().CopyFrom(MESSAGES["Landmark"]()), TypeError),
        (lambda: hash(LANDMARK()), TypeError),
    ],
)
def test_mistakes_are_refused_as_by_protobuf(mistake, error):
    with pytest.raises(error):
        mistake()


@pytest.mark.parametrize("content", [b"\xff", b"\x0d\x00", b"\x0a\x05a", b"\x0b", b"\x0c"])
def test_bytes_of_something_else_are_refused(content):
    with pytest.raises(DecodeError):
        LANDMARK.FromString(content)


def test_reading_tells_the_number_of_bytes_as_protobuf_does():
    content = LANDMARK(x=0.5).SerializeToString()
    assert LANDMARK().MergeFromString(content) == LANDMARK().ParseFromString(content) == 5


def test_unknown_fields_are_skipped():
    assert LANDMARK.FromString(b"\x0d\x00\x00\x00\x3f\xa0\x06\x05").x == 0.5


def test_modules_have_the_messages_of_mediapipe():
    assert set(messages_of("classification_pb2")) >= {"Classification", "ClassificationList"}
    location = messages_of("location_data_pb2")["LocationData"]
    assert location.RELATIVE_BOUNDING_BOX == 2
    assert location.RelativeKeypoint(x=1).x == 1


def read(kinds, name, content, errors):
    """What a message says, without fields that it does not know; or that it is none."""
    try:
        message = kinds[name].FromString(content)
    except errors:
        return "is no message"
    if not isinstance(message, ProtoMessage):
        message.DiscardUnknownFields()
    return message.SerializeToString(), str(message)


def test_damaged_bytes_are_read_as_protobuf_reads_them(protobuf):
    message = pytest.importorskip("google.protobuf.message", reason="needs protobuf")
    draw = random.Random(76)
    whole = describe_face(MESSAGES).SerializeToString()
    names = [name for name in MESSAGES if not name.startswith("LocationData")]  # has enumerations
    for _ in range(3000):
        name = draw.choice(names)
        content = bytearray(whole[: draw.randrange(1, len(whole))])
        for _ in range(draw.randrange(6)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        if name == "Detection" and 34 in content:  # the field location_data
            continue
        ours = read(MESSAGES, name, bytes(content), DecodeError)
        assert ours == read(protobuf, name, bytes(content), message.DecodeError), content.hex()


@pytest.mark.parametrize(
    "content",
    [b"\x80" * 1_000_000, b"\x0a\xff\xff\xff\xff\x7f", b"\x0b" * 1_000_000, b"\x07", b"\x00\x01"],
    ids=["a number without an end", "a long text", "groups without an end", "a type", "a number"],
)
def test_what_is_no_message_is_refused_at_once(content):
    with pytest.raises(DecodeError):
        MESSAGES["Detection"].FromString(content)


def test_a_value_of_another_type_is_ignored_as_an_unknown_field():
    assert (
        MESSAGES["Detection"].FromString(b"\x22\x00\x20\xff\xff\xff\xff\x03")
        == MESSAGES["Detection"]()
    )


def test_a_number_is_no_message():
    with pytest.raises(TypeError):
        MESSAGES["Detection"].FromString(1 << 40)
