// Tables with the class "sortable" are put in order by a click on a heading, and the other way round by a second one.
// The first click puts the best first: a heading's data-first says where that is the highest value.
// A cell's data-value, where it has one, says what counts; empty values stay at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      const down = before ? before === "ascending" : heading.dataset.first === "descending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
      rows.sort(([one], [other]) => compare(one, other, down));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function value(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim();
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}

function compare(one, other, down) {
  if (one === "" || other === "") return (one === "") - (other === "");
  const numbers = typeof one === "number" && typeof other === "number";
  const order = numbers ? one - other : String(one).localeCompare(String(other), undefined, { numeric: true });
  return down ? -order : order;
}
