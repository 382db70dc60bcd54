"""Crop, flip and normalisation against their definitions, image by image."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.augment import crop_and_flip, normalise


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    return torch.randint(256, (40, 3, 8, 8), generator=generator(0), dtype=torch.uint8)


def every_view(image, padding):
    """All crops of one padded image, plain and mirrored."""
    side = image.shape[-1]
    padded = np.pad(image.numpy(), ((0, 0), (padding, padding), (padding, padding)))
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[:, top : top + side, left : left + side]
            yield top, left, False, crop
            yield top, left, True, crop[:, :, ::-1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), padding=st.integers(0, 4))
def test_every_image_is_one_of_the_crops_of_its_own(images, seed, padding):
    for before, after in zip(images, crop_and_flip(images, padding, generator(seed)), strict=True):
        assert any(np.array_equal(view, after) for *_, view in every_view(before, padding))


def test_shifts_and_mirrors_are_drawn_evenly_and_apart():
    count, padding = 20_000, 1
    marker = torch.arange(1, 10, dtype=torch.uint8).reshape(1, 1, 3, 3).expand(count, 3, 3, 3)
    views = {view[0].tobytes(): key for *key, view in every_view(marker[0], padding)}
    drawn = crop_and_flip(marker, padding, generator(3))[:, 0].numpy()
    found = np.array([views[image.tobytes()] for image in drawn])
    counts = np.unique(found, axis=0, return_counts=True)[1]
    assert len(counts) == 9 * 2
    assert abs(counts - count / 18).max() < 5 * np.sqrt(count / 18)


def test_the_same_generator_gives_the_same_and_the_next_draw_another(images):
    one, other = generator(7), generator(7)
    first = crop_and_flip(images, 4, one)
    assert torch.equal(first, crop_and_flip(images, 4, other))
    assert not torch.equal(first, crop_and_flip(images, 4, one))


def test_the_input_stays_and_the_form_is_kept(images):
    copy = images.clone()
    result = crop_and_flip(images, 2, generator(1))
    assert torch.equal(images, copy)
    assert result.shape == images.shape and result.dtype == torch.uint8


def test_normalised_pixels_are_those_of_the_formula(images):
    mean, std = (0.49, 0.48, 0.45), (0.24, 0.25, 0.26)
    result = normalise(images, mean, std)
    expected = (images.double() / 255 - torch.tensor(mean).double()[:, None, None]) / torch.tensor(std)[:, None, None]
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.double(), expected, atol=1e-6, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_on_a_gpu_nothing_waits_for_the_host(images):
    mean, std = (0.5,) * 3, (0.25,) * 3
    on_gpu, random = images.cuda(), torch.Generator("cuda").manual_seed(0)
    normalise(crop_and_flip(on_gpu, 4, random), mean, std)  # the constants go over once
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = normalise(crop_and_flip(on_gpu, 4, random), mean, std)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert result.device == on_gpu.device and result.shape == images.shape
