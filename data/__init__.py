"""The images that methods search on, and the true accuracies of the cells they find."""

IMAGE_SETS = ("cifar10", "cifar100", "imagenet16-120", "digits")
"""The names that `data.images.open_images` takes."""

TRUTH_TABLES = ("nasbench201", "analognas")
"""The names that `data.truth.open_truth` takes, in the order of preference."""

DOWNLOADS = ("nb201", "cifar10", "cifar100")
"""The names that `data.inventory.download` takes."""
