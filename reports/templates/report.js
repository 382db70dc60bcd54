"use strict";
// The page is whole without this: it adds sorting, copying, and opens what is folded before printing.

// The first number of a cell, so that "93.11 ± 0.48" sorts by its mean; null where it has none.
function numberOf(cell) {
  const text = cell.textContent.trim().replaceAll("−", "-").replaceAll(",", "");
  const match = /^[<+]?(-?\d+(\.\d+)?(e[-+]?\d+)?)/i.exec(text);
  return match ? Number(match[1]) : null;
}

function sortBy(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const place = (row) => Number(row.dataset.place);
  const isEmpty = (row) => ["", "–"].includes(row.cells[column].textContent.trim());
  const filled = rows.filter((row) => !isEmpty(row));
  const numeric = filled.every((row) => numberOf(row.cells[column]) !== null);
  const text = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b) =>
    numeric
      ? numberOf(a.cells[column]) - numberOf(b.cells[column])
      : text.compare(a.cells[column].textContent, b.cells[column].textContent);
  const ordered = (direction === 0 ? rows : filled).sort(
    (a, b) => (direction === 0 ? 0 : direction * compare(a, b)) || place(a) - place(b),
  );
  const empty = direction === 0 ? [] : rows.filter(isEmpty);
  body.append(...ordered, ...empty);
}

for (const table of document.querySelectorAll("table")) {
  [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.place = place; });
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.dataset.fixed !== undefined) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // First click up, second down, third back to the order of the page.
      const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort") ?? ""];
      const order = next === undefined ? "ascending" : next;
      for (const other of heads) other.removeAttribute("aria-sort");
      if (order) head.setAttribute("aria-sort", order);
      sortBy(table, column, { ascending: 1, descending: -1 }[order] ?? 0);
    });
  });
}

for (const button of document.querySelectorAll(".copy")) {
  const words = document.getElementById(button.dataset.copies);
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(words.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(words);
      button.textContent = "Selected: press Ctrl+C or ⌘C";
    }
    setTimeout(() => { button.textContent = label; }, 3000);
  });
}

addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
