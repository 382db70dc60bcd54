import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces import Cell, CellError
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, NUM_CELLS, OPERATIONS, POOL, SKIP

positions = st.integers(0, NUM_CELLS - 1)


@given(positions)
def test_position_and_string_round_trip(position):
    cell = Cell.at(position)
    assert cell.position == position
    assert Cell.parse(str(cell)) == cell


def test_the_strings_and_positions_of_all_cells_are_distinct():
    cells = list(Cell.all())
    assert [cell.position for cell in cells] == list(range(15_625))
    assert len({str(cell) for cell in cells}) == 15_625


def test_the_benchmarks_own_form():
    text = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
    assert Cell.parse(text).operations == (POOL, CONV1, SKIP, CONV3, NONE, SKIP)
    assert str(Cell.parse(f"  {text}\n")) == text


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("", "3 nodes"),
        ("|none~0|", "found 1"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2", "no node"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "takes 2"),
        ("|none~0|+|none~0|max_pool~1|+|none~0|none~1|none~2|", "'max_pool' is not an operation"),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "expected 'none~1'"),
        ("|none|+|none~0|none~1|+|none~0|none~1|none~2|", "expected 'none~0'"),
    ],
)
def test_a_wrong_string_is_refused_by_its_wrong_token(text, culprit):
    with pytest.raises(CellError, match=culprit):
        Cell.parse(text)


@given(st.text(alphabet="|+~0123nonesk_cv", max_size=60))
def test_any_other_text_is_refused_in_one_sentence(text):
    try:
        cell = Cell.parse(text)
    except CellError as error:
        assert "\n" not in str(error)
    else:
        assert str(cell) == text.strip()


@pytest.mark.parametrize("operations", [(), (0,) * 5, (0,) * 7, (0, 0, 0, 0, 0, 5), (0, 0, 0, 0, 0, -1)])
def test_operations_outside_the_space_are_refused(operations):
    with pytest.raises(CellError):
        Cell(operations)


@pytest.mark.parametrize("position", [-1, NUM_CELLS])
def test_positions_outside_the_space_are_refused(position):
    with pytest.raises(CellError, match="outside"):
        Cell.at(position)


def test_small_canonical_forms():
    assert Cell((NONE,) * 6).canonical() == ""
    assert Cell((SKIP, NONE, NONE, NONE, SKIP, NONE)).canonical() == "x"
    assert Cell((NONE, NONE, CONV3, SKIP, NONE, SKIP)).canonical() == "x"  # a convolution of zeros adds nothing
    assert Cell((CONV3, NONE, NONE, SKIP, CONV1, NONE)).canonical() == "1(3(x))+x"


def benchmarks_form(cell: Cell) -> str:
    """NAS-Bench-201's `to_unique_str(consider_zero=True)`: zeros are marked, skips spliced in, but zeros stay terms."""
    nodes, operations = ["0"], iter(cell.operations)
    for target in (1, 2, 3):
        terms = []
        for source in range(target):
            operation = next(operations)
            if operation == NONE or nodes[source] == "#":
                terms.append("#")
            elif operation == SKIP:
                terms.append(nodes[source])
            else:
                terms.append(f"({nodes[source]})@{OPERATIONS[operation]}")
        nodes.append("+".join(sorted(terms)))
    return nodes[3]


def test_the_space_has_4930_classes_where_the_benchmarks_form_counts_6466():
    cells = list(Cell.all())
    assert len({cell.canonical() for cell in cells}) == 4_930
    assert len({benchmarks_form(cell) for cell in cells}) == 6_466
    # Ours only ever joins what the benchmark's tells apart.
    assert len({(benchmarks_form(cell), cell.canonical()) for cell in cells}) == 6_466


X = torch.randn(4, 2, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CONVOLUTIONS = {
    operation: torch.randn(2, 2, k, k, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    for operation, k in ((CONV1, 1), (CONV3, 3))
}


def apply(operation: int, x: torch.Tensor) -> torch.Tensor:
    """An operation as a search network applies it; all convolutions of one size hold the same weights."""
    if operation == SKIP:
        return x
    if operation == POOL:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    return F.batch_norm(F.conv2d(F.relu(x), CONVOLUTIONS[operation], padding="same"), None, None, training=True)


def output(cell: Cell) -> torch.Tensor:
    nodes = [X, *(torch.zeros_like(X) for _ in range(3))]
    for operation, (source, target) in zip(cell.operations, EDGES, strict=True):
        if operation != NONE:
            nodes[target] = nodes[target] + apply(operation, nodes[source])
    return nodes[3]


@pytest.fixture(scope="module")
def classes() -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in Cell.all():
        found.setdefault(cell.canonical(), []).append(cell)
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_members_of_a_class_agree_numerically(classes, data):
    members = classes[data.draw(st.sampled_from([form for form, cells in classes.items() if len(cells) > 1]))]
    first, second = data.draw(st.permutations(members))[:2]
    torch.testing.assert_close(output(first), output(second), rtol=1e-9, atol=1e-9)


def test_cells_of_different_classes_differ_but_for_pooling_being_linear(classes):
    """A representative of each class computes another function, except that pool(a + b) = pool(a) + pool(b)."""

    def distribute(form: str) -> tuple:
        return _distribute(_parse_sum(iter(form)))

    probe = torch.randn(X.numel(), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    values = {form: round(float(output(cells[0]).flatten() @ probe), 7) for form, cells in classes.items()}
    joined = {form: distribute(form) for form in classes}
    assert len(set(values.values())) == len(set(joined.values())) == 4_660
    assert len({(values[form], joined[form]) for form in classes}) == 4_660  # the same classes are joined


def _parse_sum(text):
    """The terms of a canonical form, as nested tuples ('x',) and (symbol, terms)."""
    terms, symbol = [], None
    for letter in text:
        if letter == "x":
            terms.append(("x",))
        elif letter in "13p":
            symbol = letter
        elif letter == "(":
            terms.append((symbol, _parse_sum(text)))
        elif letter == ")":
            break
    return tuple(terms)


def _distribute(terms):
    spread = []
    for term in terms:
        if term == ("x",):
            spread.append(term)
        elif term[0] == "p":
            spread += [("p", (inner,)) for inner in _distribute(term[1])]
        else:
            spread.append((term[0], _distribute(term[1])))
    return tuple(sorted(spread, key=repr))


def test_count_counts_edges():
    cell = Cell((SKIP, SKIP, CONV3, NONE, SKIP, POOL))
    assert [cell.count(operation) for operation in range(5)] == [1, 3, 0, 1, 1]
    assert all(sum(cell.count(operation) for operation in range(5)) == 6 for cell in Cell.all())
