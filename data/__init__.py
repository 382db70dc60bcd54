"""The images that methods search on, and the true accuracies of the cells they find."""

IMAGE_SETS = ("cifar10", "cifar100", "imagenet16-120", "digits")
"""The names that `data.images.open_images` takes."""

TRUTH_TABLES = ("nasbench201", "analognas")
"""The names that `data.truth.open_truth` takes; the first is the default."""

IMPORTED = "nasbench201.parquet"
"""The file in the data folder that an imported release of NAS-Bench-201 becomes."""

DOWNLOADS = ("nb201", "cifar10", "cifar100")
"""The names that `data.inventory.download` takes."""
